"""What does the chain watcher remember of a watch, and what does a block change in it?

Pure: a row and what happened in; the row and the events for its owner out. Rows are kept under their owner, so that
all of a channel's go at once. An event is told once: what was told is part of the row, which changes in the
transaction that puts the event into the owner's inbox.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec
from msgspec.structs import replace

from lnpd.chain.interface import BlockRef, ConnectedBlock, Match, Watch, WatchOutpoint, WatchTxid
from lnpd.chain.interface import Outpoint as ChainOutpoint
from lnpd.channel.actions import WatchOutput, WatchTransaction
from lnpd.channel.events import (
    Fail,
    Fulfill,
    OutputSpent,
    OutputUnspent,
    PutWitness,
    SpendSeen,
    TransactionConfirmed,
    TransactionUnconfirmed,
)
from lnpd.services.onchain import StoredBroadcast
from lnpd.store.codec import decode, encode
from lnpd.tx.transaction import Tx, parse

DEEP: Final = 100
"""So deep a confirmation is taken for final: coinbases are spendable then."""

MAX_OWNER_BYTES: Final = 255

Subject = WatchTransaction | WatchOutput | StoredBroadcast
Fact = TransactionConfirmed | TransactionUnconfirmed | OutputSpent | OutputUnspent
Told = Fact | Fulfill | Fail | PutWitness


class StoredFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a row of a channel's inbox holds: a fact of the chain, what a circuit orders (payments/circuits), or a late
    datum that another channel has learned of the chain."""

    event: Told


class Found(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The transaction of the best chain that met a watch. `position` is its place in the block.

    A broadcast keeps none: it has hundreds of inputs, and one transaction, as large as its maker likes, may spend all.
    """

    block_height: int
    block_hash: bytes
    position: int
    transaction: Tx | None = None


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A watch or a broadcast of an owner. One of `watch` and `broadcast` is set.

    `found` is by the subject's watches. The past is read from `from_height`, unless it was (`scanned`). Of the
    subject's depths the first `told` were reported; `events` were written in all, which makes their keys unique.
    """

    owner: bytes
    subject: WatchTransaction | WatchOutput | None = None
    broadcast: StoredBroadcast | None = None
    from_height: int = 0
    scanned: bool = False
    found: tuple[Found | None, ...] = ()
    told: int = 0
    events: int = 0

    @property
    def spent(self) -> int:
        """How many of its watches were met."""
        return sum(each is not None for each in self.found)


# Keys and values


def owner_prefix(owner: bytes) -> bytes:
    """What the keys of all rows of an owner begin with."""
    if len(owner) > MAX_OWNER_BYTES:
        raise ValueError(f"An owner's key has at most {MAX_OWNER_BYTES} bytes.")
    return bytes((len(owner),)) + owner


def new_row(owner: bytes, subject: Subject, from_height: int) -> Row:
    """A row of which nothing is known yet."""
    if isinstance(subject, StoredBroadcast):
        row = Row(owner, broadcast=subject, from_height=from_height)
    else:
        row = Row(owner, subject=subject, from_height=from_height)
    return replace(row, found=(None,) * len(watches_of(row)))


def row_key(row: Row) -> bytes:
    """Where a row is kept: one kind and key of an owner replaces itself."""
    kind, key = _name(row)
    return owner_prefix(row.owner) + kind + key.encode()


def _name(row: Row) -> tuple[bytes, str]:
    match row.subject:
        case WatchTransaction(key=key):
            return b"t", key
        case WatchOutput(key=key):
            return b"o", key
        case None:
            assert row.broadcast is not None, "a row is of a watch or of a broadcast"
            return b"b", row.broadcast.key


def write_row(row: Row) -> bytes:
    """The bytes of a row."""
    return encode(row)


def read_row(key: bytes, value: bytes) -> Row:
    """A row from its bytes. Raises ValueUnreadable."""
    row = decode(value, Row, table="chain watch", key=key)
    return row if row.broadcast is None else replace(row, found=tuple(map(_light, row.found)))  # older ones are heavy


def read_fact(value: bytes) -> Told:
    """The event that a row of a channel's inbox holds. Raises ValueUnreadable."""
    return decode(value, StoredFact, table="inbox").event


# What is watched


def watches_of(row: Row) -> tuple[Watch, ...]:
    """What the backend is asked to watch for a row; `found` is in this order."""
    match row.subject:
        case WatchTransaction(txid=txid):
            return (WatchTxid(txid),)
        case WatchOutput(txid=txid, vout=vout):
            return (WatchOutpoint(ChainOutpoint(txid, vout)),)
        case None:
            inputs = row.broadcast.inputs if row.broadcast else ()
            return tuple(WatchOutpoint(ChainOutpoint(*each)) for each in inputs)


def _depths(row: Row) -> tuple[int, ...]:
    match row.subject:
        case WatchTransaction(depth=depth):
            return (max(1, depth),)
        case WatchOutput(depth=depth):
            return tuple(sorted({1, max(1, depth)}))
        case None:
            return ()


# What is about to happen


# By owner, output, and the digest of what spends it, its witnesses with it.
Seen = dict[tuple[bytes, bytes, int, bytes], SpendSeen]


def seen_in(mempool: tuple[Match, ...], rows: Iterable[Row]) -> Seen:
    """What waits and spends an output that an owner watches."""
    waiting = {match.watch: match for match in mempool}
    known: dict[bytes, tuple[bytes, Tx]] = {}  # one may spend all outputs of a commitment: it is read once
    seen: Seen = {}
    for row in rows:
        if isinstance(row.subject, WatchOutput) and (match := waiting.get(watches_of(row)[0])) is not None:
            if match.txid not in known:
                known[match.txid] = sha256(match.transaction).digest(), parse(match.transaction)
            digest, transaction = known[match.txid]
            output = row.subject.txid, row.subject.vout
            seen[row.owner, *output, digest] = SpendSeen(*output, transaction)
    return seen


# What happened


Hits = dict[Watch, Found]


def hits_in(connected: tuple[ConnectedBlock, ...]) -> Hits:
    """The transaction that met each watch: in one chain there is one."""
    hits: Hits = {}
    found: dict[bytes, Found] = {}  # a transaction that meets many watches is read once
    for block in connected:
        for match in block.matches:
            if match.txid not in found:
                found[match.txid] = _found(block.block, match)
            hits.setdefault(match.watch, found[match.txid])
    return hits


def _found(block: BlockRef, match: Match) -> Found:
    return Found(block.height, block.hash, match.position or 0, parse(match.transaction))


def _light(found: Found | None) -> Found | None:
    return found and replace(found, transaction=None)


def follow(row: Row, disconnected: frozenset[bytes], hits: Hits, tip_height: int) -> tuple[Row, tuple[Fact, ...]]:
    """The row after some blocks left the best chain and others joined it, and what its owner is told."""
    events: list[Fact] = []
    if any(each and each.block_hash in disconnected for each in row.found):
        if row.told:
            events.append(_undone(row))
        kept = tuple(None if each and each.block_hash in disconnected else each for each in row.found)
        row = replace(row, found=kept, told=0)
    watches = watches_of(row)
    if any(watch in hits and known is None for watch, known in zip(watches, row.found, strict=True)):
        found = tuple(known or hits.get(watch) for watch, known in zip(watches, row.found, strict=True))
        row = replace(row, found=tuple(map(_light, found)) if row.broadcast else found)
    for depth in _depths(row)[row.told :]:
        met = row.found[0]
        if met is not None and tip_height - met.block_height + 1 >= depth:
            events.append(_met(row, met, depth))
            row = replace(row, told=row.told + 1)
    return replace(row, events=row.events + len(events)) if events else row, tuple(events)


def happened(event: Fact) -> int:
    """The height at which an event became true, by which events are ordered; what was undone comes first."""
    return event.height + event.depth if isinstance(event, TransactionConfirmed | OutputSpent) else 0


def is_done(row: Row, tip_height: int) -> bool:
    """Whether a broadcast is over: each of its inputs was spent so deeply that nothing undoes it."""
    return row.broadcast is not None and all(
        each is not None and tip_height - each.block_height + 1 >= DEEP for each in row.found
    )


def _met(row: Row, found: Found, depth: int) -> Fact:
    assert found.transaction is not None, "only broadcasts keep none"
    if isinstance(row.subject, WatchOutput):
        return OutputSpent(row.subject.txid, row.subject.vout, found.transaction, found.block_height, depth)
    return TransactionConfirmed(found.transaction, found.block_height, found.position, depth)


def _undone(row: Row) -> Fact:
    if isinstance(row.subject, WatchOutput):
        return OutputUnspent(row.subject.txid, row.subject.vout)
    assert row.subject is not None, "a broadcast tells nothing"
    return TransactionUnconfirmed(row.subject.txid)
