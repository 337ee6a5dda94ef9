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
from lnpd.chain.interface import MAX_PACKAGE, MAX_TRANSACTION_BYTES, BroadcastResult, FoundTransaction, Outcome, Verdict
from lnpd.chain.transaction import Transaction, read_transaction
from lnpd.errors import ElectrumFault, ElectrumMisbehaves, TransactionMalformed
from lnpd.tx.transaction import hash256

MISSING: Final = "bad-txns-inputs-missingorspent"
RENAMED: Final = {"Missing inputs": MISSING, "missing-inputs": MISSING}
FEE_REASONS: Final = ("min relay fee not met", "mempool min fee not met")
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
        if not 1 <= len(raws) <= MAX_PACKAGE:
            return BroadcastResult(Outcome.REFUSED, "package-too-many-transactions" if raws else "package-empty", ())
        if any(len(raw) > MAX_TRANSACTION_BYTES for raw in raws):
            return _refuse_all(raws, "tx-size")
        try:
            txs = [read_transaction(raw) for raw in raws]
        except TransactionMalformed as error:
            return _refuse_all(raws, f"TX decode failed: {error}")
        if len(txs) == 1:
            return _summary([await self._offer(txs[0])])
        if not any(used.point[0] == txs[0].txid for used in txs[1].inputs):
            return _refuse_all(raws, "package-not-child-with-parents")
        return _summary(await self._offer_package(*txs))

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

    async def _offer_package(self, parent: Transaction, child: Transaction) -> list[Verdict]:
        """Each by itself where that is enough; together where only the child's fee carries the parent."""
        first = await self._offer(parent)
        if first.outcome is not Outcome.REFUSED:
            return [first, await self._offer(child)]
        if not first.reason.startswith(FEE_REASONS):
            return [first, Verdict(child.txid, Outcome.REFUSED, MISSING)]
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
    reason = match[1] if match else words
    reason = next((new + reason[len(old) :] for old, new in RENAMED.items() if reason.startswith(old)), reason)
    if reason.lower().startswith(KNOWN):
        return Verdict(tx.txid, Outcome.KNOWN)
    return Verdict(tx.txid, Outcome.REFUSED, reason)


def _summary(verdicts: list[Verdict]) -> BroadcastResult:
    refused = next((verdict for verdict in verdicts if verdict.outcome is Outcome.REFUSED), None)
    if refused:
        return BroadcastResult(Outcome.REFUSED, refused.reason, tuple(verdicts))
    known = all(verdict.outcome is Outcome.KNOWN for verdict in verdicts)
    return BroadcastResult(Outcome.KNOWN if known else Outcome.ACCEPTED, "", tuple(verdicts))


def _refuse_all(raws: tuple[bytes, ...], reason: str) -> BroadcastResult:
    verdicts = tuple(Verdict(hash256(raw), Outcome.REFUSED, reason) for raw in raws)
    return BroadcastResult(Outcome.REFUSED, reason, verdicts)
