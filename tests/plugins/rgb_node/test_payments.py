"""Is each HTLC that is not what was asked for failed, and does no token go where nobody sent it?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.hooks import FailHtlc, TakeHtlc

from rgb_channel.records import TOKENS_HTLC, TOKENS_ONION
from rgb_node.errors import AmountUnfit, NoAssetChannel, NotAnAssetInvoice
from rgb_node.payments import FORGET_EVERY, LEAST_MSAT, NO_WAY, UNKNOWN, Offer, Payments
from rgb_node.shelf import INVOICES, Shelf
from rgb_node.wire import MAX_AMOUNT, Terms, metadata
from tests.plugins.rgb_node.stand_in import EURX, USDX, StandIn, channel

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


def offer(channel: str, asked: Terms | None = None, incoming: str = "", tokens: int = 0) -> Offer:
    """An HTLC about to be offered: of a payment of ours, or for one that came over another channel."""
    found = metadata(asked).hex() if asked else ""
    received = {str(TOKENS_HTLC): u64(tokens)} if tokens else {}
    return Offer(channel, found, "k/1" if incoming else "", incoming, received)


ELSE = "tokens are not of the asset that this channel holds"
OFFERS: dict[str, tuple[Offer, object]] = {
    "what is passed on in its asset": (offer("c3", incoming="c1", tokens=7), {str(TOKENS_HTLC): u64(7)}),
    "on into another asset": (offer("c2", incoming="c1", tokens=7), ELSE),
    "on from a channel that is gone": (offer("c1", incoming="c9", tokens=7), ELSE),
    "sat alone, passed on": (offer("c3", incoming="c1"), None),
    "a payment of ours": (offer("c1", Terms(USDX, ASKED)), {str(TOKENS_HTLC): u64(ASKED)}),
    "a payment over another asset's channel": (offer("c2", Terms(USDX, ASKED)), ELSE),
    "a payment in sat alone": (offer("c1"), None),
}


@pytest.mark.parametrize(("made", "carried"), OFFERS.values(), ids=OFFERS)
def test_an_htlc_carries_what_its_invoice_or_its_incoming_one_says(made: Offer, carried: object) -> None:
    """Also of a plugin that was killed in between: nothing of it is remembered."""
    told = asyncio.run(Payments(Shelf(Path())).carried(StandIn(), made))  # type: ignore[arg-type]
    assert told == carried or (isinstance(told, str) and told.endswith(str(carried)))


def test_an_onion_says_what_the_invoice_asks_for_and_lnp_pay_is_refused() -> None:
    """The payee chooses the hash: an invoice of its in sat alone may have the same as one for tokens. So nothing but
    the invoice counts."""
    payments, asked = Payments(Shelf(Path())), metadata(Terms(USDX, ASKED)).hex()
    assert payments.told(asked, "rgb") == {str(TOKENS_ONION): u64(ASKED)}
    assert payments.told("00", "rgb") is None
    for payer in ("", "other"):
        assert "asks for 120 of the asset" in (refused := str(payments.told(asked, payer)))
        assert refused.endswith("lnp rgb pay pays it")


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


def test_an_invoice_asks_for_the_sat_that_its_channel_needs() -> None:
    node, payments = StandIn(), Payments(Shelf(Path()))
    node.all.append(channel("c5", EURX, highest_per_kw=100_000))
    for asset, least in ((USDX, LEAST_MSAT), (EURX, 88_750_000), (b"\x09" * 32, LEAST_MSAT)):
        made = asyncio.run(payments.invoice(node, Terms(asset, 1), "", 0, FAR))  # type: ignore[arg-type]
        assert made["amount_msat"] == least
        with pytest.raises(AmountUnfit, match=f"{least} msat at least"):
            asyncio.run(payments.invoice(node, Terms(asset, 1), "", least - 1, FAR))  # type: ignore[arg-type]


def test_invoices_that_expired_are_forgotten() -> None:
    node, payments = StandIn(), Payments(Shelf(Path()))

    async def main() -> None:
        for number in range(FORGET_EVERY + 1):
            node.hash = f"{number:064x}"
            await payments.invoice(node, Terms(USDX, 1), "", LEAST_MSAT, FAR if number % 2 else 1)  # type: ignore[arg-type]

    asyncio.run(main())
    kept = [name for name in node.rows if name.startswith(INVOICES)]
    assert len(kept) == FORGET_EVERY // 2 + 1
