"""Which transactions pay to a script that a plugin watches, or spend from it?

    watch -> a row under the plugin's name
    a new tip -> what met the scripts since the last one -> rows, place and events in one transaction: each told once

The chain is asked by `scan` alone, and nothing is registered with it: whoever shares the view and watches the same
script, the wallet perhaps, is not touched when a plugin's watch ends.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec.structs import replace

from lnpd.chain.interface import BlockRef, ChainBackend, ConnectedBlock, Match, WatchScript
from lnpd.errors import ChainError, LnpdError, UnknownBlock
from lnpd.services.chain.follow import HIDDEN_BLOCKS, RETRY_SECONDS
from lnpd.services.events import Events
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read, u64_key
from lnpd.store.store import Store
from lnpd.store.write import Write

log = logging.getLogger("lnpd.plugins")
ROWS: Final = "plugin-scripts"
PLACE: Final = "plugin-scripts-place"
LOOK_BACK_BLOCKS: Final = 144
MAX_MET: Final = 200
"""A script that more transactions meet within HIDDEN_BLOCKS, two weeks, is not followed: it is an exchange's."""

MAX_SHOWN_BYTES: Final = 20_000
News = dict[str, object]


class Met(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A transaction that met a script, its block, and of how many depths the plugin was told."""

    txid: bytes
    height: int
    block_hash: bytes
    told: int = 1


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A watch. `met` is remembered as long as its block may be undone, or shown again; its past is read from
    `from_height`, unless it was (`scanned`)."""

    plugin: str
    key: str
    script: bytes
    depth: int
    from_height: int
    scanned: bool = False
    met: tuple[Met, ...] = ()


class Found(msgspec.Struct, frozen=True, order=True):
    """A transaction in a block that met a script: by which inputs and outputs of it."""

    height: int
    position: int
    block: BlockRef
    transaction: bytes
    txid: bytes
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def follow(row: Row, gone: frozenset[bytes], found: Sequence[Found], end: BlockRef) -> tuple[Row | None, list[News]]:
    """The row once the chain, which lost the blocks `gone`, is known up to `end`, and what its plugin is told. No row
    is left if too much met the script."""
    news: list[News] = [{"what": "unconfirmed", "txid": m.txid[::-1].hex()} for m in row.met if m.block_hash in gone]
    met = [each for each in row.met if each.block_hash not in gone]
    known = {(each.txid, each.block_hash) for each in met}
    for each in sorted(found):
        if each.height <= end.height and (each.txid, each.block.hash) not in known:
            met.append(Met(each.txid, each.height, each.block.hash))
            news.append(_confirmed(each.txid, each.height, 1) | _shown(each))
    deep = [m for m in met if m.told == 1 and 1 < row.depth <= end.height - m.height + 1]
    news += [_confirmed(each.txid, each.height, row.depth) for each in deep]
    kept = (replace(m, told=2) if m in deep else m for m in met if end.height - m.height < HIDDEN_BLOCKS)
    row = replace(row, scanned=True, met=tuple(kept))
    return (row, news) if len(row.met) <= MAX_MET else (None, [{"what": "busy", "height": end.height}])


def _confirmed(txid: bytes, height: int, depth: int) -> News:
    return {"what": "confirmed", "height": height, "depth": depth, "txid": txid[::-1].hex()}


def _shown(found: Found) -> News:
    data = found.transaction.hex() if len(found.transaction) <= MAX_SHOWN_BYTES else ""
    return {"transaction": data, "inputs": found.inputs, "outputs": found.outputs}


def found_in(blocks: Sequence[ConnectedBlock]) -> dict[bytes, list[Found]]:
    """What met each script."""
    matches: dict[tuple[bytes, BlockRef, bytes], list[Match]] = {}
    for block in blocks:
        for match in block.matches:
            if isinstance(match.watch, WatchScript):
                matches.setdefault((match.watch.script, block.block, match.txid), []).append(match)
    found: dict[bytes, list[Found]] = {}
    for (script, ref, txid), each in matches.items():
        inputs = tuple(m.input_index for m in each if m.input_index is not None)
        outputs = tuple(m.output_index for m in each if m.output_index is not None)
        one = Found(ref.height, each[0].position or 0, ref, each[0].transaction, txid, inputs, outputs)
        found.setdefault(script, []).append(one)
    return found


class ScriptWatch:
    """All plugins' watches of scripts."""

    def __init__(self, store: Store, backend: ChainBackend, events: Events) -> None:
        self._store, self._backend, self._events = store, backend, events
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- rows, in the caller's transaction
    def add(self, write: Write, row: Row) -> None:
        """Watches from now on; the same again changes nothing, another one under its key replaces it."""
        if not write.values(ROWS):  # nobody has followed the chain for a while
            write.delete_value(PLACE, b"")
        known = {(each.key, each.script, each.depth) for each in of_plugin(write, row.plugin)}
        if (row.key, row.script, row.depth) not in known:
            write.put_value(ROWS, _key(row.plugin, row.key), encode(row))

    def remove(self, write: Write, plugin: str, key: str) -> bool:
        """Whether there was one."""
        return write.delete_value(ROWS, _key(plugin, key))

    def wake(self) -> None:
        """There is a new tip, or a new watch. On the loop's thread."""
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="scripts of plugins")

    async def stop(self) -> None:
        """Ends between two transactions, or in the middle of a question."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # --- following
    async def _run(self) -> None:
        complaint = ""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                while not await self._pass():
                    pass
                complaint = ""
            except ChainError as error:
                if str(error) != complaint:
                    complaint = str(error)
                    log.warning("plugins do not hear of their scripts: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                self._changed.set()
            except LnpdError as error:  # the store has stopped, and the node with it; or one row was refused
                log.warning("plugins do not hear of their scripts: %s", error)

    async def _pass(self) -> bool:
        """Tells what happened up to the tip. False if the chain became another one meanwhile."""
        rows, place = await self._store.read(lambda read: (_rows(read), _place(read)))
        if not rows:
            return True
        undone = await self._undone(place)
        scans = {WatchScript(row.script): self._from(row, place, undone) for row in rows}
        blocks: list[ConnectedBlock] = []
        end = None
        for height in sorted(set(scans.values())):
            more, at = await self._scan([each for each, start in scans.items() if start == height], height)
            blocks += more
            end = at if end is None or at.height < end.height else end
        assert end is not None, "there are rows"
        if await self._undone(place) != undone or await self._undone(end):
            return False
        gone, found = frozenset(block.hash for block in undone), found_in(blocks)
        if await self._store.write(lambda write: _take(write, rows, gone, found, end)):
            self._events.stored()
        return True

    async def _undone(self, place: BlockRef | None) -> tuple[BlockRef, ...]:
        if place is not None:
            with suppress(UnknownBlock):  # of a chain that was thrown away
                return (await self._backend.blocks_since(place)).disconnected
        return ()

    def _from(self, row: Row, place: BlockRef | None, undone: tuple[BlockRef, ...]) -> int:
        if place is None or not row.scanned:
            return row.from_height
        start = min((block.height for block in undone), default=place.height + 1)
        return min(start, max(row.from_height, place.height - HIDDEN_BLOCKS)) if self._backend.may_hide else start

    async def _scan(self, watches: list[WatchScript], height: int) -> tuple[list[ConnectedBlock], BlockRef]:
        blocks: list[ConnectedBlock] = []
        while True:
            delta = await self._backend.scan(watches, height)
            blocks += delta.connected
            if not delta.more:
                return blocks, delta.end
            height = delta.end.height + 1


def of_plugin(read: Read, plugin: str) -> list[Row]:
    """What a plugin watches."""
    return [_row(key, value) for key, value in read.values(ROWS, f"{plugin}/".encode())]


def _take(
    write: Write, rows: Sequence[Row], gone: frozenset[bytes], found: dict[bytes, list[Found]], end: BlockRef
) -> bool:
    """Stores what became of these rows, if they are as they were; whether anybody is told of anything."""
    write.point("plugin-scripts-followed")
    told = False
    for row in rows:
        key = _key(row.plugin, row.key)
        if write.value(ROWS, key) != encode(row):
            continue
        after, news = follow(row, gone, found.get(row.script, ()), end)
        if after is None:
            write.delete_value(ROWS, key)
        elif after != row:
            write.put_value(ROWS, key, encode(after))
        for each in news:
            Events.record(write, "chain_event", {"plugin": row.plugin, "key": row.key, **each})
        told = told or bool(news)
    write.put_value(PLACE, b"", u64_key(end.height) + end.hash)
    return told


def _rows(read: Read) -> list[Row]:
    return [_row(key, value) for key, value in read.values(ROWS)]


def _row(key: bytes, value: bytes) -> Row:
    return decode(value, Row, table=ROWS, key=key)


def _place(read: Read) -> BlockRef | None:
    stored = read.value(PLACE, b"")
    return None if stored is None else BlockRef(int.from_bytes(stored[:8], "big"), stored[8:])


def _key(plugin: str, key: str) -> bytes:
    return f"{plugin}/{key}".encode()
