"""What is in effect, and who said it? The rows that `lnp config` and `lnpd --check-config` print."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from lnpd.channel.presets import PRESETS
from lnpd.config.given import Given, Source
from lnpd.config.model import Config, Secret
from lnpd.config.table import OPTIONS, Option

HIDDEN: Final = "(not shown)"
LIKE_A_SECRET: Final = re.compile(r"(?i)\.[^.]*(?:passw|passphrase|secret|token|credential|api[_-]?key)[^.]*$")
"""Entries whose names say so: which options of plugins are secrets is known once they run."""


class Setting(msgspec.Struct, frozen=True):
    """An option, or an entry of a table, as it is in effect. `place` says where its source said it."""

    key: str
    value: Any  # a JSON value
    source: Source
    place: str
    dynamic: bool
    help: str


def settings(config: Config) -> tuple[Setting, ...]:
    """Every option but those for tests, in the order of their table; `developer` where it was given."""
    given = {each.key: each for each in config.given}
    rows = [row for row in OPTIONS if row.said or row.key in given]
    return tuple(setting for row in rows if not row.developer for setting in _of(row, config, given))


def _of(row: Option, config: Config, given: dict[str, Given]) -> Iterator[Setting]:
    if not row.depth:
        yield _setting(row, row.key, _value(row, config), given.get(row.key), config)
        return
    for key, each in given.items():
        if key.startswith(f"{row.key}."):
            words = each.words if isinstance(each.words, tuple) else (str(each.words),)
            values = [HIDDEN if LIKE_A_SECRET.search(key) else word.partition("=")[2] for word in words]
            yield _setting(row, key, values if row.lists else values[-1], each, config)


def _value(row: Option, config: Config) -> Any:  # Any: a JSON value
    value = getattr(config.limits if row.limit else config, row.field)
    if row.field == "developer":
        return value is not None
    return HIDDEN if isinstance(value, Secret) and "@" in value.word else row.show(value)


def _setting(row: Option, key: str, value: object, given: Given | None, config: Config) -> Setting:
    preset = f"limits = {config.limits.preset}" if row.limit else ""
    if row.limit and value != getattr(PRESETS[config.limits.preset], row.field):
        preset += ", within the network's caps"
    source, place = (given.source, given.place) if given else ("default", preset)
    return Setting(key, None if value == "" and given is None else value, source, place, row.dynamic, row.help)
