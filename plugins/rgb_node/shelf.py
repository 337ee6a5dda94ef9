"""What does the plugin keep of its channels, so that it finds everything again after it was killed?

Rows stand in the node's store, beside the channels themselves; consignments are files in the plugin's folder, each
written whole and synced before the row that names it.
"""

import os
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from lnpd_sdk.plugin import Node

from rgb_node.errors import ShelfDamaged
from rgb_node.homeward import Trip
from rgb_node.wire import Terms

FUNDINGS: Final = "funding/"
CONTRACTS: Final = "contract/"
INVOICES: Final = "invoice/"
COLLECTING: Final = "collecting/"
HOMES: Final = "home/"
PAGE: Final = 1_000
REMEMBERED: Final = 1_000  # rows of invoices, of which an HTLC asks soon after they are written

T = TypeVar("T")


class Outpoint(msgspec.Struct, frozen=True):
    """A funding output; the txid as people write it, in hex."""

    txid: str
    vout: int

    def __str__(self) -> str:
        return f"{self.txid}:{self.vout}"


class Funding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An asset upon a funding output: the assignment (`op_id`, `index`) and its amount, and who opened the channel."""

    peer: str
    opener: bool
    contract_id: bytes
    op_id: bytes
    index: int
    amount: int
    funding_sat: int


class Homecoming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens that a transaction brought home, from this channel."""

    channel_id: str
    amount: int


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an invoice of ours asks for, and until when."""

    terms: Terms
    expires_unix_seconds: int


class Shelf:
    """The rows and files of one node's plugin."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._homes = folder / "consignments", folder / "collecting"
        self._written: dict[str, object] = {}  # what this process wrote last; all of it stands in the store

    # --- fundings
    async def put_funding(self, node: Node, outpoint: Outpoint, funding: Funding, consignment: bytes) -> None:
        """Keeps a funding and what proves it, durably."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._path(outpoint)
        write_synced(path, consignment)
        await node.kv_put(f"{FUNDINGS}{outpoint}", msgspec.msgpack.encode(funding))

    async def funding(self, node: Node, outpoint: Outpoint) -> Funding | None:
        """What is known of a funding output."""
        row = await node.kv_get(f"{FUNDINGS}{outpoint}")
        return None if row is None else _read(row.value, Funding, f"{FUNDINGS}{outpoint}")

    async def fundings(self, node: Node) -> dict[Outpoint, Funding]:
        """All of them."""
        return {
            Outpoint(key[0], int(key[1])): _read(value, Funding, name)
            for name, value in (await _rows(node, FUNDINGS)).items()
            for key in [name.removeprefix(FUNDINGS).split(":")]
        }

    async def drop_funding(self, node: Node, outpoint: Outpoint) -> None:
        """Forgets one that never became a channel's."""
        await node.kv_delete(f"{FUNDINGS}{outpoint}")
        self._path(outpoint).unlink(missing_ok=True)

    def consignment(self, outpoint: Outpoint) -> bytes:
        """What proves a funding. ShelfDamaged if the file is gone."""
        return _contents(self._path(outpoint))

    def _path(self, outpoint: Outpoint) -> Path:
        return self._folder / f"{outpoint.txid}-{outpoint.vout}.rgb"

    # --- contracts that the user takes
    async def accept(self, node: Node, contract_id: bytes) -> None:
        """From now on channels in this asset are taken."""
        await node.kv_put(f"{CONTRACTS}{contract_id.hex()}", b"")

    async def accepted(self, node: Node) -> frozenset[bytes]:
        """The contracts that the user has accepted by name."""
        return frozenset(bytes.fromhex(name.removeprefix(CONTRACTS)) for name in await _rows(node, CONTRACTS))

    # --- invoices
    async def put_invoice(self, node: Node, payment_hash: str, asked: Asked) -> None:
        """An invoice of ours asks for this."""
        await self._write(node, f"{INVOICES}{payment_hash}", asked)

    async def invoice(self, node: Node, payment_hash: str) -> Terms | None:
        """What an invoice of ours asks for; None if it asks for sat alone."""
        asked = await self._found(node, f"{INVOICES}{payment_hash}", Asked)
        return None if asked is None else asked.terms

    async def forget_invoices(self, node: Node, before_unix_seconds: int) -> None:
        """Those that had expired by then: the node takes no payment of them."""
        for name, value in (await _rows(node, INVOICES)).items():
            if _read(value, Asked, name).expires_unix_seconds < before_unix_seconds:
                self._written.pop(name, None)
                await node.kv_delete(name)

    async def _write(self, node: Node, name: str, value: msgspec.Struct) -> None:
        """Durable first, then remembered: nothing is known that a restart would not find."""
        self._written.pop(name, None)
        await node.kv_put(name, msgspec.msgpack.encode(value))
        self._written[name] = value
        if len(self._written) > REMEMBERED:
            del self._written[next(iter(self._written))]

    async def _found(self, node: Node, name: str, kind: type[T]) -> T | None:
        if isinstance(written := self._written.get(name), kind):
            return written
        row = await node.kv_get(name)
        return None if row is None else _read(row.value, kind, name)

    # --- what is brought home
    async def put_trip(self, node: Node, trip: Trip) -> None:
        """Keeps what is known of tokens on their way home, before the next step of it."""
        await node.kv_put(f"{COLLECTING}{trip.coin}", msgspec.msgpack.encode(trip))

    async def trips(self, node: Node) -> dict[str, Trip]:
        """Those that have not arrived, by coin."""
        rows = {name: _read(value, Trip, name) for name, value in (await _rows(node, COLLECTING)).items()}
        return {trip.coin: trip for trip in rows.values()}

    async def homes(self, node: Node) -> dict[str, Homecoming]:
        """All that ever came home, by transaction."""
        rows = await _rows(node, HOMES)
        return {name.removeprefix(HOMES): _read(value, Homecoming, name) for name, value in rows.items()}

    async def drop_trip(self, node: Node, trip: Trip, txid: str) -> None:
        """The wallet of assets has them, by this transaction, which is never forgotten."""
        arrived = msgspec.msgpack.encode(Homecoming(trip.channel_id, trip.amount))
        await node.kv_put(f"{HOMES}{txid}", arrived)
        await node.kv_delete(f"{COLLECTING}{trip.coin}")
        self._history(trip.coin).unlink(missing_ok=True)

    def put_history(self, coin: str, consignment: bytes) -> None:
        """What proves that a coin holds tokens, before its trip is kept."""
        path = self._history(coin)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_synced(path, consignment)

    def history(self, coin: str) -> bytes:
        """The same. ShelfDamaged if the file is gone."""
        return _contents(self._history(coin))

    def _history(self, coin: str) -> Path:
        return self._homes / f"{coin.replace(':', '-')}.rgb"


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ShelfDamaged(f"The consignment {path} cannot be read: {error.strerror}.") from None


def write_synced(path: Path, data: bytes) -> None:
    """Writes a file whole: under its name stands all of it, or what stood there before."""
    draft = path.with_suffix(".new")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


async def _rows(node: Node, prefix: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    after: bytes | None = None
    while True:
        page = await node.kv_list(prefix=prefix, after=after, limit=PAGE)
        found |= {row.key.decode(): row.value for row in page.rows}
        if not page.more:
            return found
        after = page.rows[-1].key


def _read(data: bytes, kind: type[T], name: str) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise ShelfDamaged(f"The row {name} cannot be read: {error}.") from None
