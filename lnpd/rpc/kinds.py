"""Which kinds of value does a command take, how is each written on a command line, and what is wrong with one?

A parameter has the same kind in the RPC, where it is a JSON value, and on the command line, where it is a word. A word
becomes a JSON value here and is then checked as one: there is one rule for each kind.
"""

import os
import re
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from lnpd.errors import ParameterRefused

MAX_SAT: Final = 21_000_000 * 100_000_000
MAX_TEXT: Final = 10_000
SHORTEST_PREFIX: Final = 6
"""Ids may be shortened to their first digits, as long as they stay the only one."""

UNITS_MSAT: Final = {"msat": 1, "sat": 1000, "btc": 100_000_000_000}

Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Words = tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...]

Hops = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=150)], ...], Meta(max_length=20)]


class Kind(msgspec.Struct, frozen=True):
    """A kind of value. `what` completes "must be ..."; `read` makes a JSON value of a word, raising ValueError."""

    what: str
    type: Any  # a type that msgspec converts into: `type` cannot express an Annotated one
    read: Callable[[str], object] = str

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it may be, if it is one of some words."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()


def _integer(word: str) -> int:
    if not word.replace("_", "").isdecimal() or not word.isascii():
        raise ValueError
    return int(word)


def _amount(unit: str) -> Callable[[str], int]:
    def read(word: str) -> int:
        number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
        named = word[len(number) :] or unit
        if named == unit:
            return _integer(number)
        from decimal import Decimal  # slow to load, and rarely needed

        if named not in UNITS_MSAT or not number.replace(".", "", 1).isdecimal() or len(number) > 30:
            raise ValueError
        amount = Decimal(number) * UNITS_MSAT[named] / UNITS_MSAT[unit]
        if amount != int(amount):
            raise ValueError
        return int(amount)

    return read


def _bounded(least: int, most: int) -> Any:  # Any: an Annotated type
    return Annotated[int, Meta(ge=least, le=most)]


def _matching(pattern: str) -> Any:  # Any: an Annotated type
    return Annotated[str, Meta(pattern=rf"\A(?:{pattern})\Z", max_length=MAX_TEXT)]


PLUGIN_NAME: Final = re.compile("[a-z][a-z0-9-]{0,31}")
_HOST: Final = r"(?:\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,255})"

KINDS: Final[dict[str, Kind]] = {
    "text": Kind(f"a text of at most {MAX_TEXT} characters", Text),
    "integer": Kind("a whole number", _bounded(0, (1 << 63) - 1), _integer),
    "count": Kind("a whole number from 1 to 1000", _bounded(1, 1000), _integer),
    "log_level": Kind("debug, info, warning or error", _matching("debug|info|warning|error")),
    "boolean": Kind("true or false", bool),
    "sat": Kind(
        "a whole number of satoshi (on the command line also 0.001btc, 5000msat)", _bounded(0, MAX_SAT), _amount("sat")
    ),
    "msat": Kind(
        "a whole number of millisatoshi (on the command line also 21sat, 0.001btc)",
        _bounded(0, MAX_SAT * 1000),
        _amount("msat"),
    ),
    "per_kw": Kind("a feerate in satoshi per 1000 weight units, 253 or more", _bounded(253, 10_000_000), _integer),
    "seconds": Kind("a whole number of seconds, 1 or more", _bounded(1, 10 * 365 * 86_400), _integer),
    "blocks": Kind("a number of blocks from 1 to 1000", _bounded(1, 1000), _integer),
    "peer": Kind(
        f"a node id (66 hex digits), or its first digits, at least {SHORTEST_PREFIX}",
        _matching(rf"0[23][0-9a-f]{{{SHORTEST_PREFIX - 2},64}}"),
        str.lower,
    ),
    "channel": Kind(
        f"a channel id (64 hex digits), or its first digits, at least {SHORTEST_PREFIX}",
        _matching(rf"[0-9a-f]{{{SHORTEST_PREFIX},64}}"),
        str.lower,
    ),
    "path": Kind("the whole path of a file, from / on", _matching(r"/[^\x00]{1,4095}"), os.path.abspath),
    "plugin": Kind(
        "a plugin's name, or the whole path of its file, from / on",
        _matching(r"[a-z][a-z0-9-]{0,31}|/[^\x00]{1,4095}"),
        lambda word: word if PLUGIN_NAME.fullmatch(word) else os.path.abspath(word),
    ),
    "listen_address": Kind("an address host:port (an IPv6 host in brackets)", _matching(rf"{_HOST}:[0-9]{{1,5}}")),
    "peer_address": Kind(
        "node_id@host:port, or the node id alone (or its first digits) of a node that was connected to before",
        _matching(rf"0[23][0-9a-f]{{64}}(?:@{_HOST}(?::[0-9]{{1,5}})?)?|0[23][0-9a-f]{{{SHORTEST_PREFIX - 2},63}}"),
    ),
    "bitcoin_address": Kind("a bitcoin address", _matching(r"[A-Za-z0-9]{14,90}")),
    "invoice": Kind(
        "a BOLT 11 invoice", _matching(r"(?i:(?:lightning:)?ln[a-z0-9]{10,7000})"), lambda word: word.strip()
    ),
    "outpoint": Kind("a coin TXID:VOUT, as `lnp funds` lists them", _matching(r"[0-9a-f]{64}:[0-9]{1,9}"), str.lower),
    "hex": Kind("bytes in hex, two digits each", _matching(r"(?:[0-9a-f]{2})*"), str.lower),
    "setting": Kind(f"an option's key of at most {MAX_TEXT} characters, as `lnp config` lists them", Text),
    "shell": Kind("bash, zsh or fish", Literal["bash", "zsh", "fish"]),
    "ids": Kind(
        "peer, channel, invoice, names, plugin or command",
        Literal["peer", "channel", "invoice", "names", "plugin", "command"],
    ),
    "names": Kind("a list of names", Words),
    "hops": Kind("a list of hops NODE_ID, NODE_ID@SCID or NODE_ID@SCID:BASE_MSAT:MILLIONTHS:CLTV_DELTA", Hops),
}

LISTS: Final = frozenset({"names", "hops"})
"""These may be given more than once, and make a list."""


def check(name: str, kind: str, value: object) -> object:
    """A JSON value of a parameter, as its kind's type (a list becomes a tuple). Raises ParameterRefused."""
    row = KINDS[kind]
    try:
        checked: object = msgspec.convert(value, row.type, strict=True)
    except (msgspec.ValidationError, RecursionError):
        raise ParameterRefused(f"{name} must be {row.what}, not {_shown(value)}.") from None
    return checked


def read_word(name: str, kind: str, word: str) -> object:
    """The JSON value that a word of a command line means. Raises ParameterRefused."""
    row = KINDS[kind]
    try:
        value = row.read(word)
    except ValueError:
        raise ParameterRefused(f"{name} must be {row.what}, not {_shown(word)}.") from None
    return check(name, kind, value)


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"
