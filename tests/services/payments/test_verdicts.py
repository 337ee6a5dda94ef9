"""What may a plugin make of an HTLC, and what of it does the node carry out?"""

import asyncio
import threading
from hashlib import sha256

import pytest
from lnpd_sdk.hooks import FailHtlc, HoldHtlc, HtlcAnswer, ResolveHtlc, TakeHtlc

from lnpd import errors
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.kinds import hookimpl
from lnpd.routing import invoice, payload
from lnpd.wire.catalogue import CORE
from lnpd.wire.message import Codec
from tests.services.payments.pair import AMOUNT_MSAT, HEIGHT, Joined, asked, moved_msat, played
from tests.services.payments.verdicts import EXPIRY, Told, at_rest, done, failed_with, pending

PREIMAGE = sha256(b"a secret of the payer's").digest()
HASH = sha256(PREIMAGE).digest()
KEYSEND = 5482373484
ROWS = f"tlv_stream,payload\ntype,{KEYSEND},keysend_preimage\ndata,32*byte,preimage"


class Judge:
    """A plugin that answers what it is set to, and keeps what it was asked."""

    def __init__(self, *answers: HtlcAnswer | None) -> None:
        self.answers, self.asked = list(answers), list[dict[str, object]]()

    @hookimpl
    async def htlc_accepted(self, htlc: str, final: bool, has_invoice: bool, held: bool, records: object) -> object:
        self.asked.append({"htlc": htlc, "held": held, "final": final, "has_invoice": has_invoice, "records": records})
        return self.answers.pop(0)

    @property
    def htlc(self) -> str:
        return str(self.asked[-1]["htlc"])


def joined(pair: Joined, *answers: HtlcAnswer | None) -> Judge:
    judge = Judge(*answers)
    pair.payee.hooks.join(judge, "judge")
    return judge


@played
async def test_a_spontaneous_payment_is_resolved_and_booked(pair: Joined) -> None:
    """Its preimage comes in the onion (bLIP 3), in a record that only the plugin's rows make known."""
    judge, told = joined(pair, ResolveHtlc(PREIMAGE.hex())), Told(pair)
    pair.payee.codec = pair.payer.codec = Codec(CORE.with_rows("keysend", ROWS))
    part = payload.encode(told.part(unknown=((KEYSEND, PREIMAGE),)), pair.payee.codec)
    await done(pair, told.add(HASH, part))
    assert moved_msat(pair) == AMOUNT_MSAT
    assert judge.asked[0]["records"] == {str(KEYSEND): PREIMAGE.hex()}
    assert [topic for topic, _ in pair.payee.published] == ["payment_received"]
    (booked,) = await pair.payee.payments.invoices()
    assert (booked.payment_hash, booked.state, booked.invoice) == (HASH.hex(), "paid", "")
    joined_again = await pair.payee.payments.invoice(HASH)
    assert joined_again == booked


@played
async def test_without_the_plugin_that_record_is_not_understood(pair: Joined) -> None:
    told, codec = Told(pair), Codec(CORE.with_rows("keysend", ROWS))
    await done(pair, told.add(HASH, payload.encode(told.part(unknown=((KEYSEND, PREIMAGE),)), codec)))
    assert (moved_msat(pair), failed_with(pair)) == (0, "invalid_onion_payload")


BAD = {
    "another preimage": ResolveHtlc("00" * 32),
    "no preimage": ResolveHtlc("no hex"),
    "no code": FailHtlc("no_such_failure"),
    "a code of the nodes between": FailHtlc("unknown_next_peer"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_carried_out_is_no_answer(what: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    @played
    async def story(pair: Joined) -> None:
        judge, text = joined(pair, BAD[what]), await asked(pair)
        await done(pair, pair.payer.payments.pay(text))
        assert moved_msat(pair) == AMOUNT_MSAT, "the invoice is paid as if nobody had been asked"
        assert len(judge.asked) == 1
        assert judge.asked[0]["has_invoice"]

    story(tmp_path_factory.mktemp("bad"))


@played
async def test_a_plugin_fails_what_the_node_would_take(pair: Joined) -> None:
    joined(pair, FailHtlc("temporary_node_failure"))
    with pytest.raises(errors.PaymentFailed, match="temporary_node_failure"):
        await done(pair, pair.payer.payments.pay(await asked(pair)))
    assert moved_msat(pair) == 0


@pytest.mark.parametrize("brought", [b"so many beans", b"so many peas", None])
def test_metadata_comes_back_or_nothing_is_paid(
    brought: bytes | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It stands in the invoice, signed, and is what a plugin of the payer's goes by."""

    @played
    async def story(pair: Joined) -> None:
        told = Told(pair)
        text = (await pair.payee.payments.create_invoice(AMOUNT_MSAT, "tea", metadata=b"so many beans")).invoice
        read = invoice.decode(text)
        assert read.payment_metadata == b"so many beans" and read.features.requires("option_payment_metadata")
        part = payload.for_final_node(AMOUNT_MSAT, EXPIRY, read.payment_secret, payment_metadata=brought)
        await done(pair, told.add(read.payment_hash, payload.encode(part)))
        assert moved_msat(pair) == (AMOUNT_MSAT if brought == b"so many beans" else 0)

    story(tmp_path_factory.mktemp("metadata"))


@played
async def test_metadata_is_paid_by_our_own_payer(pair: Joined) -> None:
    made = await pair.payee.payments.create_invoice(AMOUNT_MSAT, "tea", metadata=bytes(400))
    await done(pair, pair.payer.payments.pay(made.invoice))
    assert moved_msat(pair) == AMOUNT_MSAT


JUDGED = {
    "its plugin takes it": (("judge", TakeHtlc()), True),
    "its plugin says nothing": (("judge", None), False),
    "another one takes it": (("another", TakeHtlc()), False),
    "its plugin is away": (None, False),
}


@pytest.mark.parametrize("what", JUDGED)
def test_an_invoice_of_a_plugin_waits_for_its_word(what: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    answer, paid = JUDGED[what]

    @played
    async def story(pair: Joined) -> None:
        if answer is not None:
            pair.payee.hooks.join(Judge(answer[1]), answer[0])
        text = (await pair.payee.payments.create_invoice(AMOUNT_MSAT, "tea", judge="judge")).invoice
        if paid:
            await done(pair, pair.payer.payments.pay(text))
        else:
            with pytest.raises(errors.PaymentFailed, match="temporary_node_failure"):
                await done(pair, pair.payer.payments.pay(text))
        assert moved_msat(pair) == (AMOUNT_MSAT if paid else 0)

    story(tmp_path_factory.mktemp("judged"))


@played
async def test_one_that_is_held_is_taken_by_the_node_s_own_rules(pair: Joined) -> None:
    judge = joined(pair, HoldHtlc())
    text = (await pair.payee.payments.create_invoice(AMOUNT_MSAT, "tea", judge="judge")).invoice
    paying = asyncio.ensure_future(pair.payer.payments.pay(text))
    while not judge.asked:
        await at_rest(pair)
    await at_rest(pair)
    await done(pair, pair.payee.payments.verdicts.settle("judge", judge.htlc, ""))
    await done(pair, paying)
    assert moved_msat(pair) == AMOUNT_MSAT


@played
async def test_one_that_is_held_waits_over_restarts_and_is_settled(pair: Joined) -> None:
    judge, told = joined(pair, HoldHtlc()), Told(pair)
    await done(pair, told.add(HASH))
    assert pending(pair) == 1
    pair.payee.hooks = Hooks()
    again = joined(pair, None)  # it has nothing to say: the HTLC still waits
    await pair.payee.restart()
    await pair.payee.payments.load()
    pair.payee.payments.verdicts.begin()
    pair.cut()
    pair.reconnect()
    await at_rest(pair)
    assert again.asked == [{**judge.asked[0], "held": True}]
    verdicts = pair.payee.payments.verdicts
    with pytest.raises(errors.HtlcVerdictRefused, match="not the preimage"):
        await verdicts.settle("judge", judge.htlc, "00" * 32)
    with pytest.raises(errors.HtlcNotHeld):
        await verdicts.settle("another", judge.htlc, PREIMAGE.hex())
    await done(pair, verdicts.settle("judge", judge.htlc, PREIMAGE.hex()))
    assert (moved_msat(pair), pending(pair)) == (AMOUNT_MSAT, 0)
    with pytest.raises(errors.HtlcNotHeld):
        await verdicts.settle("judge", judge.htlc, PREIMAGE.hex())


@played
async def test_one_is_settled_that_is_just_being_stored(pair: Joined) -> None:
    """The plugin said that it holds it, and does not know when the node has written that down."""
    judge, told, loop = joined(pair, HoldHtlc()), Told(pair), asyncio.get_running_loop()
    begun, go_on = asyncio.Event(), threading.Event()

    def fault(now: str, points: frozenset[str]) -> None:
        if now == "before_commit" and "plugin-htlc-held" in points:
            loop.call_soon_threadsafe(begun.set)
            assert go_on.wait(10)

    pair.payee.fault = fault
    adding = asyncio.ensure_future(done(pair, told.add(HASH)))
    await asyncio.wait_for(begun.wait(), 10)
    settling = asyncio.ensure_future(pair.payee.payments.verdicts.settle("judge", judge.htlc, PREIMAGE.hex()))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not settling.done()
    go_on.set()
    await adding
    await done(pair, settling)
    assert (moved_msat(pair), pending(pair)) == (AMOUNT_MSAT, 0)


@played
async def test_one_that_is_held_is_failed_or_let_go(pair: Joined) -> None:
    judge, told = joined(pair, HoldHtlc(), HoldHtlc()), Told(pair)
    await done(pair, told.add(HASH))
    await done(pair, pair.payee.payments.verdicts.fail("judge", judge.htlc, "mpp_timeout"))
    assert (moved_msat(pair), failed_with(pair)) == (0, "mpp_timeout")
    text = await asked(pair)
    paying = asyncio.ensure_future(pair.payer.payments.pay(text))
    while len(judge.asked) < 2 or pending(pair) == 0:
        await pair.pump()
        await asyncio.sleep(0.001)
    await at_rest(pair)
    await done(pair, pair.payee.payments.verdicts.settle("judge", judge.htlc, ""))
    assert (await done(pair, paying)).amount_msat == AMOUNT_MSAT, "its invoice is paid, as the node does"


@played
async def test_one_that_is_held_is_failed_before_it_expires(pair: Joined) -> None:
    judge, told = joined(pair, HoldHtlc()), Told(pair)
    await done(pair, told.add(HASH))
    expiry = HEIGHT + 40
    pair.payee.height = expiry - 24
    await pair.payee.payments.verdicts.block(pair.payee.height)
    await at_rest(pair)
    assert pending(pair) == 1
    pair.payee.height = expiry - 23
    with pytest.raises(errors.HtlcVerdictRefused, match="24 blocks"):
        await pair.payee.payments.verdicts.settle("judge", judge.htlc, PREIMAGE.hex())
    await pair.payee.payments.verdicts.block(pair.payee.height)
    await at_rest(pair)
    assert (pending(pair), failed_with(pair)) == (0, "incorrect_or_unknown_payment_details")


@played
async def test_a_hash_is_paid_once(pair: Joined) -> None:
    joined(pair, ResolveHtlc(PREIMAGE.hex()), ResolveHtlc(PREIMAGE.hex()))
    told = Told(pair)
    await done(pair, told.add(HASH))
    await done(pair, told.add(HASH))
    assert (moved_msat(pair), failed_with(pair)) == (AMOUNT_MSAT, "incorrect_or_unknown_payment_details")


@played
async def test_nobody_is_asked_about_what_the_node_refuses_for_its_own_sake(pair: Joined) -> None:
    judge, told = joined(pair), Told(pair)
    pair.payee.current = False
    await done(pair, told.add(HASH))
    assert (judge.asked, failed_with(pair)) == ([], "temporary_node_failure")
    pair.payee.current = True
    await done(pair, told.add(HASH, payload.encode(told.part(amount_msat=AMOUNT_MSAT + 1))))
    assert (judge.asked, failed_with(pair)) == ([], "final_incorrect_htlc_amount")


@played
async def test_plugins_that_start_are_waited_for(pair: Joined) -> None:
    pair.payee.hooks.expect((("judge", "hook:htlc_accepted"),))
    told = Told(pair)
    await pair.both(told.add(HASH))
    assert pending(pair) == 1
    joined(pair, ResolveHtlc(PREIMAGE.hex()))
    pair.payee.hooks.settled.set()
    await at_rest(pair)
    assert moved_msat(pair) == AMOUNT_MSAT


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
@pytest.mark.parametrize("point", ["plugin-htlc-held", "plugin-htlc-decided"])
def test_a_power_cut_neither_loses_an_htlc_nor_pays_it_twice(
    point: str, moment: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The power of the payee is cut while it begins to hold an HTLC, or settles it."""

    @played
    async def story(pair: Joined) -> None:
        payee, told = pair.payee, Told(pair)
        judge = joined(pair, HoldHtlc())

        def fault(now: str, points: frozenset[str]) -> None:
            if now == moment and point in points:
                raise SystemError("the power is cut")

        payee.fault = fault
        await done(pair, told.add(HASH))
        if point == "plugin-htlc-decided":
            with pytest.raises(errors.StoreHalted):
                await payee.payments.verdicts.settle("judge", judge.htlc, PREIMAGE.hex())
        payee.hooks = Hooks()
        joined(pair, HoldHtlc())  # if it is asked again, it holds again
        await payee.restart()
        await payee.payments.load()
        payee.payments.verdicts.begin()
        await payee.deliver(payee.channel.key.encode())
        pair.cut()
        pair.reconnect()
        await at_rest(pair)
        if pending(pair):
            await done(pair, payee.payments.verdicts.settle("judge", judge.htlc, PREIMAGE.hex()))
        assert (moved_msat(pair), pending(pair)) == (AMOUNT_MSAT, 0)
        assert len(await payee.payments.invoices()) == 1

    story(tmp_path_factory.mktemp("cut"))
