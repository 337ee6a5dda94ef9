"""Does the chain say of each channel what the channel says?

    the channel is in use, or waits to be closed     its funding is unspent, or the watch has seen the spend
    the channel is on chain                          its funding is spent

Asked once the watch over the chain has caught up, and by `lnpd check` of a node that does not run: what happened since
its end is then named, for the next start sees to it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import msgspec

from lnpd.chain.interface import ChainBackend, Outpoint, WatchOutpoint
from lnpd.channel.actions import WatchOutput, WatchTransaction
from lnpd.channel.failure import FUNDED
from lnpd.channel.state import Channel, Failed, OnChain
from lnpd.errors import ChainError, ValueUnreadable
from lnpd.services.backup.problems import START, Problem, frozen, name_of
from lnpd.services.chain.rows import new_row, owner_prefix, read_row, row_key, write_row
from lnpd.services.chain.watch import GONE, LOOK_BACK_BLOCKS
from lnpd.services.chain.watch import NAMESPACE as WATCHES
from lnpd.services.channels.batch import find_by_txid, kept_of
from lnpd.store.codec import decode
from lnpd.store.read import Read
from lnpd.store.write import Write
from lnpd.tx.funding import funding_output

T = TypeVar("T")

SEEN_AGAIN: Final = "At its start lnpd watches such a funding anew, from its block on, and takes what is ours."
PUNISHED: Final = "lnpd takes all of it once it confirms. Keep it running."
REORGANISED: Final = "A reorganisation may have undone its close, which is broadcast again. If this stays, report it."
AT_ONCE: Final = 16
"""So many channels are asked for at a time: no peer is spoken with before, and a server may be far away."""
CHAIN: Final = "chain"
"""Where a problem is that is of no channel: what the chain does not answer."""
ASK_AGAIN: Final = "Ask again when the chain answers."


class Reading(Protocol):
    """Reads the database: Store.read, or one view of it."""

    def __call__(self, query: Callable[[Read], T]) -> Awaitable[T]:
        """What a function of one view of the database answers."""
        ...


class Stand(msgspec.Struct, frozen=True):
    """A channel, whether its watch has met the spend of its funding, and whether it is still to be told of the past."""

    channel: Channel
    seen: bool
    told: bool

    @property
    def outpoint(self) -> Outpoint:
        """Its funding output."""
        funding = self.channel.fundings[0]
        return Outpoint(funding.txid, funding.vout)


# The watch over a funding


def funding_watches(channel: Channel) -> tuple[WatchTransaction | WatchOutput, ...]:
    """What is watched for a channel as long as it is not closed (channel/ready.py); of a lost one its output alone."""
    funding = channel.fundings[0]
    script = funding_output(funding).script_pubkey
    output = WatchOutput("funding", funding.txid, funding.vout, script, channel.policy.resolution_depth)
    if channel.from_backup:
        return (output,)
    return WatchTransaction("funding", funding.txid, script, max(1, channel.minimum_depth)), output


def is_watched(read: Read, channel: Channel) -> bool:
    """Whether all of that is."""
    owner = channel.key.encode()
    keys = (row_key(new_row(owner, watch, 0)) for watch in funding_watches(channel))
    return all(read.value(WATCHES, key) is not None for key in keys)


def watch_again(write: Write, channel: Channel) -> None:
    """Its funding is watched as if it never had been: the chain is read for it from its own block on."""
    cursor = write.chain_cursor()
    since = max(0, cursor.height - LOOK_BACK_BLOCKS) if cursor else 0
    from_height = int.from_bytes(channel.short_channel_id[:3], "big") or since
    for watch in funding_watches(channel):
        row = new_row(channel.key.encode(), watch, from_height)
        key = row_key(row)
        known = write.value(WATCHES, key)
        events = read_row(key, known).events if known is not None else 0  # they make the keys of what it tells
        write.put_value(WATCHES, key, write_row(msgspec.structs.replace(row, events=events)))


# The check


def stands(read: Read) -> tuple[Stand, ...]:
    """Every channel that has a funding and is not closed. What cannot be read is said by others."""
    return tuple(stand for row in read.channels() if not row.closed and (stand := _stand(read, row.snapshot)))


def _stand(read: Read, snapshot: bytes) -> Stand | None:
    try:
        channel = decode(snapshot, Channel, table="channel")
        if not channel.fundings or not isinstance(channel.phase, (*FUNDED, Failed, OnChain)):
            return None
        owner = channel.key.encode()
        key = owner_prefix(owner) + b"ofunding"
        value = read.value(WATCHES, key)
        row = None if value is None else read_row(key, value)
        seen, unread = row is not None and row.spent > 0, row is not None and not row.scanned
    except ValueUnreadable:
        return None
    return Stand(channel, seen, unread or bool(read.inbox(owner)))


async def check_chain(read: Reading, backend: ChainBackend, running: bool) -> tuple[Problem, ...]:
    """The chain says of each funding what its channel does: unspent, or spent by what is known.

    running: the watch has caught up, so that what it has not seen is lost. What the chain does not answer is a problem,
    and no other channel's; but a chain that is gone is not asked once more for each.
    """
    found: list[Problem] = []
    waiting = await read(stands)
    for first in range(0, len(waiting), AT_ONCE):
        some = waiting[first : first + AT_ONCE]
        answers = await asyncio.gather(*(_asked(read, backend, stand, running) for stand in some))
        for stand, answer in zip(some, answers, strict=True):
            if isinstance(answer, GONE):
                return (*found, Problem(CHAIN, f"it cannot be asked: {answer}", ASK_AGAIN))
            if isinstance(answer, ChainError):
                what = f"it cannot be asked about {name_of(stand.channel)}: {answer}"
                answer = [Problem(CHAIN, what, ASK_AGAIN)]
            found += answer
    return tuple(found)


async def _asked(read: Reading, backend: ChainBackend, stand: Stand, running: bool) -> list[Problem] | ChainError:
    try:
        return await _of_channel(read, backend, stand, running)
    except ChainError as error:
        return error


async def _of_channel(read: Reading, backend: ChainBackend, stand: Stand, running: bool) -> list[Problem]:
    channel = stand.channel
    output = await backend.output(stand.outpoint)
    if isinstance(channel.phase, OnChain):
        if output is None or output.height is None or output.spent_by is not None or stand.told:
            return []
        return [Problem(name_of(channel), "it is taken for closed, and its funding is unspent", REORGANISED)]
    if output is None:
        return await _gone(read, backend, stand, running)
    funding = channel.fundings[0]
    agreed = funding_output(funding)
    if (output.value_sat, output.script) != (agreed.value_sat, agreed.script_pubkey):
        return [frozen(channel, "its funding output is not on the chain what the channel takes it for")]
    if output.spent_by is not None and "revoked" in (name := await _name(read, channel, output.spent_by)):
        return [Problem(name_of(channel), f"{name} waits in the mempool", PUNISHED)]
    return []


async def _gone(read: Reading, backend: ChainBackend, stand: Stand, running: bool) -> list[Problem]:
    """The funding is spent, or it is in no block."""
    channel = stand.channel
    if not channel.short_channel_id and not channel.from_backup:
        return []  # it has not been in one, as far as the channel knows
    if stand.told or (not running and stand.seen):
        return []  # the channel is about to hear it
    if running:
        what = "its funding is spent, and the watch over it has missed that"
        return [Problem(name_of(channel), what, SEEN_AGAIN, "mended", channel.key)]
    by = await _spender(read, backend, stand)
    return [Problem(name_of(channel), f"its funding was spent while lnpd did not run, by {by}", START)]


async def _spender(read: Reading, backend: ChainBackend, stand: Stand) -> str:
    cursor = await read(lambda view: view.chain_cursor())
    height = max(0, cursor.height - LOOK_BACK_BLOCKS) if cursor else 0
    while True:
        delta = await backend.scan([WatchOutpoint(stand.outpoint)], height)
        for block in delta.connected:
            for match in block.matches:
                return await _name(read, stand.channel, match.txid)
        if not delta.more:
            return "a transaction that lies further back"
        height = delta.end.height + 1


async def _name(read: Reading, channel: Channel, txid: bytes) -> str:
    """What a transaction that spends the funding is, for a person."""

    def find(view: Read) -> str:
        if find_by_txid(view, "closing", txid) is not None:
            return "a close that both sides signed"
        kept = kept_of(find_by_txid(view, "commitment", txid))
        if kept is None:
            return "a transaction that is not known here"
        number, holder = kept.graph.number, kept.graph.holder
        if holder == channel.us:
            return f"our commitment {number}"
        valid = number >= channel.numbers[holder] - channel.awaiting_revocation
        return f"the peer's {'' if valid else 'revoked '}commitment {number}"

    return f"{await read(find)} ({txid[::-1].hex()})"
