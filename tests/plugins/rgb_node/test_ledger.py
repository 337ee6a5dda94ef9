"""Does each row of the history say what it changed, and is a page of it what was asked for?"""

from typing import Any

import pytest
from lnpd_sdk.services.payments import PluginInvoice, PluginPayment

from nia.names import contract_name
from rgb_engine.values import Transfer
from rgb_node import ledger
from rgb_node.commands import decimal
from rgb_node.ledger import Move
from rgb_node.wire import Terms, metadata
from tests.plugins.rgb_node.stand_in import EURX, USDX

ASKED = metadata(Terms(USDX, 120)).hex()
OPENED, HOME = {"f1": "c1"}, {"h1": "c2"}


def transfer(kind: Any, status: Any, amount: int, txid: str = "") -> Transfer:
    return Transfer(0, contract_name(USDX), kind, status, amount, txid=txid, created_unix_seconds=7)


TRANSFERS: dict[str, tuple[Transfer, tuple[str, int, int]]] = {
    "issued": (transfer("issued", "settled", 100), ("issued", 100, 0)),
    "an open invoice": (transfer("received", "unsent", 0), ("received", 0, 0)),
    "received": (transfer("received", "unconfirmed", 9), ("received", 9, 0)),
    "sent": (transfer("sent", "settled", 9, "aa"), ("sent", -9, 0)),
    "about to be sent": (transfer("sent", "unsent", 9, "aa"), ("sent", -9, 0)),
    "not sent": (transfer("sent", "failed", 9, "f1"), ("opened", 0, 0)),
    "into a channel": (transfer("sent", "settled", 9, "f1"), ("opened", -9, 9)),
    "out of one": (transfer("received", "settled", 9, "h1"), ("came_home", 9, -9)),
}


@pytest.mark.parametrize(("given", "row"), TRANSFERS.values(), ids=TRANSFERS)
def test_what_a_transfer_changed(given: Transfer, row: tuple[str, int, int]) -> None:
    (move,) = ledger.transfers([given], OPENED, HOME)
    assert (move.kind, move.on_chain, move.in_channels) == row


@pytest.mark.parametrize(("state", "change"), [("paid", -120), ("pending", 0), ("failed", 0)])
def test_what_a_payment_changed(state: str, change: int) -> None:
    ours = PluginPayment("aa" * 32, state, 10_000_000, 0, "", "", ASKED)
    (move,) = ledger.payments([ours, PluginPayment("bb" * 32, state, 1, 0, "", "")])
    assert (move.kind, move.status, move.amount, move.in_channels) == ("paid", state, 120, change)
    assert (move.asset_id, move.amount_msat) == (contract_name(USDX), 10_000_000)


def test_what_was_paid_to_us() -> None:
    theirs = PluginInvoice("aa" * 32, "paid", 10_000_000, ASKED, 1, 2, 3, 4)
    (move,) = ledger.invoices([theirs, PluginInvoice("bb" * 32, "paid", 1, "", 1, 2, 3, 5)])
    assert (move.kind, move.in_channels, move.created_unix_seconds) == ("was_paid", 120, 3)


def test_a_page_has_the_newest_the_oldest_first() -> None:
    moves = [
        Move(seconds, "paid", 1, "paid", 0, -1, 0, contract_name(EURX if seconds == 3 else USDX))
        for seconds in (5, 3, 4, 1)
    ]

    def times(asset: str, limit: int, skip: int) -> list[int]:
        return [each.created_unix_seconds for each in ledger.page(moves, asset, limit, skip)]

    assert times("", 10, 0) == [1, 3, 4, 5]
    assert times("", 2, 1) == [3, 4]
    assert times(contract_name(USDX), 2, 1) == [1, 4]
    assert times("", 2, 4) == times("", 2, 9) == []


@pytest.mark.parametrize(
    ("amount", "precision", "shown"),
    [(100_000, 2, "1,000.00"), (5, 2, "0.05"), (1_200, 0, "1,200"), (2**64 - 1, 18, "18.446744073709551615")],
)
def test_an_amount_as_people_write_it(amount: int, precision: int, shown: str) -> None:
    assert decimal(amount, precision) == shown
