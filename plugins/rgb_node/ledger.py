"""What moved tokens of ours, when, and what did each of it change: on chain, and in channels?

    issued, received, sent      the wallet of assets' own transfers
    opened, came_home           transfers of the wallet's, into a channel of ours and out of one that ended
    paid, was_paid              payments in channels, of which the node itself keeps the books

Nothing of this is written down for the purpose, but which transfer brought what home: transfers are rgb-lib's,
payments and invoices the node's, each as durable as what it is about. Two sums hold once nothing is on its way: all
`on_chain` make what the wallet has, settled and pending, and all `in_channels` what channels hold of ours, open and
ended ones. But what a cheat forfeits comes home with ours, and no payment says so.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec
from lnpd_sdk.services.payments import PluginInvoice, PluginPayment

from nia.names import contract_name
from rgb_engine.values import Transfer
from rgb_node.wire import asked_in

Kind = Literal["issued", "received", "sent", "other", "opened", "came_home", "paid", "was_paid"]
NOT_YET: Final = ("begun", "unsent")  # of what is to be received: an open invoice


class Move(msgspec.Struct, frozen=True):
    """A row. `amount` is what it is about, in the asset's smallest unit; what it changed is 0 while it has not
    happened, and if it failed. `amount_msat` are the sat that go with a payment."""

    created_unix_seconds: int
    kind: Kind
    amount: int
    status: str
    on_chain: int
    in_channels: int
    amount_msat: int
    asset_id: str
    txid: str = ""
    payment_hash: str = ""
    channel_id: str = ""


def transfers(found: Iterable[Transfer], opened: Mapping[str, str], home: Mapping[str, str]) -> list[Move]:
    """The wallet's. `opened` and `home` are channels by the transactions that funded them, and that brought something
    home from them."""
    return [_transfer(each, opened, home) for each in found]


def _transfer(each: Transfer, opened: Mapping[str, str], home: Mapping[str, str]) -> Move:
    kind: Kind = each.kind
    channel_id = ""
    if each.kind == "sent" and each.txid in opened:
        kind, channel_id = "opened", opened[each.txid]
    elif each.kind == "received" and each.txid in home:
        kind, channel_id = "came_home", home[each.txid]
    over = each.status == "failed" or (each.kind == "received" and each.status in NOT_YET)
    sign = {"issued": 1, "received": 1, "sent": -1}.get(each.kind, 0)
    change = 0 if over else sign * each.amount
    return Move(
        created_unix_seconds=each.created_unix_seconds,
        kind=kind,
        amount=each.amount or each.asked,
        status=each.status,
        on_chain=change,
        in_channels=-change if kind in ("opened", "came_home") else 0,
        amount_msat=0,
        asset_id=each.asset_id,
        txid=each.txid,
        channel_id=channel_id,
    )


def payments(found: Iterable[PluginPayment]) -> list[Move]:
    """Ours, in an asset."""
    moves = []
    for each in found:
        if (terms := asked_in(bytes.fromhex(each.metadata))) is None:
            continue
        moves.append(
            Move(
                created_unix_seconds=each.created_unix_seconds,
                kind="paid",
                amount=terms.amount,
                status=each.state,
                on_chain=0,
                in_channels=-terms.amount if each.state == "paid" else 0,
                amount_msat=each.amount_msat,
                asset_id=contract_name(terms.contract_id),
                payment_hash=each.payment_hash,
            )
        )
    return moves


def invoices(found: Iterable[PluginInvoice]) -> list[Move]:
    """What was paid to us in an asset."""
    moves = []
    for each in found:
        if (terms := asked_in(bytes.fromhex(each.metadata))) is None:
            continue
        moves.append(
            Move(
                created_unix_seconds=each.paid_unix_seconds,
                kind="was_paid",
                amount=terms.amount,
                status=each.state,
                on_chain=0,
                in_channels=terms.amount,
                amount_msat=each.received_msat,
                asset_id=contract_name(terms.contract_id),
                payment_hash=each.payment_hash,
            )
        )
    return moves


def page(moves: Iterable[Move], asset_id: str, limit: int, skip: int) -> list[Move]:
    """The newest `limit` of an asset's (of all, without one) but for the `skip` newest, the oldest first."""
    found = sorted(
        (each for each in moves if asset_id in ("", each.asset_id)), key=lambda each: each.created_unix_seconds
    )
    end = len(found) - skip
    return found[max(0, end - limit) : max(0, end)]
