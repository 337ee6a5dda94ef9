"""How does a transaction, or a parent with its child, get through a server to bitcoind, and what does a refusal mean?

The server wraps bitcoind's words in its own; here they come out again, and begin with the name of the rule.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from lnpd.chain.electrum.client import Client
from lnpd.chain.electrum.fees import PACKAGES_FROM
from lnpd.chain.interface import BroadcastResult, FoundTransaction, Outcome, Verdict
from lnpd.chain.offers import offered, renamed
from lnpd.chain.transaction import Transaction
from lnpd.errors import ElectrumFault, ElectrumMisbehaves

KNOWN: Final = (
    "txn-already-in-mempool",
    "txn-same-nonwitness-data-in-mempool",
    "txn-already-known",
    "transaction already in block chain",
    "transaction outputs already in utxo set",
)
WRAPPED: Final = re.compile(
    r"^the (?:transaction|tx package) was rejected by network rules\.\s*(.*?)\s*(?:\[[0-9a-f]*)?\]?$", re.S
)
# An answer in place of a refusal: it did not come as far as bitcoind.
NO_VERDICT: Final = ("excessive resource usage", "server busy", "internal server error", "unknown method")


class _Refusal(msgspec.Struct, frozen=True):
    txid: str = ""
    error: Annotated[str, Meta(max_length=2_000)] = ""


class _Package(msgspec.Struct, frozen=True):
    """blockchain.transaction.broadcast_package, from protocol 1.6 on."""

    success: bool
    errors: tuple[_Refusal, ...] = ()


class Broadcaster:
    """Offers transactions. `find` tells of one that is in a block or waits."""

    def __init__(self, client: Client, find: Callable[[bytes], Awaitable[FoundTransaction | None]]) -> None:
        self._client, self._find = client, find

    async def broadcast(self, raws: tuple[bytes, ...]) -> BroadcastResult:
        """What became of one transaction, or of a parent and its child. Raises ChainError if nobody can say."""
        return await offered(raws, self._offer, self._with_child)

    async def _offer(self, tx: Transaction) -> Verdict:
        if await self._find(tx.txid) is not None:
            return Verdict(tx.txid, Outcome.KNOWN)
        try:
            told = await self._client.call(str, "blockchain.transaction.broadcast", tx.raw.hex())
        except ElectrumFault as fault:
            if fault.words.lower().startswith(NO_VERDICT):
                raise
            return _verdict(tx, fault.words)
        if told != tx.txid[::-1].hex():
            raise ElectrumMisbehaves(f"The Electrum server was given {tx.txid[::-1].hex()} and took {told[:100]!r}.")
        return Verdict(tx.txid, Outcome.ACCEPTED)

    async def _with_child(self, parent: Transaction, child: Transaction, first: Verdict) -> list[Verdict]:
        if self._client.protocol < PACKAGES_FROM:
            why = f"{first.reason}; packages need an Electrum server of protocol 1.6 or later"
            return [Verdict(tx.txid, Outcome.REFUSED, why) for tx in (parent, child)]
        return await self._together([parent, child])

    async def _together(self, txs: Sequence[Transaction]) -> list[Verdict]:
        method = "blockchain.transaction.broadcast_package"
        try:
            told: _Package = await self._client.call(_Package, method, [tx.raw.hex() for tx in txs])
        except ElectrumFault as fault:
            if fault.words.lower().startswith(NO_VERDICT):
                raise
            return [_verdict(tx, fault.words) for tx in txs]
        reasons = {each.txid: each.error for each in told.errors}
        if not told.success and not reasons:
            raise ElectrumMisbehaves("The Electrum server refuses a package for no reason.")
        return [
            _verdict(tx, reasons[name])
            if (name := tx.txid[::-1].hex()) in reasons
            else Verdict(tx.txid, Outcome.ACCEPTED)
            for tx in txs
        ]


def _verdict(tx: Transaction, words: str) -> Verdict:
    match = WRAPPED.match(words)
    reason = renamed(match[1] if match else words)
    if reason.lower().startswith(KNOWN):
        return Verdict(tx.txid, Outcome.KNOWN)
    return Verdict(tx.txid, Outcome.REFUSED, reason)
