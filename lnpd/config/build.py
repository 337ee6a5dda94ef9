"""Which configuration do given values mean? Words are read by the table of options; rules judge what they make."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from lnpd.channel.presets import DEFAULT, Limits
from lnpd.config.given import Given, Settled
from lnpd.config.model import MAINNET, MAINNET_MAX_CHANNEL_SAT, MAINNET_MAX_TOTAL_SAT, Config, Developer
from lnpd.config.places import default_directory
from lnpd.config.rules import RULES, Rule, checked
from lnpd.config.table import BY_KEY, DEVELOPER, Option
from lnpd.errors import ConfigRefused


def built(settled: Settled, rules: tuple[Rule, ...] = RULES, files: Iterable[Path] = ()) -> Config:
    """The configuration that given values mean. Raises ConfigRefused."""
    fields: dict[str, Any] = {}  # Any: each field has its own type, which the row's `read` gives it
    developer: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for each in settled.values():
        if each.words is False:
            continue
        row = BY_KEY[each.key.partition(".")[0]]
        if row.developer and "developer" not in settled:
            raise ConfigRefused(f"{row.flag} is a developer option: it needs {DEVELOPER}.")
        part, value = developer if row.developer else limits if row.limit else fields, read(row, each)
        part[row.field] = (*part[row.field], *value) if row.field in part else value  # type: ignore[misc]  # a table's
    if "developer" in fields:
        fields["developer"] = Developer(**developer)
    if "listen" in fields:
        fields["listen"] = tuple(address for address in fields["listen"] if address is not None)
    network = fields.get("network", "regtest")
    if "directory" not in fields:
        fields["directory"] = default_directory(network)
    fields["limits"] = msgspec.structs.replace(usual(network, fields.get("limits", DEFAULT)), **limits)
    return checked(Config(**fields, given=tuple(settled.values()), files=tuple(files)), rules)


def usual(network: str, limits: Limits) -> Limits:
    """A preset, within the caps of the network."""
    if network != MAINNET:
        return limits
    return msgspec.structs.replace(
        limits,
        max_channel_sat=min(limits.max_channel_sat, MAINNET_MAX_CHANNEL_SAT),
        max_total_sat=min(limits.max_total_sat, MAINNET_MAX_TOTAL_SAT),
    )


def read(row: Option, given: Given) -> object:
    """The value that was said. Raises ConfigRefused, which names who said it."""
    words = given.words
    if isinstance(words, bool):
        return row.value
    if isinstance(words, str):
        return _read(row, given, words)
    return tuple(_read(row, given, word) for word in words)


def _read(row: Option, given: Given, word: str) -> object:
    try:
        return row.read(word)
    except ValueError as error:
        if row.secret:  # it may hold a password
            raise ConfigRefused(f"{given.name} takes {error}, and this is not.") from None
        shown = word.partition("=")[0] if row.depth == 2 else word  # a plugin's option may be one
        raise ConfigRefused(f"{given.name} takes {error}, not {shown[:60]!r}.") from None
