"""Which transactions touched a script, and does the server prove where they are?

A transaction is held against its id, and its place against the merkle root of a header. So the server can keep a
transaction back, but it cannot invent a confirmed one. An unconfirmed one is hearsay.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from lnpd.chain.electrum.client import Client, Hash, gather
from lnpd.chain.electrum.headers import Headers
from lnpd.chain.electrum.work import merkle_root
from lnpd.chain.transaction import Transaction, read_transaction
from lnpd.errors import ElectrumFault, ElectrumMisbehaves, TransactionMalformed
from lnpd.tx.transaction import hash256

MAX_HISTORY: Final = 50_000
MAX_DEPTH: Final = 25
"""A block of 4 MB has less than 2 ** 17 transactions."""

MAX_KEPT_BYTES: Final = 50_000_000
MAX_PLACES: Final = 50_000
MAX_LISTED: Final = 2**17
LISTED_AT_ONCE: Final = 100
INNER_BYTES: Final = 64

UNKNOWN: Final = ("no such mempool or blockchain transaction", "missing transaction")
"""What bitcoind says of a transaction that it has not, and servers after it or in their own words."""

Status = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None
TxHex = Annotated[str, Meta(pattern="^(?:[0-9a-f]{2})+$")]


class Item(msgspec.Struct, frozen=True):
    """An item of a script's history: in a block, or with a height of 0 or -1 unconfirmed."""

    tx_hash: Hash
    height: Annotated[int, Meta(ge=-1, le=2**31)]

    @property
    def txid(self) -> bytes:
        """The transaction's id, as lnpd keeps it."""
        return bytes.fromhex(self.tx_hash)[::-1]


History = Annotated[tuple[Item, ...], Meta(max_length=MAX_HISTORY)]


class _Branch(msgspec.Struct, frozen=True):
    """blockchain.transaction.get_merkle."""

    merkle: Annotated[tuple[Hash, ...], Meta(max_length=MAX_DEPTH)]
    pos: Annotated[int, Meta(ge=0, lt=2**MAX_DEPTH)]


class Ledger:
    """What a server tells of scripts and transactions. Raises what Client.call raises."""

    def __init__(self, client: Client, headers: Headers) -> None:
        self._client, self._headers = client, headers
        self._kept: OrderedDict[bytes, Transaction] = OrderedDict()
        self._kept_bytes = 0
        self._places: OrderedDict[tuple[bytes, bytes], int] = OrderedDict()
        self._histories: dict[str, tuple[Item, ...]] = {}

    # --- scripts

    async def histories(self, scripts: Iterable[bytes]) -> dict[bytes, tuple[Item, ...]]:
        """The history of each script, as it is now; the server tells from now on when one changes."""
        known = {script: scripthash(script) for script in scripts}
        asks = [(each,) for each in known.values()]
        statuses = await self._client.ask(Status, "blockchain.scripthash.subscribe", asks)
        changed = [
            each
            for each, status in zip(known.values(), statuses, strict=True)
            if status != status_of(self._histories.get(each, ()))
        ]
        told = await self._client.ask(History, "blockchain.scripthash.get_history", [(each,) for each in changed])
        self._histories.update(zip(changed, told, strict=True))
        return {script: self._histories.get(each, ()) for script, each in known.items()}

    def forget(self, scripts: Iterable[bytes]) -> None:
        """Nobody follows these scripts any more."""
        for script in scripts:
            self._histories.pop(scripthash(script), None)

    # --- transactions

    async def ask(self, txid: bytes) -> Transaction | None:
        """A transaction, if the server has it now. Raises ElectrumMisbehaves if it gives another."""
        try:
            text = await self._client.call(TxHex, "blockchain.transaction.get", txid[::-1].hex())
        except ElectrumFault as fault:
            if any(words in fault.words.lower() for words in UNKNOWN):
                return None
            raise
        try:
            tx = read_transaction(bytes.fromhex(text))
        except TransactionMalformed as error:
            raise ElectrumMisbehaves(f"The Electrum server gives a transaction that is none: {error}") from None
        if tx.txid != txid:
            raise ElectrumMisbehaves(f"The Electrum server gives another transaction than {txid[::-1].hex()}.")
        self._keep(tx)
        return tx

    async def get(self, txids: Iterable[bytes]) -> dict[bytes, Transaction]:
        """Transactions, as far as lnpd or the server knows them."""
        found = {txid: self._kept.get(txid) for txid in txids}
        missing = [txid for txid, tx in found.items() if tx is None]
        for txid, tx in zip(missing, await gather([self.ask(txid) for txid in missing]), strict=True):
            found[txid] = tx
        return {txid: tx for txid, tx in found.items() if tx is not None}

    def _keep(self, tx: Transaction) -> None:
        if tx.txid in self._kept:
            return
        self._kept[tx.txid] = tx
        self._kept_bytes += len(tx.raw)
        while self._kept_bytes > MAX_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1].raw)

    # --- places

    async def place(self, txid: bytes, height: int) -> int:
        """The position of a transaction in the block at a height of the best chain.

        Raises ElectrumMisbehaves if the server does not prove it.
        """
        block = self._headers.ref(height)
        position = self._places.get((txid, block.hash))
        if position is None:
            position = await self._prove(txid, height, merkle_root(self._headers.at(height)))
            self._places[(txid, block.hash)] = position
            if len(self._places) > MAX_PLACES:
                self._places.popitem(last=False)
        return position

    async def _prove(self, txid: bytes, height: int, root: bytes) -> int:
        method = "blockchain.transaction.get_merkle"
        told: _Branch = await self._client.call(_Branch, method, txid[::-1].hex(), height)
        if climb(txid, told.pos, told.merkle) != root:
            raise ElectrumMisbehaves(f"The Electrum server does not prove {txid[::-1].hex()} in block {height}.")
        return told.pos

    async def txids(self, height: int) -> tuple[bytes, ...]:
        """All of a block's: asked one by one, and held against the header. Raises ElectrumMisbehaves."""
        if not height:  # servers do not list it: the root over one transaction is its id
            return (merkle_root(self._headers.at(0)),)
        found: list[bytes] = []
        while len(found) < MAX_LISTED:
            # The first alone: a block of a test chain often has no other.
            count = LISTED_AT_ONCE if found else 1
            told = await gather([self._txid_at(height, len(found) + each) for each in range(count)])
            found += [txid for txid in told if txid is not None]
            if None in told or (len(found) == 1 and found[0] == merkle_root(self._headers.at(height))):
                break
        if not found or len(set(found)) < len(found) or root_of(found) != merkle_root(self._headers.at(height)):
            raise ElectrumMisbehaves(f"The Electrum server does not tell what is in block {height}.")
        if not any(tx.is_coinbase for tx in (await self.get(found[:1])).values()):
            raise ElectrumMisbehaves(f"The Electrum server tells of block {height} what is between its transactions.")
        return tuple(found)

    async def _txid_at(self, height: int, position: int) -> bytes | None:
        try:
            told = await self._client.call(Hash, "blockchain.transaction.id_from_pos", height, position)
        except ElectrumFault:  # above the last one; if it was for another reason, the root will tell
            return None
        return bytes.fromhex(told)[::-1]


def scripthash(script: bytes) -> str:
    """What servers call a script by."""
    return sha256(script).digest()[::-1].hex()


def status_of(history: Sequence[Item]) -> str | None:
    """The server's short form of a history."""
    text = "".join(f"{item.tx_hash}:{item.height}:" for item in history)
    return sha256(text.encode()).hexdigest() if text else None


def heights_in(items: Iterable[Item]) -> dict[bytes, int]:
    """The height of each transaction; 0 if it is unconfirmed.

    Right after a block a server may list a transaction twice, in the block and still in the mempool: the block counts.
    """
    heights: dict[bytes, int] = {}
    for item in items:
        heights[item.txid] = max(item.height, heights.get(item.txid, 0))
    return heights


def climb(txid: bytes, position: int, branch: Sequence[str]) -> bytes:
    """The root to which a branch leads from a transaction.

    Raises ElectrumMisbehaves if something on the way could be a transaction: of such one, half could pass for an id.
    """
    node = txid
    for other in (bytes.fromhex(each)[::-1] for each in branch):
        pair = other + node if position & 1 else node + other
        _refuse_transaction(pair)
        node, position = hash256(pair), position >> 1
    if position:
        raise ElectrumMisbehaves("The Electrum server's proof ends below the root.")
    return node


def root_of(txids: Sequence[bytes]) -> bytes:
    """The root over a block's txids, at least one. Raises as `climb`."""
    row = list(txids)
    while len(row) > 1:
        row += row[-1:] * (len(row) % 2)
        pairs = [row[at] + row[at + 1] for at in range(0, len(row), 2)]
        for pair in pairs:
            _refuse_transaction(pair)
        row = [hash256(pair) for pair in pairs]
    return row[0]


def _refuse_transaction(pair: bytes) -> None:
    try:
        read_transaction(pair)
    except TransactionMalformed:
        return
    raise ElectrumMisbehaves(f"A merkle branch of the Electrum server has a transaction of {INNER_BYTES} bytes in it.")
