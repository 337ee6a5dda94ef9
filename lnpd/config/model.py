"""What is a node told when it starts? One frozen value; `table.py` has the options that set its fields."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from lnpd.channel.presets import DEFAULT as USUAL_LIMITS
from lnpd.channel.presets import Limits
from lnpd.config.given import Given
from lnpd.routing.relay import RelayPolicy

Network = Literal["regtest", "testnet", "signet", "bitcoin"]
NETWORKS: Final[tuple[Network, ...]] = ("regtest", "testnet", "signet", "bitcoin")
MAINNET: Final = "bitcoin"
MAINNET_MAX_CHANNEL_SAT: Final = 1_000_000
MAINNET_MAX_TOTAL_SAT: Final = 5_000_000
USUAL_RELAY: Final = RelayPolicy()
ANCHOR_RESERVE_SAT: Final = 10_000  # for each channel with anchors, as LND keeps
MAX_ALIAS_BYTES: Final = 32  # BOLT 7, node_announcement
UPFRONT_NOWHERE: Final = "off"
UPFRONT_WALLET: Final = "wallet"
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_SUBSYSTEMS: Final = (
    "node", "daemon", "channels", "peers", "payments", "chain", "wallet", "plugins", "signer", "backup", "rpc", "hooks",
    "bus", "store", "doctor",
)  # fmt: skip
CHANNEL_SECRETS: Final = ("funding", "revocation", "payment", "delayed_payment", "htlc", "shachain_seed")


class Address(msgspec.Struct, frozen=True):
    """Where to listen or to connect to; port 0 listens at any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Secret(msgspec.Struct, frozen=True):
    """A word that may hold a password, and is never shown."""

    word: str

    def __repr__(self) -> str:
        return "Secret(...)"


class FailPoint(msgspec.Struct, frozen=True):
    """Cut the power at the `count`-th commit that contains a persistence point, before or after it."""

    point: str
    moment: Literal["before", "after"] = "before"
    count: int = 1


class Developer(msgspec.Struct, frozen=True):
    """What tests of other implementations need, and nobody with money may use. Empty bytes: as without the option.

    `channel_secrets` are those of CHANNEL_SECRETS, in order, the same for every channel.
    """

    node_key: bytes = b""
    seed: bytes = b""
    channel_secrets: tuple[bytes, ...] = ()
    fail_at: tuple[FailPoint, ...] = ()
    poll_seconds: float | None = None
    redial_seconds: float | None = None
    minimum_depth: int | None = None
    htlc_timeouts: bool = True
    require_channel_type: bool = True

    def __repr__(self) -> str:
        return "Developer(...)"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a node is told when it starts. `developer` is None unless --developer was given.

    The chain is a bitcoind's if one is named (by `bitcoind`, or by its data directory), or if the network is not
    regtest; or that of `electrum`, servers' URLs, the first that answers; or that of a chain service, whose endpoint is
    `chain`; or else an embedded regtest chain, in this process or, with `chain_process`, in one of its own.
    `anchor_reserve_sat` None: what is usual on the network. `upfront_shutdown` is "off", "wallet" or an address.
    `given` is who said what of it, `files` are those that were read for it.
    """

    directory: Path
    network: Network = "regtest"
    experimental_mainnet: bool = False
    alias: str = "lnpd"
    listen: tuple[Address, ...] = (Address("127.0.0.1", 9735),)
    plugins: tuple[Path, ...] = ()
    grants: tuple[tuple[str, str], ...] = ()
    plugin_options: tuple[tuple[str, str, str], ...] = ()
    plugin_memory_mib: int = 1024
    plugin_files: int = 256
    plugin_processes: int = 4096
    plugin_sandbox: Literal["auto", "never", "always"] = "auto"
    plugin_network: tuple[str, ...] = ()
    plugin_listen: str = ""
    remote_plugins: tuple[tuple[str, bytes], ...] = ()
    rpc_listen: Address | None = None
    rpc_clients: tuple[tuple[str, bytes], ...] = ()
    rpc_readers: tuple[tuple[str, bytes], ...] = ()
    metrics: Address | None = None
    chain: str = ""
    chain_process: bool = False
    bitcoind: Secret | None = None
    bitcoind_directory: Path | None = None
    electrum: tuple[str, ...] = ()
    wallet_birth_height: int | None = None
    backup_file: Path | None = None
    signer_process: bool = False
    passphrase_file: Path | None = None
    plain_seed: bool = False
    minimum_depth: int = 3
    limits: Limits = USUAL_LIMITS
    upfront_shutdown: str = UPFRONT_NOWHERE
    anchor_reserve_sat: int | None = None
    fee_base_msat: int = USUAL_RELAY.fee_base_msat
    fee_proportional_millionths: int = USUAL_RELAY.fee_proportional_millionths
    cltv_expiry_delta: int = USUAL_RELAY.cltv_expiry_delta
    htlc_minimum_msat: int = USUAL_RELAY.htlc_minimum_msat
    htlc_maximum_msat: int = USUAL_RELAY.htlc_maximum_msat
    log_level: str = "info"
    log_levels: tuple[tuple[str, str], ...] = ()
    log_file: str = ""
    log_file_mib: int = 10
    log_files: int = 5
    log_format: Literal["text", "json"] = "text"
    log_quiet: bool = False
    developer: Developer | None = None
    given: tuple[Given, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def seed_path(self) -> Path:
        """The file that keeps the seed."""
        return self.directory / "seed"

    @property
    def runtime(self) -> Path:
        """The folder of the sockets between this node's processes."""
        return self.directory / "run"

    @property
    def log_path(self) -> Path | None:
        """The log's file; a name alone is in the data directory."""
        return self.directory / Path(self.log_file).expanduser() if self.log_file else None

    @property
    def relay(self) -> RelayPolicy:
        """What is asked for forwarding, where a channel has no terms of its own."""
        return RelayPolicy(
            self.fee_base_msat,
            self.fee_proportional_millionths,
            self.cltv_expiry_delta,
            self.htlc_minimum_msat,
            self.htlc_maximum_msat,
        )

    @property
    def reserve_sat(self) -> int:
        """What the wallet keeps for closing each channel with anchors: on regtest, where fees are play, nothing."""
        if self.anchor_reserve_sat is not None:
            return self.anchor_reserve_sat
        return 0 if self.network == "regtest" else ANCHOR_RESERVE_SAT

    @property
    def coin(self) -> int:
        """The coin type of the keys' paths (SLIP 44)."""
        return 0 if self.network == MAINNET else 1

    @property
    def experimental_types(self) -> bool:
        """Whether channel types beyond BOLT 2's may be used."""
        return self.network != MAINNET

    @property
    def names_bitcoind(self) -> bool:
        """Whether a bitcoind was asked for."""
        return self.bitcoind is not None or self.bitcoind_directory is not None

    @property
    def names_chain(self) -> bool:
        """Whether a chain beside the embedded one was asked for."""
        return self.names_bitcoind or bool(self.chain or self.electrum)

    @property
    def uses_bitcoind(self) -> bool:
        """Whether the chain is a bitcoind's."""
        return self.names_bitcoind or (self.network != "regtest" and not (self.chain or self.electrum))

    def granted(self) -> dict[str, tuple[str, ...]]:
        """The capabilities of each plugin, by its name or its path."""
        table: dict[str, tuple[str, ...]] = {}
        for name, capability in self.grants:
            table[name] = (*table.get(name, ()), capability)
        return table
