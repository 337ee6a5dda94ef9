"""What does a notification of bitcoind say, and where are they published? (its doc/zmq.md)"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from lnpd.chain.bitcoind.answers import Notification

TOPICS: Final = ("hashblock", "sequence")
MAX_ENDPOINTS: Final = 4
ADDRESS: Final = re.compile(r"tcp://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._*-]+):([0-9]{1,5})|ipc://\S{1,107}")
ANYWHERE: Final = ("0.0.0.0", "*", "[::]")  # noqa: S104  where bitcoind binds; nothing is bound here


class Notice(msgspec.Struct, frozen=True):
    """A transaction entered the mempool or left it, not by a block; the mempool counts such changes."""

    hash: bytes
    entered: bool
    sequence: int


def read_notice(topic: str, body: bytes) -> Notice | None:
    """What a message says of the mempool; None if it is about a block, or nothing that is known."""
    if topic != "sequence" or len(body) != 41 or body[32:33] not in (b"A", b"R"):
        return None
    return Notice(body[31::-1], body[32:33] == b"A", int.from_bytes(body[33:], "little"))


def endpoints_of(told: Iterable[Notification], host: str) -> tuple[str, ...]:
    """Where the topics are published; none if `sequence`, the one that is needed, is not.

    An address that means every one of bitcoind's machine is looked for at `host`.
    """
    found: dict[str, list[str]] = {topic: [] for topic in TOPICS}
    for each in told:
        match = ADDRESS.fullmatch(each.address)
        if each.type.removeprefix("pub") in found and match:
            shown = f"[{host}]" if ":" in host else host
            address = f"tcp://{shown}:{match[2]}" if match[1] in ANYWHERE else each.address
            found[each.type.removeprefix("pub")].append(address)
    if not found["sequence"]:
        return ()
    return tuple(dict.fromkeys([*found["sequence"], *found["hashblock"]]))[:MAX_ENDPOINTS]
