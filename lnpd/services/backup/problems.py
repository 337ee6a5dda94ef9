"""What is a problem that the check finds, what is done about it at a start, and what is it looked for in?

refused    the node does not start: a channel could not be looked after at all
frozen     its channel is neither signed nor spoken for; what the chain does to it is answered as ever
mended     a watch that was lost is set again, and the chain's past read for it
said       nothing but this line
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec
from lnpd_sdk.types import Party

from lnpd.channel.failure import FUNDED
from lnpd.channel.queries import Kept, commitment_key
from lnpd.channel.state import Channel, Failed
from lnpd.errors import ValueUnreadable
from lnpd.services.channels.batch import find_row, kept_of
from lnpd.store.read import Read

CLOSE: Final = (
    "Do not close it by force. Restore a copy of the database that was made later, or, in another directory, the "
    "backup of the channels (`lnpd restore`), with which the peer closes it."
)
REPORT: Final = "No money depends on it. `lnp backup-database` keeps it as it is for a report."
REPLAY: Final = "Start lnpd again: what was decided is told anew. If it stays, the HTLC ends on chain at its expiry."
START: Final = "Start lnpd: it finds this out by itself, and takes what is ours."

Then = Literal["refused", "frozen", "mended", "said"]
THEN: Final[dict[Then, str]] = {
    "refused": "The node does not start: a channel could not be looked after at all.",
    "frozen": "The channel is frozen: nothing is signed or said in it. What the chain does to it, and its deadlines, "
    "are answered from what is kept.",
    "mended": "The watch over the funding is set again, and the chain is read for it from the funding's block on.",
    "said": "A line in the log, and one in `lnp info`.",
}


class Problem(msgspec.Struct, frozen=True):
    """What is wrong, where, and what a person can do; `then` is what a start does about it, to `channel` (its key)."""

    where: str
    what: str
    advice: str
    then: Then = "said"
    channel: str = ""

    @property
    def line(self) -> str:
        """All of it, for a log or a terminal."""
        return f"{self.where}: {self.what.rstrip('.')}. {self.advice}"


Found = Iterator[Problem]


class Look:
    """One view of the database, and how many of the last states of each channel are looked at."""

    def __init__(self, read: Read, states: int) -> None:
        self.read, self.states = read, states
        self.channels: dict[str, Channel] = {}
        self.commitments = 0


Part = Callable[[Look, Channel], Found]


def name_of(channel: Channel) -> str:
    """What a person calls it."""
    return f"channel {channel.id.hex()}"


def frozen(channel: Channel, what: str) -> Problem:
    """A contradiction in what both sides have signed."""
    return Problem(name_of(channel), what, CLOSE, "frozen", channel.key)


def is_living(channel: Channel) -> bool:
    """Whether its commitments may still be needed, and were not lost before."""
    return isinstance(channel.phase, (*FUNDED, Failed)) and not channel.from_backup and bool(channel.fundings)


def kept(look: Look, channel: Channel, funding_txid: bytes, holder: Party, number: int) -> tuple[Kept | None, str]:
    """A kept commitment, or what is wrong with it."""
    key = commitment_key(funding_txid, holder, number)
    try:
        found = kept_of(find_row(look.read, channel, "commitment", key))
    except ValueUnreadable as error:
        return None, f"cannot be read: {error}"
    return found, "" if found is not None else "is not kept"
