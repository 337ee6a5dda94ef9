"""How is a node configured, and which configurations are refused?

`Config` is a frozen value; what can be given is the table OPTIONS of cli/options.py, and RULES here is the one table of
what may not go together. No option holds a secret that guards money: a passphrase comes from the terminal or from a
file, bitcoind's password from its cookie or the environment; --dev-seed and --dev-node-key are for tests alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec

from lnpd.channel.presets import DEFAULT as USUAL_LIMITS
from lnpd.channel.presets import PRESETS, Limits
from lnpd.errors import ConfigRefused
from lnpd.routing.relay import RelayPolicy
from lnpd.store.points import PERSISTENCE_POINTS

Network = Literal["regtest", "testnet", "signet", "bitcoin"]
NETWORKS: Final[tuple[Network, ...]] = ("regtest", "testnet", "signet", "bitcoin")
MAINNET: Final = "bitcoin"
MAINNET_MAX_CHANNEL_SAT: Final = 1_000_000
MAINNET_MAX_TOTAL_SAT: Final = 5_000_000
MAX_DIRECTORY_BYTES: Final = 80  # a unix socket's path has at most 107, and ours lie in the directory
USUAL_RELAY: Final = RelayPolicy()
ANCHOR_RESERVE_SAT: Final = 10_000  # for each channel with anchors, as LND keeps
MAX_ALIAS_BYTES: Final = 32  # BOLT 7, node_announcement
UPFRONT_NOWHERE: Final = "off"
UPFRONT_WALLET: Final = "wallet"
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
CHANNEL_SECRETS: Final = ("funding", "revocation", "payment", "delayed_payment", "htlc", "shachain_seed")

HOST_PORT: Final = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,255}):([0-9]{1,5})")


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
    developer: Developer | None = None

    @property
    def seed_path(self) -> Path:
        """The file that keeps the seed."""
        return self.directory / "seed"

    @property
    def runtime(self) -> Path:
        """The folder of the sockets between this node's processes."""
        return self.directory / "run"

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

    def checked(self, rules: tuple[Rule, ...] = ()) -> Config:
        """Itself, if it breaks no rule (of RULES, if none are given). Raises ConfigRefused with the first it breaks."""
        for broken, sentence in rules or RULES:
            if broken(self):
                raise ConfigRefused(sentence)
        return self


def _on_mainnet(rule: Callable[[Config], bool]) -> Callable[[Config], bool]:
    return lambda config: config.network == MAINNET and rule(config)


Rule = tuple[Callable[[Config], bool], str]

# What may not be, with the sentence that says so. The first rules bind whoever makes a seed as well.
SEED_RULES: Final[tuple[Rule, ...]] = (
    (
        _on_mainnet(lambda c: not c.experimental_mainnet),
        "--network bitcoin is real money and lnpd is experimental: say --experimental-mainnet as well.",
    ),
    (_on_mainnet(lambda c: c.developer is not None), "--developer is refused on --network bitcoin."),
    (_on_mainnet(lambda c: c.plain_seed), "--plain-seed is refused on --network bitcoin: a passphrase is required."),
    (
        _on_mainnet(lambda c: c.limits.max_channel_sat > MAINNET_MAX_CHANNEL_SAT),
        f"--max-channel-sat is at most {MAINNET_MAX_CHANNEL_SAT} on --network bitcoin.",
    ),
    (
        _on_mainnet(lambda c: c.limits.max_total_sat > MAINNET_MAX_TOTAL_SAT),
        f"--max-total-sat is at most {MAINNET_MAX_TOTAL_SAT} on --network bitcoin.",
    ),
    (
        lambda c: c.experimental_mainnet and c.network != MAINNET,
        "--experimental-mainnet goes with --network bitcoin only.",
    ),
    (
        lambda c: c.developer is not None and bool(c.developer.seed) and c.signer_process,
        "--dev-seed needs --signer in-process: a signer's own process opens the seed file.",
    ),
    (lambda c: bool(c.chain) and c.chain_process, "--chain and --chain-process exclude each other."),
    (
        lambda c: c.limits.min_feerate_per_kw > c.limits.max_feerate_per_kw,
        "--min-feerate-per-kw is above --max-feerate-per-kw.",
    ),
    (lambda c: c.limits.min_channel_sat > c.limits.max_channel_sat, "--min-channel-sat is above --max-channel-sat."),
    (lambda c: c.limits.max_channel_sat > c.limits.max_total_sat, "--max-channel-sat is above --max-total-sat."),
    (
        lambda c: c.htlc_minimum_msat > c.htlc_maximum_msat,
        "--htlc-minimum-msat is above --htlc-maximum-msat.",
    ),
    (
        lambda c: c.plain_seed and c.passphrase_file is not None,
        "--plain-seed and --passphrase-file exclude each other.",
    ),
    (
        lambda c: len(os.fsencode(c.directory)) > MAX_DIRECTORY_BYTES,
        f"The path of --directory has more than {MAX_DIRECTORY_BYTES} bytes: the sockets in it could not be opened.",
    ),
)
RULES: Final[tuple[Rule, ...]] = (
    *SEED_RULES,
    (
        lambda c: bool(c.plugin_listen) != bool(c.remote_plugins),
        "--plugin-listen and --remote-plugin go together: where to connect, and who may.",
    ),
    (
        lambda c: len(dict(c.remote_plugins)) != len(c.remote_plugins),
        "--remote-plugin names a plugin twice.",
    ),
    (
        lambda c: c.metrics is not None and c.metrics.host not in LOOPBACK,
        "--metrics is for this machine: 127.0.0.1:PORT or [::1]:PORT.",
    ),
    (
        lambda c: c.network != "regtest" and c.chain_process,
        "The embedded chain is a regtest chain: --chain-process needs --network regtest.",
    ),
    (
        lambda c: c.names_bitcoind and (bool(c.chain) or c.chain_process),
        "--bitcoind and --bitcoind-directory exclude --chain and --chain-process.",
    ),
    (
        lambda c: bool(c.electrum) and (c.names_bitcoind or bool(c.chain) or c.chain_process),
        "--electrum excludes --bitcoind, --bitcoind-directory, --chain and --chain-process.",
    ),
)


# Words into values; each raises ValueError with what is expected


def read_address(word: str) -> Address:
    """An address "host:port"; an IPv6 host is in brackets."""
    match = HOST_PORT.fullmatch(word)
    if not match or int(match[2]) > 65_535:
        raise ValueError("an address host:port (an IPv6 host in brackets)")
    return Address(match[1].strip("[]"), int(match[2]))


def read_fail_point(word: str) -> FailPoint:
    """POINT, POINT:after or POINT:before:3, with a point of the store's table."""
    point, _, rest = word.partition(":")
    moment, _, count = rest.partition(":")
    if point not in PERSISTENCE_POINTS:
        raise ValueError(f"one of the persistence points {', '.join(PERSISTENCE_POINTS)}")
    if moment not in ("", "before", "after") or (count and (not count.isdecimal() or int(count) < 1)):
        raise ValueError("POINT, POINT:before or POINT:after, and then perhaps :N for the N-th time")
    return FailPoint(point, "after" if moment == "after" else "before", int(count or 1))


def read_channel_secrets(word: str) -> tuple[bytes, ...]:
    """Six secrets in hex, separated by commas, in the order of CHANNEL_SECRETS."""
    secrets = tuple(read_hex(32)(part) for part in word.split(","))
    if len(secrets) != len(CHANNEL_SECRETS):
        raise ValueError(f"{len(CHANNEL_SECRETS)} secrets separated by commas: {', '.join(CHANNEL_SECRETS)}")
    return secrets


def read_hex(least: int, most: int = 0) -> Callable[[str], bytes]:
    """Reads from `least` to `most` bytes in hex; exactly `least` if `most` is not given."""

    def read(word: str) -> bytes:
        if not re.fullmatch(r"(?:[0-9a-fA-F]{2})*", word) or not least <= len(word) // 2 <= max(least, most):
            raise ValueError(f"{least}{f' to {most}' if most else ''} bytes in hex")
        return bytes.fromhex(word)

    return read


def read_number(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number within bounds."""

    def read(word: str) -> int:
        if not (word.isascii() and word.isdecimal()) or len(word) > 20 or not least <= int(word) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(word)

    return read


def read_seconds(word: str) -> float:
    """Reads seconds, with a fraction perhaps, from 0.01 to 3600."""
    if not re.fullmatch(r"[0-9]{1,4}(?:\.[0-9]{1,3})?", word) or not 0.01 <= float(word) <= 3600:
        raise ValueError("seconds from 0.01 to 3600")
    return float(word)


def read_alias(word: str) -> str:
    """Reads an alias (BOLT 7)."""
    if len(word.encode(errors="replace")) > MAX_ALIAS_BYTES or not word.isprintable():
        raise ValueError(f"at most {MAX_ALIAS_BYTES} bytes of printable text")
    return word


def read_endpoint(word: str) -> str:
    """Reads the endpoint of a service on this machine."""
    if not re.fullmatch(r"ipc://[^\s]{1,100}", word):
        raise ValueError("an endpoint ipc://PATH")
    return word


def read_bitcoind(word: str) -> Secret:
    """Reads the URL of a bitcoind."""
    from lnpd.chain.bitcoind.address import read_url  # `lnp` reads no such option, and loads little

    return Secret(read_url(word))


def read_electrum(word: str) -> str:
    """Reads the URL of an Electrum server."""
    from lnpd.chain.electrum.address import read_url  # as above

    read_url(word)
    return word


def read_path(word: str) -> Path:
    """Reads a path; `~` is the home directory. It is made absolute."""
    whole = os.path.expanduser(word)  # unlike Path's, it leaves an unknown user's `~` as it is
    if not word or "\0" in word or whole.startswith("~"):
        raise ValueError("a path")
    return Path(os.path.abspath(whole))


def read_choice(*choices: str) -> Callable[[str], str]:
    """Reads one of some words."""

    def read(word: str) -> str:
        if word not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return word

    return read


def read_preset(word: str) -> Limits:
    """Reads the name of a set of limits."""
    return PRESETS[read_choice(*PRESETS)(word)]


def default_directory(network: str) -> Path:
    """The data directory of a network, unless another is given."""
    return Path(os.path.expanduser("~")) / ".lnpd" / network
