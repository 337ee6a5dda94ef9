"""What becomes of a transaction that is offered, and of those that wait when the chain moves?

Kept in memory: whoever broadcast a transaction offers it again after a restart. admission.py decides who enters.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from lnpd.chain.admission import Candidate, examine, verify_scripts, weigh
from lnpd.chain.interface import BroadcastResult, Outcome, Verdict
from lnpd.chain.offers import refuse_all, summary
from lnpd.chain.transaction import Transaction, read_transaction
from lnpd.chain.waiting import Waiting
from lnpd.errors import TransactionMalformed, TransactionRefused

FEE_REASONS = ("min relay fee not met", "mempool min fee not met", "insufficient fee")
"""Refusals that a child may heal."""


class Mempool(Waiting):
    """The waiting transactions, and the door through which they come."""

    def broadcast(self, txs: tuple[bytes, ...]) -> tuple[BroadcastResult, list[Transaction]]:
        """Offers one transaction or a parent and its child; answers also with those that entered."""
        parsed: list[Transaction] = []
        for raw in txs:
            try:
                parsed.append(read_transaction(raw))
            except TransactionMalformed as error:
                return refuse_all(txs, f"TX decode failed: {error}"), []
        if len(parsed) == 1:
            verdicts = [self._offer(parsed[0])]
        elif len(parsed) == 2 and any(i.point[0] == parsed[0].txid for i in parsed[1].inputs):
            verdicts = self._offer_package(parsed[0], parsed[1])
        else:
            return refuse_all(txs, "package-not-child-with-parents"), []
        entered = [tx for tx, verdict in zip(parsed, verdicts, strict=True) if verdict.outcome is Outcome.ACCEPTED]
        return summary(verdicts), entered

    def _offer(self, tx: Transaction) -> Verdict:
        return self._offer_all([tx])[0]

    def _offer_package(self, parent: Transaction, child: Transaction) -> list[Verdict]:
        """Each by itself where that is enough; together where only the child's fee carries the parent."""
        first = self._offer(parent)
        if first.outcome is not Outcome.REFUSED:
            return [first, self._offer(child)]
        if first.reason.startswith(FEE_REASONS):
            return self._offer_all([parent, child])
        return [first, Verdict(child.txid, Outcome.REFUSED, "bad-txns-inputs-missingorspent")]

    def _offer_all(self, txs: list[Transaction]) -> list[Verdict]:
        if all(self._is_known(tx) for tx in txs):
            return [Verdict(tx.txid, Outcome.KNOWN) for tx in txs]
        try:
            self._admit(txs)
        except TransactionRefused as refusal:
            return [Verdict(tx.txid, Outcome.REFUSED, refusal.reason) for tx in txs]
        return [Verdict(tx.txid, Outcome.ACCEPTED) for tx in txs]

    def _is_known(self, tx: Transaction) -> bool:
        """Whether it is confirmed, or waits with this or another witness."""
        return tx.txid in self.index.places or tx.txid in self.entries

    def _admit(self, txs: list[Transaction]) -> None:
        """All or none. Raises TransactionRefused."""
        candidates: list[Candidate] = []
        for tx in txs:
            candidates.append(examine(tx, self, candidates[-1].tx if candidates else None))
        replaced = weigh(candidates, self)
        for candidate in candidates:
            verify_scripts(candidate)
        self.remove(replaced)
        for candidate in candidates:
            self._enter(candidate)

    def _enter(self, candidate: Candidate) -> None:
        self.enter(candidate.tx, candidate.coins, candidate.fee_sat)

    def return_all(self, disconnected: Iterable[Transaction]) -> None:
        """After a reorganisation: transactions of lost blocks wait again, and whoever waited is judged anew.

        Fees were judged already (a miner may have taken less than we relay).
        """
        waiting = [*disconnected, *(entry.tx for entry in self.entries.values())]
        self.remove(list(self.entries))
        for tx in waiting:
            with suppress(TransactionRefused):
                if not self._is_known(tx):
                    candidate = examine(tx, self, None, returning=True)
                    if not candidate.conflicts:
                        verify_scripts(candidate)
                        self._enter(candidate)
