"""Which options do the programs `lnpd`, `lnpd init`, `lnpd restore`, `lnpd check` and `lnpd regtest` take?

The one table, and a Config from a command line. Rows name the field of Config, or of Developer, that they set; what
they may not be together is in config.RULES.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NoReturn

import msgspec

from lnpd import config
from lnpd.channel.presets import DEFAULT, LIMITS, PRESETS, Limit, Limits
from lnpd.config import Config, Developer, default_directory
from lnpd.errors import ConfigRefused
from lnpd.hooks import words
from lnpd.routing.relay import HIGHEST_CLTV_EXPIRY_DELTA, LOWEST_CLTV_EXPIRY_DELTA, MAX_FEE, MAX_HTLC_MSAT

Program = Literal["lnpd", "lnpd init", "lnpd restore", "lnpd check", "lnpd regtest"]
NODE: Final = ("lnpd",)
SEED: Final = ("lnpd", "lnpd init", "lnpd restore")
CHAIN: Final = ("lnpd", "lnpd check")
DATABASE: Final = (*SEED, "lnpd check")
ALL: Final = (*DATABASE, "lnpd regtest")


class Option(msgspec.Struct, frozen=True):
    """An option. `read` makes its value of a word, raising ValueError.

    Without `metavar` it is a flag, and means `value`. A repeatable one makes a tuple. `developer` ones set a field of
    Developer, `limit` ones one of Limits, in place of the preset's. One that may hold a password can come from a
    variable of the `environment`, and is never shown.
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
    environment: str = ""


def _developer(flag: str, field: str, help: str, metavar: str = "", **more: Any) -> Option:  # Any: fields of Option
    return Option(f"--dev-{flag}", field, help, metavar, developer=True, **more)


def _limit(row: Limit) -> Option:
    values = ", ".join(f"{name}: {getattr(limits, row.field)}" for name, limits in PRESETS.items())
    return Option(row.flag, row.field, f"{row.meaning} ({values})", row.unit, config.read_number(row.least, row.most),
                  limit=True)  # fmt: skip


OPTIONS: Final[tuple[Option, ...]] = (
    Option("--directory", "directory", "the data directory (default: ~/.lnpd/NETWORK)", "PATH", config.read_path,
           programs=ALL),
    Option("--network", "network", f"{', '.join(config.NETWORKS)} (default: regtest)", "NAME",
           config.read_choice(*config.NETWORKS), programs=DATABASE),
    Option("--experimental-mainnet", "experimental_mainnet", "allow --network bitcoin: real money, and no warranty",
           programs=DATABASE),
    Option("--passphrase-file", "passphrase_file", "read the seed's passphrase from the first line of this file",
           "PATH", config.read_path, programs=SEED),
    Option("--plain-seed", "plain_seed", "the seed is kept without a passphrase", programs=SEED),
    Option("--listen", "listen", "listen for peers at this address; none: at no address (repeatable; default: "
           "127.0.0.1:9735)", "HOST:PORT", lambda word: None if word == "none" else config.read_address(word),
           repeatable=True),
    Option("--alias", "alias", "what peers may call this node", "NAME", config.read_alias),
    Option("--plugin", "plugins", "start this plugin (repeatable)", "PATH", config.read_path, repeatable=True),
    Option("--grant", "grants", "allow a plugin something, by its name or its path, for example "
           "lockbox=updates:50000 or ./plugins/lockbox.py=updates:50000 (repeatable)",
           "PLUGIN=CAPABILITY", words.read_grant, repeatable=True),
    Option("--option", "plugin_options", "set an option of a plugin, for example hello.greeting=hi (repeatable)",
           "PLUGIN.OPTION=VALUE", words.read_plugin_option, repeatable=True),
    Option("--plugin-memory", "plugin_memory_mib", "memory that each process of a plugin may have of its own; 0: no"
           " limit (default: 1024)", "MIB", config.read_number(0, 1 << 20)),
    Option("--plugin-files", "plugin_files", "files that each process of a plugin may have open (default: 256)",
           "FILES", config.read_number(16, 1 << 20)),
    Option("--plugin-processes", "plugin_processes", "threads of this user, all programs' together, beyond which"
           " plugins start no more (default: 4096)", "THREADS", config.read_number(16, 1 << 20)),
    Option("--plugin-sandbox", "plugin_sandbox", "run plugins under bubblewrap (bwrap): auto, where it is installed;"
           " always, or not at all; never (default: auto)", "WHEN", config.read_choice("auto", "never", "always")),
    Option("--plugin-network", "plugin_network", "let this plugin use the network from within its sandbox, by its"
           " file's name without .py, or its path (repeatable)", "PLUGIN",
           lambda word: str(config.read_path(word)) if "/" in word else word, repeatable=True),
    Option("--plugin-listen", "plugin_listen", "let plugins on other machines connect here", "tcp://ADDRESS:PORT",
           words.read_tcp),
    Option("--remote-plugin", "remote_plugins", "the plugin of this name may connect, with this public key"
           " (lnpd-plugin-key makes one; repeatable)", "NAME=KEY", words.read_remote_plugin, repeatable=True),
    Option("--metrics", "metrics", "show figures of the plugins to programs on this machine at"
           " http://127.0.0.1:PORT/metrics, as Prometheus reads them (default: nowhere)", "HOST:PORT",
           config.read_address),
    Option("--chain", "chain", "use the chain service at this endpoint (lnpd regtest) instead of an embedded chain",
           "ipc://PATH", config.read_endpoint, programs=CHAIN),
    Option("--chain-process", "chain_process", "run the embedded chain in a process of its own"),
    Option("--bitcoind", "bitcoind", "use the chain of this bitcoind; without user and password its cookie is "
           "read; auto: look into its data directory (the default on other networks than regtest). The environment's "
           "LNPD_BITCOIND means the same, and other users cannot see it", "URL", config.read_bitcoind,
           programs=CHAIN, environment="LNPD_BITCOIND"),
    Option("--bitcoind-directory", "bitcoind_directory", "bitcoind's data directory, for bitcoin.conf and the cookie "
           "(default: ~/.bitcoin)", "PATH", config.read_path, programs=CHAIN),
    Option("--electrum", "electrum", "use the chain of this Electrum server, if there is no bitcoind: ssl://HOST:PORT, "
           "or tcp://HOST:PORT on this machine (repeatable: the first that answers). It learns which transactions are "
           "yours, and could hide some, but forge none", "URL", config.read_electrum, programs=CHAIN, repeatable=True),
    Option("--wallet-birth-height", "wallet_birth_height", "where a new database begins to look for the wallet's coins "
           "(default: at the present block; on regtest, and restored, at the first)", "HEIGHT",
           config.read_number(0, 10_000_000), programs=("lnpd", "lnpd restore")),
    Option("--backup-file", "backup_file", "keep the backup of the channels here too, beside the one in the data "
           "directory: on another disk", "PATH", config.read_path),
    Option("--signer", "signer_process", "where the keys are: in-process or process (default: in-process)", "WHERE",
           lambda word: config.read_choice("in-process", "process")(word) == "process"),
    Option("--minimum-depth", "minimum_depth", "confirmations before a channel is used (default: 3)", "BLOCKS",
           config.read_number(1, 144)),
    Option("--limits", "limits", f"what peers may do: {', '.join(PRESETS)} (default: default); each of the limits that"
           " follow may be given beside it, in place of its own", "PRESET", config.read_preset),
    *map(_limit, LIMITS),
    Option("--upfront-shutdown", "upfront_shutdown", "promise each peer that holds us to it, as a channel opens, where "
           "a close by agreement pays: wallet, or an address; then it pays nowhere else, whoever asks (default: off)",
           "off|wallet|ADDRESS"),
    Option("--fee-base-msat", "fee_base_msat", "ask this much for forwarding an HTLC (default: 1000)", "MSAT",
           config.read_number(0, MAX_FEE)),
    Option("--fee-proportional-millionths", "fee_proportional_millionths",
           "ask this much of a million for forwarding, beside the base (default: 10)", "MILLIONTHS",
           config.read_number(0, MAX_FEE)),
    Option("--cltv-expiry-delta", "cltv_expiry_delta", "ask for so many blocks between an HTLC that comes in and the"
           " one that goes out (default: 80)", "BLOCKS",
           config.read_number(LOWEST_CLTV_EXPIRY_DELTA, HIGHEST_CLTV_EXPIRY_DELTA)),
    Option("--htlc-minimum-msat", "htlc_minimum_msat", "forward nothing smaller (default: 1)", "MSAT",
           config.read_number(0, MAX_HTLC_MSAT)),
    Option("--htlc-maximum-msat", "htlc_maximum_msat", "forward nothing larger (default: what a channel can hold)",
           "MSAT", config.read_number(1, MAX_HTLC_MSAT)),
    Option("--anchor-reserve-sat", "anchor_reserve_sat", "keep so many satoshi in the wallet for closing each channel"
           f" with anchors, up to 10 of them (default: {config.ANCHOR_RESERVE_SAT}; on regtest 0)", "SAT",
           config.read_number(0, 1_000_000)),
    Option("--log-level", "log_level", f"{', '.join(config.LOG_LEVELS)} (default: info)", "LEVEL",
           config.read_choice(*config.LOG_LEVELS), programs=ALL),
    Option("--developer", "developer", "allow the --dev options; never with money"),
    _developer("node-key", "node_key", "the node's secret key", "HEX", read=config.read_hex(32)),
    _developer("seed", "seed", "the seed, in place of a seed file", "HEX", read=config.read_hex(16, 64)),
    _developer("channel-secrets", "channel_secrets", f"each channel's: {', '.join(config.CHANNEL_SECRETS)}",
               "HEX,...", read=config.read_channel_secrets),
    _developer("fail-at", "fail_at", "end as in a power cut at the N-th commit of a persistence point (repeatable)",
               "POINT[:before|after[:N]]", read=config.read_fail_point, repeatable=True),
    _developer("poll-seconds", "poll_seconds", "how often to ask the chain", "SECONDS", read=config.read_seconds),
    _developer("redial-seconds", "redial_seconds", "the longest pause before a peer is dialled again", "SECONDS",
               read=config.read_seconds),
    _developer("minimum-depth", "minimum_depth", "confirmations before a channel is used, 0 too", "BLOCKS",
               read=config.read_number(0, 144)),
    _developer("no-htlc-timeouts", "htlc_timeouts", "never close a channel for an HTLC that is due", value=False),
    _developer("accept-without-channel-type", "require_channel_type", "accept an open_channel without channel_type",
               value=False),
)  # fmt: skip


class Parser(argparse.ArgumentParser):
    """An argparse parser whose refusals are errors of ours."""

    def error(self, message: str) -> NoReturn:
        """Raises ConfigRefused in place of an exit."""
        raise ConfigRefused(f"{message[:1].upper()}{message[1:]}. See {self.prog} --help.")


def parser(program: Program, description: str, epilog: str = "", helps: Mapping[str, str] | None = None) -> Parser:
    """The parser of one program, from the table; `helps` are the texts of options that mean something else in it."""
    made = Parser(
        program, description=description, epilog=epilog, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    developers = made.add_argument_group("developer options, refused without --developer")
    for row in OPTIONS:
        if program not in row.programs:
            continue
        target = developers if row.developer else made
        if row.metavar:
            action = "append" if row.repeatable else "store"
            help = (helps or {}).get(row.flag, row.help)
            target.add_argument(row.flag, metavar=row.metavar, help=help, action=action, dest=row.flag)
        else:
            target.add_argument(row.flag, help=row.help, action="store_true", dest=row.flag)
    if program != "lnpd":
        made._action_groups.remove(developers)  # these programs have none of them
    return made


def config_of(given: argparse.Namespace, rules: tuple[config.Rule, ...] = config.RULES) -> Config:
    """The configuration that a parsed command line means. Raises ConfigRefused."""
    fields: dict[str, Any] = {}  # Any: each field has its own type, which the row's `read` gives it
    developer: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for row in OPTIONS:
        words = getattr(given, row.flag, None)
        if words is None and row.environment and hasattr(given, row.flag):
            words = os.environ.get(row.environment)
        if words is None or words is False:
            continue
        if row.developer and not getattr(given, "--developer"):
            raise ConfigRefused(f"{row.flag} is a developer option: it needs --developer.")
        part = developer if row.developer else limits if row.limit else fields
        part[row.field] = _value(row, words)
    if "developer" in fields:
        fields["developer"] = Developer(**developer)
    if "listen" in fields:
        fields["listen"] = tuple(address for address in fields["listen"] if address is not None)
    network = fields.get("network", "regtest")
    fields.setdefault("directory", default_directory(network))
    fields["limits"] = msgspec.structs.replace(_usual(network, fields.get("limits", DEFAULT)), **limits)
    return Config(**fields).checked(rules)


def _usual(network: str, limits: Limits) -> Limits:
    """A preset, within the caps of the network."""
    if network != config.MAINNET:
        return limits
    return msgspec.structs.replace(
        limits,
        max_channel_sat=min(limits.max_channel_sat, config.MAINNET_MAX_CHANNEL_SAT),
        max_total_sat=min(limits.max_total_sat, config.MAINNET_MAX_TOTAL_SAT),
    )


def _value(row: Option, words: str | bool | Sequence[str]) -> object:
    if isinstance(words, bool):
        return row.value
    try:
        return row.read(words) if isinstance(words, str) else tuple(row.read(word) for word in words)
    except ValueError as error:
        if row.environment:  # it may hold a password
            raise ConfigRefused(f"{row.flag} takes {error}, and this is not.") from None
        shown = words if isinstance(words, str) else " ".join(words)
        raise ConfigRefused(f"{row.flag} takes {error}, not {shown[:60]!r}.") from None
