"""What do rgb-lib's rows say, as values of ours?"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from rgb_engine.values import Amounts, Asset, Status, Transfer

# Any: rgb-lib ships no types.
STATUS: Final[Mapping[str, Status]] = {
    "INITIATED": "begun",
    "WAITING_COUNTERPARTY": "unsent",
    "WAITING_SAFE_HEIGHT": "unsafe",
    "WAITING_BROADCAST": "unbroadcast",
    "WAITING_CONFIRMATIONS": "unconfirmed",
    "SETTLED": "settled",
    "FAILED": "failed",
}
Kind = Literal["issued", "received", "sent", "other"]
KINDS: Final[Mapping[str, Kind]] = {
    "ISSUANCE": "issued",
    "RECEIVE_BLIND": "received",
    "RECEIVE_WITNESS": "received",
    "SEND": "sent",
}
PENDING: Final = frozenset({"unsafe", "unbroadcast", "unconfirmed"})


def amounts(given: Any) -> Amounts:
    """Satoshi."""
    return Amounts(given.settled, given.future, given.spendable)


def amount(assignment: Any) -> int:
    """Of a fungible assignment; 0 for any other."""
    return int(assignment.amount) if assignment is not None and assignment.is_fungible() else 0


def asset(given: Any, history: Iterable[Transfer]) -> Asset:
    """An asset. What is to come is counted here: rgb-lib counts what was received to a new output twice."""
    moves = {"received": 1, "sent": -1}
    settled, spendable = given.balance.settled, given.balance.spendable
    future = settled + sum(
        moves.get(each.kind, 0) * each.amount
        for each in history
        if each.status in PENDING or (each.kind == "sent" and each.status in ("begun", "unsent"))
    )
    return Asset(
        given.asset_id, given.ticker, given.name, given.precision, given.issued_supply,
        Amounts(settled, future, spendable),
    )  # fmt: skip


def transfer(given: Any, asset_id: str) -> Transfer:
    """An entry of the history. What rgb-lib lists as assigned by a transfer of ours is its change."""
    kind: Kind = KINDS.get(given.kind.name, "other")
    asked = amount(given.requested_assignment)
    assigned = sum(map(amount, given.assignments))
    return Transfer(
        batch=given.batch_transfer_idx,
        asset_id=asset_id,
        kind=kind,
        status=STATUS[given.status.name],
        amount=asked if kind == "sent" else assigned,
        asked=asked,
        txid=given.txid or "",
        vout=given.receive_utxo.vout if given.receive_utxo else 0,
        recipient_id=given.recipient_id or "",
        created_unix_seconds=given.created_at,
        expires_unix_seconds=given.expiration_timestamp or 0,
        consignment_path=given.consignment_path or "",
        psbt_path=given.psbt_path or "",
    )
