"""What does a word mean as the value of an option? Each reader raises ValueError with what is expected."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lnpd_sdk.nearest import nearest

from lnpd.channel.presets import PRESETS, Limits
from lnpd.config.model import (
    CHANNEL_SECRETS,
    LOG_LEVELS,
    LOG_SUBSYSTEMS,
    MAX_ALIAS_BYTES,
    Address,
    FailPoint,
    Secret,
)

HOST_PORT: Final = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,255}):([0-9]{1,5})")


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
    from lnpd.store.points import PERSISTENCE_POINTS  # for tests alone

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


class Choice:
    """Reads one of some words, the `choices`; what each means, if it is not itself."""

    def __init__(self, choices: Sequence[str], means: Mapping[str, object] | None = None) -> None:
        self.choices, self._means = tuple(choices), means or {}

    def __call__(self, word: str) -> Any:  # Any: what the word means
        """What the word means. Raises ValueError."""
        if word not in self.choices:
            raise ValueError(f"one of {', '.join(self.choices)}")
        return self._means.get(word, word)


def read_choice(*choices: str) -> Choice:
    """Reads one of some words."""
    return Choice(choices)


def read_log_level(word: str) -> tuple[str, str]:
    """Reads a subsystem and its level, "peers=debug"."""
    name, _, level = word.partition("=")
    if name not in LOG_SUBSYSTEMS:
        hint = nearest(name, LOG_SUBSYSTEMS).removeprefix("; ") or f"subsystems are {', '.join(LOG_SUBSYSTEMS)}"
        raise ValueError(f"SUBSYSTEM=LEVEL ({hint})")
    return name, read_choice(*LOG_LEVELS)(level)


def read_log_file(word: str) -> str:
    """Reads the path of the log's file, empty if there is to be none."""
    if not word or "\0" in word or len(word) > 4_000:
        raise ValueError("a path, or none")
    return "" if word == "none" else word


read_preset: Final = Choice(tuple(PRESETS), PRESETS)
read_signer: Final = Choice(("in-process", "process"), {"in-process": False, "process": True})


def shown(value: object) -> Any:  # Any: a JSON value
    """A value as a person would write it, as a JSON value. A pair or a triple is NAME=VALUE, and has a reader."""
    match value:
        case Limits():
            return value.preset
        case Secret():
            return value.word
        case tuple():
            return [shown(each) for each in value]
        case bytes():
            return value.hex()
        case bool() | int() | float() | None:
            return value
    return str(value)
