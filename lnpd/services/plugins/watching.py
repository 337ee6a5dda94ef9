"""What does the chain do that plugins asked about, and how do their transactions get there?

    watch, broadcast -> rows of the chain watch, under the plugin's name -> facts in its stored inbox -> events

The rows are durable, and what happened becomes an event in the transaction that empties the inbox: so each plugin hears
of it at least once, whenever it comes back.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from lnpd.channel.actions import WatchOutput, WatchTransaction
from lnpd.channel.events import OutputSpent, OutputUnspent, SpendSeen, TransactionConfirmed, TransactionUnconfirmed
from lnpd.errors import LnpdError, TooManyWatches
from lnpd.services.chain.rows import Fact, owner_prefix, read_fact, read_row
from lnpd.services.chain.watch import NAMESPACE, ChainWatch
from lnpd.services.events import Events
from lnpd.services.onchain import Outpoint, StoredBroadcast
from lnpd.services.plugins.scripts import LOOK_BACK_BLOCKS, Row, ScriptWatch, of_plugin
from lnpd.store.codec import decode, encode
from lnpd.store.read import ALL_ROWS, Read, u64_key
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx.transaction import Tx

log = logging.getLogger("lnpd.plugins")
OWNER: Final = b"plugin/"  # and the plugin's name: no channel's key has a slash
DUE: Final = "plugin-heights"
DUE_AT_ONCE: Final = 1_000
MAX_SHOWN_BYTES: Final = 20_000


class Due(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is due at a height: a watch of it, or the end of a broadcast."""

    plugin: str
    key: str
    ends_broadcast: bool = False


class Sending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is stored with a broadcast."""

    transaction: bytes
    deadline_height: int


class Watching:
    """The chain watch's listener for plugins. max_rows: watches and broadcasts of one plugin."""

    def __init__(self, store: Store, watcher: ChainWatch, events: Events, max_rows: int, scripts: ScriptWatch) -> None:
        self._store, self._watcher, self._events, self._max_rows = store, watcher, events, max_rows
        self._scripts = scripts
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what plugins ask for
    async def broadcast(self, name: str, tx: Tx, deadline_height: int) -> None:
        """Sends it until the deadline. TooManyWatches."""
        key, owner = tx.txid[::-1].hex(), OWNER + name.encode()
        broadcast = StoredBroadcast.of(key, tx, encode(Sending(tx.serialise(), deadline_height)))
        watch = WatchTransaction(key, tx.txid, tx.outputs[0].script_pubkey, 1)

        def begin(write: Write) -> None:
            self._require_room(write, owner, 3)
            self._watcher.add_broadcast(write, owner, broadcast)
            self._watcher.add_watch(write, owner, watch)
            _add_due(write, deadline_height + 1, Due(name, key, True))

        await self._store.write(begin)
        self._watcher.applied()

    async def watch(self, name: str, watch: WatchOutput) -> None:
        """Tells of an output's spend. TooManyWatches."""
        owner = OWNER + name.encode()

        def begin(write: Write) -> None:
            self._require_room(write, owner, 1)
            self._watcher.add_watch(write, owner, watch)

        await self._store.write(begin)
        self._watcher.applied()

    async def watch_height(self, name: str, key: str, height: int) -> None:
        """Tells of a height. TooManyWatches."""

        def begin(write: Write) -> None:
            self._require_room(write, OWNER + name.encode(), 1)
            _forget_due(write, name, key)
            _add_due(write, height, Due(name, key))

        await self._store.write(begin)

    async def watch_script(self, name: str, key: str, script: bytes, depth: int) -> None:
        """Tells of each transaction that pays to a script, or spends from it. TooManyWatches."""
        row = Row(name, key, script, depth, max(0, self._watcher.height - LOOK_BACK_BLOCKS))

        def begin(write: Write) -> None:
            self._require_room(write, OWNER + name.encode(), 1)
            self._scripts.add(write, row)

        await self._store.write(begin)
        self._scripts.wake()

    async def unwatch(self, name: str, key: str) -> bool:
        """Forgets all of this key; whether there was anything."""
        prefix = owner_prefix(OWNER + name.encode())

        def end(write: Write) -> bool:
            rows = [write.delete_value(NAMESPACE, prefix + kind + key.encode()) for kind in (b"t", b"o", b"b")]
            return any([*rows, self._scripts.remove(write, name, key), _forget_due(write, name, key)])

        was_there = await self._store.write(end)
        self._watcher.applied()
        return was_there

    def _require_room(self, write: Write, owner: bytes, more: int) -> None:
        name = owner.removeprefix(OWNER).decode()
        others = sum(each.plugin == name for _, each in _due(write)) + len(of_plugin(write, name))
        if len(write.values(NAMESPACE, owner_prefix(owner))) + others + more > self._max_rows:
            raise TooManyWatches(f"{name} watches as much as it may, {self._max_rows}: unwatch something first.")

    # --- what the chain watch calls (onchain.ChainListener)
    def deliver(self, owner: bytes) -> None:
        """Facts wait in a plugin's stored inbox."""
        self._spawn(lambda write: _tell(write, owner))

    def seen(self, owner: bytes, event: SpendSeen) -> None:
        """Plugins are told of what has happened."""

    def deliver_block(self, height: int) -> None:
        """The best chain has a new tip. What waited since before this process is told at the first."""

        def look(write: Write) -> bool:
            owners = [owner for owner, _ in write.inbox_counts() if owner.startswith(OWNER)]
            told = [_tell(write, owner) for owner in owners]
            return any([*told, _tell_due(write, height)])

        self._spawn(look)
        self._scripts.wake()

    async def complete(
        self, owner: bytes, broadcast: StoredBroadcast, spent: frozenset[Outpoint]
    ) -> tuple[bytes, ...] | None:
        """The transaction as it was given, until its deadline."""
        sending = decode(broadcast.payload, Sending, table="broadcast", key=broadcast.key)
        return None if self._watcher.height > sending.deadline_height else (sending.transaction,)

    async def answered(self, txids: Collection[bytes], taken: Collection[bytes]) -> None:
        """Nothing of the wallet's is in it."""

    async def ended(self, owner: bytes, key: str) -> None:
        """Nothing is kept for it."""

    async def stop(self) -> None:
        """Ends what runs; what was not told is told after the next start."""
        await asyncio.gather(*self._tasks, self._scripts.stop(), return_exceptions=True)

    def _spawn(self, work: Callable[[Write], bool]) -> None:
        task = asyncio.get_running_loop().create_task(self._write(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, work: Callable[[Write], bool]) -> None:
        try:
            if await self._store.write(work):
                self._events.stored()
        except LnpdError as error:  # it is told at the next block
            log.warning("plugins do not hear of the chain: %s", error)


def _tell(write: Write, owner: bytes) -> bool:
    """What waits for a plugin becomes events; whether anything did."""
    rows = write.inbox(owner)
    for row in rows:
        fact = read_fact(row.value)
        assert isinstance(fact, Fact), "channels and circuits tell plugins nothing"
        Events.record(write, "chain_event", {"plugin": owner.removeprefix(OWNER).decode(), **_shown(row.key, fact)})
        write.remove_inbox(owner, row.key)
    return bool(rows)


def _shown(name: str, fact: Fact) -> dict[str, object]:
    watch = bytes.fromhex(name.split("/")[1])  # chain/KEY OF THE ROW/NUMBER
    key = watch[2 + watch[0] :].decode(errors="replace")
    match fact:
        case TransactionConfirmed():
            return {"key": key, "what": "confirmed"} | _made(fact.transaction, fact.height, fact.depth)
        case OutputSpent():
            return {"key": key, "what": "spent"} | _made(fact.transaction, fact.height, fact.depth)
        case TransactionUnconfirmed():
            return {"key": key, "what": "unconfirmed", "txid": fact.txid[::-1].hex()}
        case OutputUnspent():
            return {"key": key, "what": "unspent"}


def _made(tx: Tx, height: int, depth: int) -> dict[str, object]:
    data = tx.serialise()
    shown = data.hex() if len(data) <= MAX_SHOWN_BYTES else ""
    return {"height": height, "depth": depth, "txid": tx.txid[::-1].hex(), "transaction": shown}


def _tell_due(write: Write, height: int) -> bool:
    told = False
    for row, due in _due(write, DUE_AT_ONCE):
        if int.from_bytes(row[:8], "big") > height:
            break
        write.delete_value(DUE, row)
        if due.ends_broadcast and not _expire(write, due):
            continue
        what = "expired" if due.ends_broadcast else "height"
        Events.record(write, "chain_event", {"plugin": due.plugin, "key": due.key, "what": what, "height": height})
        told = True
    return told


def _expire(write: Write, due: Due) -> bool:
    """The deadline of a broadcast is over: whether it ends for that, and not because it is confirmed or forgotten."""
    prefix = owner_prefix(OWNER + due.plugin.encode())
    watch, broadcast = prefix + b"t" + due.key.encode(), prefix + b"b" + due.key.encode()
    watched = write.value(NAMESPACE, watch)
    if watched is None or read_row(watch, watched).told:
        return False
    write.delete_value(NAMESPACE, watch)
    return write.delete_value(NAMESPACE, broadcast)


def _due(read: Read, limit: int = ALL_ROWS) -> list[tuple[bytes, Due]]:
    """What is due, the lowest height first."""
    return [(row, decode(value, Due, table="key_value", key=row)) for row, value in read.values(DUE, limit=limit)]


def _add_due(write: Write, height: int, due: Due) -> None:
    kind = "b" if due.ends_broadcast else "h"
    write.put_value(DUE, u64_key(height) + f"{due.plugin}/{kind}{due.key}".encode(), encode(due))


def _forget_due(write: Write, name: str, key: str) -> bool:
    rows = [row for row, due in _due(write) if (due.plugin, due.key) == (name, key)]
    return sum(write.delete_value(DUE, row) for row in rows) > 0
