"""Which configuration does a command line mean? Each program's parser, from the table of options, and its Config."""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from lnpd.channel.presets import DEFAULT, Limits
from lnpd.config import MAINNET, RULES, Config, Developer, Rule, checked, default_directory
from lnpd.config.model import MAINNET_MAX_CHANNEL_SAT, MAINNET_MAX_TOTAL_SAT
from lnpd.config.table import OPTIONS, Option, Program
from lnpd.errors import ConfigRefused


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


def config_of(given: argparse.Namespace, rules: tuple[Rule, ...] = RULES) -> Config:
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
    return checked(Config(**fields), rules)


def _usual(network: str, limits: Limits) -> Limits:
    """A preset, within the caps of the network."""
    if network != MAINNET:
        return limits
    return msgspec.structs.replace(
        limits,
        max_channel_sat=min(limits.max_channel_sat, MAINNET_MAX_CHANNEL_SAT),
        max_total_sat=min(limits.max_total_sat, MAINNET_MAX_TOTAL_SAT),
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
