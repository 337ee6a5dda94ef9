"""What does the payee answer to each HTLC, and which invoices does it make?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lnpd import errors
from lnpd.channel import actions, events
from lnpd.crypto import sphinx
from lnpd.routing import failures, invoice, payload
from lnpd.routing.failures import Failure
from lnpd.services.payments.incoming import FEATURES
from tests.services.payments.pair import (
    AMOUNT_MSAT,
    HEIGHT,
    NOW,
    Joined,
    NodeKey,
    asked,
    moved_msat,
    play,
    played,
)

# HTLCs that no payer of ours sends


async def answered(pair: Joined, **changes: Any) -> events.Event:
    """The payee's answer to an HTLC told by hand; `payload` and `hops` change its onion, the rest the message."""
    request = invoice.decode(await asked(pair))
    cltv_expiry = HEIGHT + request.min_final_cltv_expiry_delta
    part = payload.for_final_node(AMOUNT_MSAT, cltv_expiry, request.payment_secret)
    hops = [(pair.payee.key.node_id, changes.pop("payload", None) or payload.encode(part)), *changes.pop("hops", ())]
    onion = sphinx.build(b"\x07" * 32, hops, request.payment_hash)
    told = actions.HtlcReceived(0, AMOUNT_MSAT, request.payment_hash, cltv_expiry, onion.packet)
    effects = await pair.payee.payments.told(pair.payee.channel, replace(told, **changes))
    assert (effects.writes == ()) == (not isinstance(effects.events[0], events.Fulfill))
    (event,) = effects.events
    return event


def reported(event: events.Event, node: NodeKey) -> Failure:
    assert isinstance(event, events.Fail)
    secrets = sphinx.shared_secrets(b"\x07" * 32, [node.node_id])
    return failures.decode(sphinx.unwrap_error(secrets, event.reason)[1])


@played
async def test_onions_that_no_payer_of_ours_makes(pair: Joined) -> None:
    key, other = pair.payee.key, NodeKey("other")
    assert isinstance(await answered(pair), events.Fulfill)
    assert reported(await answered(pair, hops=[(other.node_id, b"\x02\x01\x01")]), key).name == "invalid_onion_payload"
    unreadable = reported(await answered(pair, payload=b"\x16\x01\x00"), key)  # an even type that nobody knows
    assert (unreadable.name, unreadable.fields) == ("invalid_onion_payload", (("type", 22), ("offset", 0)))
    missing = reported(await answered(pair, payload=b"\x02\x01\x01"), key)  # no expiry
    assert (missing.name, dict(missing.fields)["type"]) == ("invalid_onion_payload", 4)
    less = reported(await answered(pair, amount_msat=AMOUNT_MSAT - 1), key)
    assert less.fields == (("incoming_htlc_amt", AMOUNT_MSAT - 1),)
    early = reported(await answered(pair, cltv_expiry=HEIGHT + 1), key)
    assert early.fields == (("cltv_expiry", HEIGHT + 1),)
    exposed = await answered(pair, over_exposure=True)
    assert reported(exposed, key).name == "temporary_node_failure"
    blinded = await answered(pair, path_key=other.node_id)
    assert isinstance(blinded, events.FailMalformed)
    assert blinded.failure_code == 0xC018
    assert await pair.payee.payments.told(pair.payee.channel, actions.FundingReleased(bytes(32))) == ((), (), ())
    cut = await answered(pair, onion=bytes(10))
    assert isinstance(cut, events.FailMalformed)


@played
async def test_an_invoice_is_paid_by_one_htlc(pair: Joined) -> None:
    """Two in one batch, then a third: the first one pays, the others learn nothing."""
    request = invoice.decode(await asked(pair))
    part = payload.for_final_node(AMOUNT_MSAT, HEIGHT + 40, request.payment_secret)

    def add(session: bytes) -> events.Add:
        onion = sphinx.build(session, [(request.payee, payload.encode(part))], request.payment_hash).packet
        return events.Add(AMOUNT_MSAT, request.payment_hash, HEIGHT + 40, onion)

    one = asyncio.gather(*(pair.payer.command("", add(bytes([n]) * 32)) for n in (1, 2)))
    await pair.both(one)
    await pair.both(pair.payer.command("", add(b"\x03" * 32)))
    assert moved_msat(pair) == AMOUNT_MSAT
    assert [topic for topic, _ in pair.payee.published] == ["payment_received"]
    assert await pair.payer.payments.payments() == ()  # not its own: no reference


@played
async def test_nobody_is_paid_whose_view_of_the_chain_is_old(pair: Joined) -> None:
    """No preimage leaves for an HTLC that may have expired; the invoice stays open, and what was decided holds."""
    text, payee = await asked(pair), pair.payee
    payee.current = False
    assert reported(await answered(pair), payee.key).name == "temporary_node_failure"
    with pytest.raises(errors.PaymentFailed, match="temporary_node_failure"):
        await pair.both(pair.payer.payments.pay(text))
    payee.current = True
    paid = await pair.both(pair.payer.payments.pay(text))
    assert moved_msat(pair) == AMOUNT_MSAT
    payee.current = False
    request = invoice.decode(text)
    part = payload.encode(payload.for_final_node(AMOUNT_MSAT, HEIGHT + 40, request.payment_secret))
    onion = sphinx.build(b"\x09" * 32, [(request.payee, part)], request.payment_hash).packet
    again = actions.HtlcReceived(1, AMOUNT_MSAT, request.payment_hash, HEIGHT + 40, onion)
    told = await payee.payments.told(payee.channel, again)
    assert told.events == (events.Fulfill(1, bytes.fromhex(paid.preimage)),)


@played
async def test_what_is_told_twice_happens_once(pair: Joined) -> None:
    text = await asked(pair)
    payer, payee = pair.payer, pair.payee
    paid = await pair.both(payer.payments.pay(text))
    payment_hash, preimage = bytes.fromhex(paid.payment_hash), bytes.fromhex(paid.preimage)
    before = await payer.payments.payments()
    for message in (
        actions.HtlcFulfilled(0, payment_hash, preimage),
        actions.HtlcFailed(0, payment_hash, failure_code=0xC005),
        actions.HtlcFailed(7, payment_hash, failure_code=0xC005),
        actions.HtlcForgotten(0),
        actions.HtlcFulfilled(0, bytes(32), preimage),  # another hash's preimage
        actions.HtlcFailed(0, bytes(32)),
    ):
        effects = await payer.payments.told(payer.channel, message)
        await payer.store.write(lambda write, effects=effects: [put(write) for put in effects.writes])
        for after in effects.after:
            after()
    assert await payer.payments.payments() == before
    assert len(payer.published) == 1
    request = invoice.decode(text)
    part = payload.for_final_node(AMOUNT_MSAT, HEIGHT + 40, request.payment_secret)
    onion = sphinx.build(b"\x09" * 32, [(request.payee, payload.encode(part))], payment_hash).packet
    again = actions.HtlcReceived(0, AMOUNT_MSAT, payment_hash, HEIGHT + 40, onion)
    assert await payee.payments.told(payee.channel, again) == ((events.Fulfill(0, preimage),), (), ())
    await payee.restart()  # with all that it only remembered
    other = await payee.payments.told(payee.channel, replace(again, id=1))
    assert isinstance(other.events[0], events.Fail)


@played
async def test_an_htlc_that_nobody_offered_is_not_stored(pair: Joined) -> None:
    with pytest.raises(errors.UnknownPayment):
        await pair.payer.payments.told(pair.payer.channel, actions.HtlcOffered(3, bytes(32).hex()))


# Invoices


@played
async def test_an_invoice_says_what_it_should(pair: Joined) -> None:
    payee = pair.payee.payments
    made = await payee.create_invoice(21_000, "a coffee", 600, 40, label="table 4")
    read = invoice.decode(made.invoice)
    assert (read.network, read.amount_msat, read.description) == ("bcrt", 21_000, "a coffee")
    assert (read.timestamp_seconds, read.expiry_seconds, read.min_final_cltv_expiry_delta) == (NOW, 600, 40)
    assert read.payee == pair.payee.key.node_id
    assert read.features == FEATURES
    assert read.features.requires("payment_secret")
    assert not read.features.offers("basic_mpp")
    assert await payee.invoice(read.payment_hash) == made
    other = await payee.create_invoice(None, "a coffee")
    assert other.payment_hash != made.payment_hash
    assert [i.payment_hash for i in await payee.invoices()] == [other.payment_hash, made.payment_hash]
    assert [i.payment_hash for i in await payee.invoices(limit=1)] == [other.payment_hash]
    pair.payee.now += 601
    assert [i.state for i in await payee.invoices()] == ["open", "expired"]
    await pair.payee.restart()
    assert await pair.payee.payments.invoice(read.payment_hash) is not None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"expiry_seconds": 0}, errors.InvoiceTermsRefused),
        ({"expiry_seconds": 11 * 365 * 24 * 3600}, errors.InvoiceTermsRefused),
        ({"min_final_cltv_expiry": 23}, errors.InvoiceTermsRefused),
        ({"min_final_cltv_expiry": 2017}, errors.InvoiceTermsRefused),
        ({"label": "x" * 201}, errors.InvoiceTermsRefused),
        ({"label": "two\nlines"}, errors.InvoiceTermsRefused),
        ({"metadata": bytes(401)}, errors.InvoiceTermsRefused),
        ({"label": "taken"}, errors.LabelTaken),
        ({"amount_msat": 0}, errors.InvoiceAmountMalformed),
        ({"amount_msat": 21_000_000 * 10**11 + 1}, errors.InvoiceAmountTooLarge),
        ({"description": "x" * 640}, errors.InvoiceFieldTooLong),
    ],
)
def test_invoices_that_are_not_made(tmp_path: Path, arguments: dict[str, Any], error: type[Exception]) -> None:
    async def story(pair: Joined) -> None:
        await pair.payee.payments.create_invoice(1, "first", label="taken")
        with pytest.raises(error):
            await pair.payee.payments.create_invoice(**{"amount_msat": 1, "description": "second", **arguments})
        assert len(await pair.payee.payments.invoices()) == 1

    play(story, tmp_path)
