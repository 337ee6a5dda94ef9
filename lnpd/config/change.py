"""Which configuration comes of one value more, said while the node runs?"""

from typing import Any

from lnpd_sdk.nearest import nearest
from msgspec.structs import replace

from lnpd.config.build import read
from lnpd.config.given import Given
from lnpd.config.model import Config
from lnpd.config.places import usual_file
from lnpd.config.rules import checked
from lnpd.config.table import BY_KEY, OPTIONS, Option
from lnpd.errors import ConfigRefused, SettingRefused


def changed(config: Config, key: str, word: str) -> Config:
    """The configuration with a dynamic option set. Raises SettingRefused."""
    row = dynamic(config, key)
    entry = key.partition(".")[2]
    words: Any = (f"{entry}={word}",) if row.depth else (word,) if row.repeatable else word
    given = Given(key, row.flag, words, "set")
    try:
        value = read(row, given)
        return checked(_with(config, row, key, value, given))
    except ConfigRefused as refused:
        raise SettingRefused(str(refused)) from None


def undone(config: Config, begun: Config, key: str) -> Config:
    """The configuration with what was said of an option before it was set. Raises SettingRefused."""
    row = dynamic(config, key)
    given = next((each for each in begun.given if each.key == key), None)
    before = begun.limits if row.limit else begun
    value = getattr(before, row.field)
    if row.depth:
        value = tuple(each for each in value if each[0] == key.partition(".")[2])
    try:
        return checked(_with(config, row, key, value, given))
    except ConfigRefused as refused:
        raise SettingRefused(str(refused)) from None


def dynamic(config: Config, key: str) -> Option:
    """The row of an option that can be set while the node runs. Raises SettingRefused."""
    row = known(key)
    if not row.dynamic:
        file = config.files[-1] if config.files else usual_file()
        raise SettingRefused(f"{key} is read when the node starts: put it into {file}, and start the node again.")
    return row


def known(key: str) -> Option:
    """The row of a key, or of a table's entry. Raises SettingRefused, which names the nearest."""
    head, _, entry = key.partition(".")
    row = BY_KEY.get(head)
    if row is None or not row.said or bool(entry) != bool(row.depth):
        hint = nearest(key, [row.key for row in OPTIONS if row.said]) or "; `lnp config` lists them"
        if row is not None and row.depth and not entry:
            hint = f"; its entries are {head}.NAME"
        raise SettingRefused(f"There is no option {key[:100]!r}{hint}")
    return row


def _with(config: Config, row: Option, key: str, value: Any, given: Given | None) -> Config:  # Any: its field's type
    """Of a table, one entry's values are in the place of those before."""
    if row.depth:
        rest = tuple(each for each in getattr(config, row.field) if each[0] != key.partition(".")[2])
        value = (*rest, *value)
    said = (*(each for each in config.given if each.key != key), *((given,) if given else ()))
    part = {"limits": replace(config.limits, **{row.field: value})} if row.limit else {row.field: value}
    return replace(config, given=said, **part)
