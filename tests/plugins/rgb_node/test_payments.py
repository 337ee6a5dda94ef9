"""Is each HTLC that is not what was asked for failed, and does no token go where nobody sent it?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.hooks import FailHtlc, TakeHtlc

from rgb_channel.records import TOKENS_HTLC, TOKENS_ONION
from rgb_node.errors import AmountUnfit, NoAssetChannel, NotAnAssetInvoice
from rgb_node.payments import FORGET_EVERY, LEAST_MSAT, NO_WAY, UNKNOWN, Payments
from rgb_node.shelf import INVOICES, Shelf
from rgb_node.wire import MAX_AMOUNT, Terms, metadata
from tests.plugins.rgb_node.stand_in import EURX, USDX, StandIn

ASKED = 120
HASH = "aa" * 32
FAR = 2**40  # an expiry


def asking() -> tuple[StandIn, Payments]:
    """A node with an invoice for 120 of the first asset."""
    node, payments = StandIn(), Payments(Shelf(Path()))
    asyncio.run(payments.invoice(node, Terms(USDX, ASKED), "", LEAST_MSAT, FAR))  # type: ignore[arg-type]
    return node, payments


def u64(tokens: int) -> str:
    return tokens.to_bytes(8, "big").hex()


def htlc(on_wire: str = "", in_onion: str = "", **more: Any) -> dict[str, Any]:
    """An HTLC for us, of 120 tokens unless something else is said."""
    return {
        "htlc": "k/0", "channel_id": "c1", "payment_hash": HASH, "final": True, "next_channel": "",
        "records": {str(TOKENS_ONION): in_onion or u64(ASKED)},
        "htlc_records": {str(TOKENS_HTLC): on_wire or u64(ASKED)},
        **more,
    }  # fmt: skip


def on_to(name: str) -> dict[str, Any]:
    """That is to go on, over one of our channels."""
    scid = (1 << 40) + (int(name[1:]) << 16)
    return {"final": False, "next_channel": scid.to_bytes(8, "big").hex(), "records": {}}


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "fewer tokens": (htlc(u64(119)), UNKNOWN),
    "more tokens": (htlc(u64(121)), UNKNOWN),
    "2^64 - 1 tokens": (htlc(u64(MAX_AMOUNT), u64(MAX_AMOUNT)), UNKNOWN),
    "sat alone": (htlc(htlc_records={}), UNKNOWN),
    "sat alone, and no word of tokens": (htlc(htlc_records={}, records={}), UNKNOWN),
    "an onion that says less": (htlc(in_onion=u64(119)), UNKNOWN),
    "an onion that says nothing": (htlc(records={}), UNKNOWN),
    "another asset": (htlc(channel_id="c2"), UNKNOWN),
    "a channel without an asset": (htlc(channel_id="c4"), UNKNOWN),
    "a channel that is gone": (htlc(channel_id="c9"), UNKNOWN),
    "tokens that nobody asked for": (htlc(payment_hash="bb" * 32), UNKNOWN),
    "a record of 7 bytes": (htlc("00" * 7), FailHtlc().code),
    "a record of no token": (htlc(u64(0)), FailHtlc().code),
    "an onion of 7 bytes": (htlc(in_onion="00" * 7), FailHtlc().code),
    "on into another asset": (htlc(**on_to("c2")), NO_WAY),
    "on into a channel without an asset": (htlc(**on_to("c4")), NO_WAY),
    "on to nowhere": (htlc(**on_to("c9")), NO_WAY),
    "on from a channel without an asset": (htlc(channel_id="c4", **on_to("c1")), NO_WAY),
}


@pytest.mark.parametrize(("offered", "code"), HOSTILE.values(), ids=HOSTILE)
def test_what_does_not_fit_is_failed(offered: dict[str, Any], code: str) -> None:
    node, payments = asking()
    assert asyncio.run(payments.accepted(node, offered)) == FailHtlc(code)  # type: ignore[arg-type]


def test_what_fits_is_taken_and_sat_for_a_sat_invoice_are_the_nodes_affair() -> None:
    node, payments = asking()
    assert asyncio.run(payments.accepted(node, htlc())) == TakeHtlc()  # type: ignore[arg-type]
    sat_only = htlc(payment_hash="bb" * 32, htlc_records={}, records={})
    assert asyncio.run(payments.accepted(node, sat_only)) is None  # type: ignore[arg-type]


def test_what_is_passed_on_keeps_its_asset_and_its_amount() -> None:
    node, payments = asking()
    carried = []

    async def main() -> None:
        for name, outgoing in (("k/1", "c3"), ("k/2", "c2"), ("k/3", "c4")):
            assert await payments.accepted(node, htlc(u64(7), htlc=name, **on_to("c3"))) is None  # type: ignore[arg-type]
            carried.append(await payments.carried(node, outgoing, HASH, name))  # type: ignore[arg-type]
        carried.append(await payments.carried(node, "c3", HASH, "k/1"))  # type: ignore[arg-type]

    asyncio.run(main())
    assert carried == [{str(TOKENS_HTLC): u64(7)}, None, None, None]


def test_a_payment_that_failed_leaves_nothing_to_carry() -> None:
    """The payee chooses the hash: an invoice of its in sat alone may have the same as one for tokens that failed."""
    node, payments = StandIn(), Payments(Shelf(Path()))
    node.metadata = metadata(Terms(USDX, ASKED))
    during: list[object] = []

    async def failing(invoice: str, **_terms: object) -> object:
        during.append(await payments.carried(node, "c1", HASH, ""))  # type: ignore[arg-type]
        during.append(await payments.carried(node, "c3", HASH, ""))  # type: ignore[arg-type]
        during.append(payments.told(HASH))
        raise CallFailed("PaymentFailed", "The payee failed it.")

    node.pay = failing  # type: ignore[method-assign, assignment]
    with pytest.raises(CallFailed, match="The payee failed it"):
        asyncio.run(payments.pay(node, "lnbcrt1", 20))  # type: ignore[arg-type]
    assert during == [{str(TOKENS_HTLC): u64(ASKED)}, None, {str(TOKENS_ONION): u64(ASKED)}]
    assert asyncio.run(payments.carried(node, "c1", HASH, "")) is None  # type: ignore[arg-type]
    assert payments.told(HASH) is None
    assert not node.rows


def test_nothing_is_sent_where_it_cannot_arrive() -> None:
    node, payments = StandIn(), Payments(Shelf(Path()))
    cases = (
        (b"", NotAnAssetInvoice, "asks for sat alone"),
        (metadata(Terms(b"\x09" * 32, 1)), NoAssetChannel, "No usable channel"),
        (metadata(Terms(EURX, 501)), NoAssetChannel, "500 of the asset are ours"),
        (metadata(Terms(EURX, MAX_AMOUNT)), NoAssetChannel, "500 of the asset are ours"),
    )
    for found, error, why in cases:
        node.metadata = found
        with pytest.raises(error, match=why):
            asyncio.run(payments.pay(node, "lnbcrt1", 20))  # type: ignore[arg-type]
    assert not node.paid


@pytest.mark.parametrize("amount", [0, MAX_AMOUNT + 1])
def test_no_invoice_asks_for_what_nobody_has(amount: int) -> None:
    node, payments = StandIn(), Payments(Shelf(Path()))
    with pytest.raises(AmountUnfit):
        asyncio.run(payments.invoice(node, Terms(USDX, amount), "", LEAST_MSAT, FAR))  # type: ignore[arg-type]


def test_invoices_that_expired_are_forgotten() -> None:
    node, payments = StandIn(), Payments(Shelf(Path()))

    async def main() -> None:
        for number in range(FORGET_EVERY + 1):
            node.hash = f"{number:064x}"
            await payments.invoice(node, Terms(USDX, 1), "", LEAST_MSAT, FAR if number % 2 else 1)  # type: ignore[arg-type]

    asyncio.run(main())
    kept = [name for name in node.rows if name.startswith(INVOICES)]
    assert len(kept) == FORGET_EVERY // 2 + 1
