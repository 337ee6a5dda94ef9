"""What is offered when transactions are broadcast, and what became of the whole?

A backend judges one transaction, or a parent with its child; what is no such offer is refused here, in the same words
whatever the backend is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from lnpd.chain.interface import MAX_PACKAGE, MAX_TRANSACTION_BYTES, BroadcastResult, Outcome, Verdict
from lnpd.chain.transaction import Transaction, read_transaction
from lnpd.errors import TransactionMalformed
from lnpd.tx.transaction import hash256

MISSING: Final = "bad-txns-inputs-missingorspent"
FEE_REASONS: Final = ("min relay fee not met", "mempool min fee not met", "mempool full")
# The names that older versions of bitcoind give, and those of the interface.
RENAMED: Final = {"Missing inputs": MISSING, "missing-inputs": MISSING}


async def offered(
    raws: tuple[bytes, ...],
    one: Callable[[Transaction], Awaitable[Verdict]],
    together: Callable[[Transaction, Transaction, Verdict], Awaitable[Sequence[Verdict]]],
) -> BroadcastResult:
    """What became of one transaction, or of a parent and its child.

    Each is offered by itself where that is enough; `together` is asked, with the parent's refusal, where only the
    child's fee can carry it.
    """
    if not 1 <= len(raws) <= MAX_PACKAGE:
        return BroadcastResult(Outcome.REFUSED, "package-too-many-transactions" if raws else "package-empty", ())
    if any(len(raw) > MAX_TRANSACTION_BYTES for raw in raws):
        return refuse_all(raws, "tx-size")
    try:
        txs = [read_transaction(raw) for raw in raws]
    except TransactionMalformed as error:
        return refuse_all(raws, f"TX decode failed: {error}")
    if len(txs) == 1:
        return summary([await one(txs[0])])
    parent, child = txs
    if not any(used.point[0] == parent.txid for used in child.inputs):
        return refuse_all(raws, "package-not-child-with-parents")
    first = await one(parent)
    if first.outcome is not Outcome.REFUSED:
        return summary([first, await one(child)])
    if not first.reason.startswith(FEE_REASONS):
        return summary([first, Verdict(child.txid, Outcome.REFUSED, MISSING)])
    return summary(await together(parent, child, first))


def renamed(reason: str) -> str:
    """A refusal, by the name that the interface has for it."""
    return next((new + reason[len(old) :] for old, new in RENAMED.items() if reason.startswith(old)), reason)


def summary(verdicts: Sequence[Verdict]) -> BroadcastResult:
    """The whole: refused if one is, known if all are."""
    refused = next((verdict for verdict in verdicts if verdict.outcome is Outcome.REFUSED), None)
    if refused:
        return BroadcastResult(Outcome.REFUSED, refused.reason, tuple(verdicts))
    known = all(verdict.outcome is Outcome.KNOWN for verdict in verdicts)
    return BroadcastResult(Outcome.KNOWN if known else Outcome.ACCEPTED, "", tuple(verdicts))


def refuse_all(raws: tuple[bytes, ...], reason: str) -> BroadcastResult:
    """For what has no txid yet the verdict names the hash of the bytes."""
    return BroadcastResult(Outcome.REFUSED, reason, tuple(Verdict(hash256(r), Outcome.REFUSED, reason) for r in raws))
