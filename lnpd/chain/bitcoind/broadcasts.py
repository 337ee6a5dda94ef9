"""How does a transaction, or a parent with its child, get into bitcoind's mempool, and what does a refusal mean?

What waits already or is confirmed already is a success. Refusals keep Bitcoin Core's names, with which their texts
begin, whatever call told them.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from lnpd.chain.bitcoind.answers import COIN, Hash, PackageResult, shown
from lnpd.chain.bitcoind.rpc import INVALID_PARAMETER, NOT_FOUND, Ask, Rpc, value_or_none
from lnpd.chain.interface import BroadcastResult, FoundTransaction, Outcome, Verdict
from lnpd.chain.offers import MISSING, offered, renamed
from lnpd.chain.transaction import Transaction
from lnpd.errors import BitcoindFault, BitcoindMisbehaves
from lnpd.tx.feerates import REFUSED_ABOVE_PER_KW

log = logging.getLogger("lnpd.chain")

PACKAGES_FROM: Final = 260_000
"""Bitcoin Core 26 takes packages; from 28 on it relays them to others, too."""
RELAYED_FROM: Final = 280_000

MAX_FEERATE: Final = f"{4 * REFUSED_ABOVE_PER_KW / COIN:.8f}"
"""BTC per kvB, said in so many words: above it bitcoind takes a fee for a mistake. Lnpd offers no such fee, and a
bitcoind before 28 asks it of no package."""

REFUSED: Final = (-22, -25, -26)
"""Undecodable, inputs missing, against a rule: the words begin with the rule's name."""
IN_CHAIN: Final = -27

# What bitcoind says of a transaction that it has: in the mempool, with this or another witness, or in a block.
KNOWN: Final = (
    "txn-already-in-mempool",
    "txn-same-nonwitness-data-in-mempool",
    "txn-already-known",
    "already in block chain",
)


class Broadcaster:
    """Offers transactions. `find` tells of one that bitcoind may have in a block."""

    def __init__(self, rpc: Rpc, version: int, find: Callable[[bytes], Awaitable[FoundTransaction | None]]) -> None:
        self._rpc, self._version, self._find = rpc, version, find
        self._complained = False

    async def broadcast(self, raws: tuple[bytes, ...]) -> BroadcastResult:
        """What became of one transaction, or of a parent and its child. Raises ChainError if nobody can say."""
        return await offered(raws, self._offer, self._with_child)

    async def _offer(self, tx: Transaction) -> Verdict:
        asks = (Ask("getmempoolentry", (shown(tx.txid),)), Ask("sendrawtransaction", (tx.raw.hex(), MAX_FEERATE)))
        waiting, sent = await self._rpc.ask(asks)
        if value_or_none(waiting, dict[str, Any], "getmempoolentry", NOT_FOUND) is not None:  # Any: it is not read
            return Verdict(tx.txid, Outcome.KNOWN)
        try:
            txid = value_or_none(sent, Hash, "sendrawtransaction")
        except BitcoindFault as fault:
            return await self._judge(tx, fault)
        if txid != shown(tx.txid):
            raise BitcoindMisbehaves(f"bitcoind was given transaction {shown(tx.txid)} and took {txid}.")
        return Verdict(tx.txid, Outcome.ACCEPTED)

    async def _judge(self, tx: Transaction, fault: BitcoindFault) -> Verdict:
        if fault.code == IN_CHAIN:
            return Verdict(tx.txid, Outcome.KNOWN)
        if fault.code not in REFUSED:
            raise fault
        return await self._verdict(tx, fault.words)

    async def _verdict(self, tx: Transaction, words: str) -> Verdict:
        reason = renamed(words)
        known = reason.startswith(KNOWN)
        if reason.startswith(MISSING):  # its own outputs may be spent already
            found = await self._find(tx.txid)
            known = found is not None
        return Verdict(tx.txid, Outcome.KNOWN) if known else Verdict(tx.txid, Outcome.REFUSED, reason)

    async def _with_child(self, parent: Transaction, child: Transaction, first: Verdict) -> list[Verdict]:
        if self._version < PACKAGES_FROM:
            why = f"{first.reason}; package submission needs Bitcoin Core {PACKAGES_FROM // 10_000} or later"
            return [Verdict(tx.txid, Outcome.REFUSED, why) for tx in (parent, child)]
        if self._version < RELAYED_FROM and not self._complained:
            self._complained = True
            log.warning("this bitcoind takes packages, but it relays none: that needs Bitcoin Core 28 or later")
        return await self._together([parent, child])

    async def _together(self, txs: list[Transaction]) -> list[Verdict]:
        limit = (MAX_FEERATE,) if self._version >= RELAYED_FROM else ()
        try:
            result = await self._rpc.call(PackageResult, "submitpackage", [tx.raw.hex() for tx in txs], *limit)
        except BitcoindFault as fault:
            if fault.code not in (*REFUSED, INVALID_PARAMETER):
                raise
            return [Verdict(tx.txid, Outcome.REFUSED, fault.words) for tx in txs]
        verdicts: list[Verdict] = []
        for tx in txs:
            told = result.results.get(shown(tx.wtxid))
            if told is not None and told.error is None:
                verdicts.append(Verdict(tx.txid, Outcome.ACCEPTED))
            else:
                words = told.error if told and told.error else result.package_msg
                verdicts.append(await self._verdict(tx, words))
        return verdicts
