"""Which options has a node? The one table: arguments, variables of the environment, the file and `lnp config` have it.

Rows name the field of Config, of its Developer or of its Limits that they set; what may not be together is in rules.py.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from lnpd.channel.presets import LIMITS, PRESETS, Limit
from lnpd.config import model, readers
from lnpd.config.given import VARIABLE_PREFIX
from lnpd.config.places import WHERE_DATA
from lnpd.hooks import words
from lnpd.routing.relay import HIGHEST_CLTV_EXPIRY_DELTA, LOWEST_CLTV_EXPIRY_DELTA, MAX_FEE, MAX_HTLC_MSAT

Program = Literal["lnpd", "lnpd init", "lnpd restore", "lnpd check", "lnpd regtest"]
NODE: Final = ("lnpd",)
SEED: Final = ("lnpd", "lnpd init", "lnpd restore")
CHAIN: Final = ("lnpd", "lnpd check")
DATABASE: Final = (*SEED, "lnpd check")
ALL: Final = (*DATABASE, "lnpd regtest")
DEVELOPER: Final = "--developer"


class Option(msgspec.Struct, frozen=True):
    """An option. `read` makes its value of a word, raising ValueError.

    Without `metavar` it is a flag, and means `value`. A repeatable one makes a tuple. `developer` ones set a field of
    Developer, `limit` ones one of Limits, in place of the preset's. A `secret` one may hold a password and is never
    shown. What is read from words NAME=VALUE is a table in the file: of values, of `lists` of them, or one for each
    plugin (`depth` 2). `show` makes of a value what a person would write.
    """

    flag: str
    field: str
    help: str
    metavar: str = ""
    read: Callable[[str], object] = str
    value: object = True
    programs: tuple[str, ...] = NODE
    repeatable: bool = False
    developer: bool = False
    limit: bool = False
    secret: bool = False
    name: str = ""
    depth: int = 0
    lists: bool = False
    dynamic: bool = False
    show: Callable[[Any], Any] = readers.shown  # Any: a value of its field, and a JSON value

    @property
    def key(self) -> str:
        """Its name in the file and in `lnp config`."""
        return self.name or self.flag.removeprefix("--").replace("-", "_")

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it may be, if it is one of some words."""
        return self.read.choices if isinstance(self.read, readers.Choice) else ()

    @property
    def variable(self) -> str:
        """Its variable in the environment."""
        return VARIABLE_PREFIX + self.key.upper()

    @property
    def said(self) -> bool:
        """Whether it may be said elsewhere than in an argument: what is for tests may not."""
        return not self.developer and self.flag != DEVELOPER


def _developer(flag: str, field: str, help: str, metavar: str = "", **more: Any) -> Option:  # Any: fields of Option
    return Option(f"--dev-{flag}", field, help, metavar, developer=True, **more)


def _limit(row: Limit) -> Option:
    values = ", ".join(f"{name}: {getattr(limits, row.field)}" for name, limits in PRESETS.items())
    return Option(row.flag, row.field, f"{row.meaning} ({values})", row.unit, readers.read_number(row.least, row.most),
                  limit=True, dynamic=True)  # fmt: skip


OPTIONS: Final[tuple[Option, ...]] = (
    Option("--directory", "directory", f"the data directory (default: {WHERE_DATA})", "PATH", readers.read_path,
           programs=ALL),
    Option("--network", "network", f"{', '.join(model.NETWORKS)} (default: regtest)", "NAME",
           readers.read_choice(*model.NETWORKS), programs=DATABASE),
    Option("--experimental-mainnet", "experimental_mainnet", "allow --network bitcoin: real money, and no warranty",
           programs=DATABASE),
    Option("--passphrase-file", "passphrase_file", "read the seed's passphrase from the first line of this file",
           "PATH", readers.read_path, programs=SEED),
    Option("--plain-seed", "plain_seed", "the seed is kept without a passphrase", programs=SEED),
    Option("--listen", "listen", "listen for peers at this address; none: at no address (repeatable; default: "
           "127.0.0.1:9735)", "HOST:PORT", lambda word: None if word == "none" else readers.read_address(word),
           repeatable=True),
    Option("--alias", "alias", "what peers may call this node", "NAME", readers.read_alias, dynamic=True),
    Option("--plugin", "plugins", "start this plugin (repeatable)", "PATH", readers.read_path, repeatable=True,
           name="plugins"),
    Option("--grant", "grants", "allow a plugin something, by its name or its path, for example "
           "lockbox=updates:50000 or ./plugins/lockbox.py=updates:50000 (repeatable)",
           "PLUGIN=CAPABILITY", words.read_grant, repeatable=True, name="grants", depth=1, lists=True),
    Option("--option", "plugin_options", "set an option of a plugin, for example hello.greeting=hi (repeatable)",
           "PLUGIN.OPTION=VALUE", words.read_plugin_option, repeatable=True, name="plugin", depth=2),
    Option("--plugin-memory", "plugin_memory_mib", "memory that each process of a plugin may have of its own; 0: no"
           " limit (default: 1024)", "MIB", readers.read_number(0, 1 << 20)),
    Option("--plugin-files", "plugin_files", "files that each process of a plugin may have open (default: 256)",
           "FILES", readers.read_number(16, 1 << 20)),
    Option("--plugin-processes", "plugin_processes", "threads of this user, all programs' together, beyond which"
           " plugins start no more (default: 4096)", "THREADS", readers.read_number(16, 1 << 20)),
    Option("--plugin-sandbox", "plugin_sandbox", "run plugins under bubblewrap (bwrap): auto, where it is installed;"
           " always, or not at all; never (default: auto)", "WHEN", readers.read_choice("auto", "never", "always")),
    Option("--plugin-network", "plugin_network", "let this plugin use the network from within its sandbox, by its"
           " file's name without .py, or its path (repeatable)", "PLUGIN",
           lambda word: str(readers.read_path(word)) if "/" in word else word, repeatable=True),
    Option("--plugin-listen", "plugin_listen", "let plugins on other machines connect here", "tcp://ADDRESS:PORT",
           words.read_tcp),
    Option("--remote-plugin", "remote_plugins", "the plugin of this name may connect, with this public key"
           " (lnpd-plugin-key makes one; repeatable)", "NAME=KEY", words.read_remote_plugin, repeatable=True,
           name="remote_plugins", depth=1),
    Option("--rpc-listen", "rpc_listen", "let programs on other machines ask this node here, encrypted, and hear of its"
           " events at the next port (default: nowhere)", "HOST:PORT", readers.read_address),
    Option("--rpc-client", "rpc_clients", "the program of this name may ask for everything, with this public key (lnp"
           " key makes one; repeatable)", "NAME=KEY", words.read_pinned_key, repeatable=True, name="rpc_clients",
           depth=1),
    Option("--rpc-reader", "rpc_readers", "the same, but only for what changes nothing and shows no secret"
           " (repeatable)", "NAME=KEY", words.read_pinned_key, repeatable=True, name="rpc_readers", depth=1),
    Option("--metrics", "metrics", "show figures of the plugins to programs on this machine at"
           " http://127.0.0.1:PORT/metrics, as Prometheus reads them (default: nowhere)", "HOST:PORT",
           readers.read_address),
    Option("--chain", "chain", "use the chain service at this endpoint (lnpd regtest) instead of an embedded chain",
           "ipc://PATH", readers.read_endpoint, programs=CHAIN),
    Option("--chain-process", "chain_process", "run the embedded chain in a process of its own"),
    Option("--bitcoind", "bitcoind", "use the chain of this bitcoind; without user and password its cookie is "
           "read; auto: look into its data directory (the default on other networks than regtest). LNPD_BITCOIND and a "
           "private file say the same, and other users cannot see them", "URL", readers.read_bitcoind,
           programs=CHAIN, secret=True),
    Option("--bitcoind-directory", "bitcoind_directory", "bitcoind's data directory, for bitcoin.conf and the cookie "
           "(default: ~/.bitcoin)", "PATH", readers.read_path, programs=CHAIN),
    Option("--electrum", "electrum", "use the chain of this Electrum server, if there is no bitcoind: ssl://HOST:PORT, "
           "or tcp://HOST:PORT on this machine (repeatable: the first that answers). It learns which transactions are "
           "yours, and could hide some, but forge none", "URL", readers.read_electrum, programs=CHAIN, repeatable=True),
    Option("--wallet-birth-height", "wallet_birth_height", "where a new database begins to look for the wallet's coins "
           "(default: at the present block; on regtest, and restored, at the first)", "HEIGHT",
           readers.read_number(0, 10_000_000), programs=("lnpd", "lnpd restore")),
    Option("--backup-file", "backup_file", "keep the backup of the channels here too, beside the one in the data "
           "directory: on another disk", "PATH", readers.read_path),
    Option("--signer", "signer_process", "where the keys are: in-process or process (default: in-process)", "WHERE",
           readers.read_signer, show=lambda process: "process" if process else "in-process"),
    Option("--minimum-depth", "minimum_depth", "confirmations before a channel is used (default: 3)", "BLOCKS",
           readers.read_number(1, 144), dynamic=True),
    Option("--limits", "limits", f"what peers may do: {', '.join(PRESETS)} (default: default); each of the limits that"
           " follow may be given beside it, in place of its own", "PRESET", readers.read_preset),
    *map(_limit, LIMITS),
    Option("--upfront-shutdown", "upfront_shutdown", "promise each peer that holds us to it, as a channel opens, where "
           "a close by agreement pays: wallet, or an address; then it pays nowhere else, whoever asks (default: off)",
           "off|wallet|ADDRESS"),
    Option("--fee-base-msat", "fee_base_msat", "ask this much for forwarding an HTLC (default: 1000)", "MSAT",
           readers.read_number(0, MAX_FEE), dynamic=True),
    Option("--fee-proportional-millionths", "fee_proportional_millionths",
           "ask this much of a million for forwarding, beside the base (default: 10)", "MILLIONTHS",
           readers.read_number(0, MAX_FEE), dynamic=True),
    Option("--cltv-expiry-delta", "cltv_expiry_delta", "ask for so many blocks between an HTLC that comes in and the"
           " one that goes out (default: 80)", "BLOCKS",
           readers.read_number(LOWEST_CLTV_EXPIRY_DELTA, HIGHEST_CLTV_EXPIRY_DELTA), dynamic=True),
    Option("--htlc-minimum-msat", "htlc_minimum_msat", "forward nothing smaller (default: 1)", "MSAT",
           readers.read_number(0, MAX_HTLC_MSAT), dynamic=True),
    Option("--htlc-maximum-msat", "htlc_maximum_msat", "forward nothing larger (default: what a channel can hold)",
           "MSAT", readers.read_number(1, MAX_HTLC_MSAT), dynamic=True),
    Option("--anchor-reserve-sat", "anchor_reserve_sat", "keep so many satoshi in the wallet for closing each channel"
           f" with anchors, up to 10 of them (default: {model.ANCHOR_RESERVE_SAT}; on regtest 0)", "SAT",
           readers.read_number(0, 1_000_000), dynamic=True),
    Option("--log-level", "log_level", f"{', '.join(model.LOG_LEVELS)} (default: info)", "LEVEL",
           readers.read_choice(*model.LOG_LEVELS), programs=ALL, dynamic=True),
    Option("--log-level-of", "log_levels", "the level of one subsystem, for example peers=debug: "
           f"{', '.join(model.LOG_SUBSYSTEMS)} (repeatable)", "SUBSYSTEM=LEVEL", readers.read_log_level,
           repeatable=True, name="log_levels", depth=1, dynamic=True),
    Option("--log-file", "log_file", "write the log to this file too; a name alone is in the data directory"
           " (default: none)", "FILE|none", readers.read_log_file),
    Option("--log-file-mib", "log_file_mib", "begin another log file at this size (default: 10)", "MIB",
           readers.read_number(1, 1_024)),
    Option("--log-files", "log_files", "keep so many log files, FILE, FILE.1 and so on (default: 5)", "FILES",
           readers.read_number(2, 100)),
    Option("--log-format", "log_format", "text, or json: one object a line, with time, level, subsystem, message and"
           " perhaps trace and exception (default: text)", "FORMAT", readers.read_choice("text", "json")),
    Option("--log-quiet", "log_quiet", "say nothing of the log on standard error; `lnp log` and the file have it"),
    Option("--developer", "developer", "allow the --dev options; never with money"),
    _developer("node-key", "node_key", "the node's secret key", "HEX", read=readers.read_hex(32)),
    _developer("seed", "seed", "the seed, in place of a seed file", "HEX", read=readers.read_hex(16, 64)),
    _developer("channel-secrets", "channel_secrets", f"each channel's: {', '.join(model.CHANNEL_SECRETS)}",
               "HEX,...", read=readers.read_channel_secrets),
    _developer("fail-at", "fail_at", "end as in a power cut at the N-th commit of a persistence point (repeatable)",
               "POINT[:before|after[:N]]", read=readers.read_fail_point, repeatable=True),
    _developer("poll-seconds", "poll_seconds", "how often to ask the chain", "SECONDS", read=readers.read_seconds),
    _developer("redial-seconds", "redial_seconds", "the longest pause before a peer is dialled again", "SECONDS",
               read=readers.read_seconds),
    _developer("minimum-depth", "minimum_depth", "confirmations before a channel is used, 0 too", "BLOCKS",
               read=readers.read_number(0, 144)),
    _developer("no-htlc-timeouts", "htlc_timeouts", "never close a channel for an HTLC that is due", value=False),
    _developer("accept-without-channel-type", "require_channel_type", "accept an open_channel without channel_type",
               value=False),
)  # fmt: skip

BY_KEY: Final = {row.key: row for row in OPTIONS}
