"""Is a payment made once, whatever is lost: connections, batches, or the power at any commit?"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lnpd import errors
from lnpd.channel import actions, events
from lnpd.routing import invoice
from lnpd.services.payments.ledger import invoice_of
from tests.services.payments.pair import (
    AMOUNT_MSAT,
    DETAILS,
    Joined,
    PowerCut,
    asked,
    moved_msat,
    play,
    played,
)

# Lost connections


@played
async def test_an_htlc_that_was_never_signed_is_offered_again(pair: Joined) -> None:
    text = await asked(pair)
    paying = asyncio.create_task(pair.payer.payments.pay(text))
    while not await pair.payer.payments.payments():  # the HTLC is in the log, nothing has reached the payee
        await pair.payer.batch()
        await asyncio.sleep(0.001)
    # BOLT 2: what was signed is sent again, not offered again; so the proposal is taken out of its commitment.
    log = pair.payer.channel.log
    assert [p.stage for p in log] == [1]
    pair.cut()
    await pair.settle()
    pair.reconnect()
    paid = await pair.both(paying)
    assert moved_msat(pair) == paid.amount_msat == AMOUNT_MSAT


async def offered_unsigned(pair: Joined, timeout_seconds: float) -> "tuple[asyncio.Task[Any], str]":
    """A payment whose HTLC waits behind a revocation that the payee owes, so that a lost connection forgets it."""
    text, other = await asked(pair), await asked(pair)
    first = asyncio.create_task(pair.payer.payments.pay(other))
    while not await pair.payer.payments.payments():
        await pair.payer.batch()
        await asyncio.sleep(0.001)
    paying = asyncio.create_task(pair.payer.payments.pay(text, timeout_seconds=timeout_seconds))
    while len(await pair.payer.payments.payments()) < 2:
        await pair.payer.batch()
        await asyncio.sleep(0.001)
    assert [p.stage for p in pair.payer.channel.log] == [1, 0]
    first.cancel()
    return paying, text


@played
async def test_a_forgotten_htlc_is_offered_again_once(pair: Joined) -> None:
    paying, text = await offered_unsigned(pair, 30)
    pair.cut()
    await pair.settle()
    assert {p.state for p in await pair.payer.payments.payments()} == {"pending"}
    assert len(pair.payer.channel.log) == 1
    pair.reconnect()
    paid = await pair.both(paying)
    assert paid.payment_hash == invoice.decode(text).payment_hash.hex()
    assert moved_msat(pair) == 2 * AMOUNT_MSAT
    assert {p.state for p in await pair.payer.payments.payments()} == {"paid"}


@played
async def test_a_forgotten_htlc_fails_when_nobody_waits_any_more(pair: Joined) -> None:
    paying, text = await offered_unsigned(pair, 0.01)
    with pytest.raises(errors.PaymentPending, match="goes on"):
        await paying
    pair.cut()
    await pair.settle()
    payment = await pair.payer.payments.payment(invoice.decode(text).payment_hash)
    assert payment is not None
    assert (payment.state, "never sent" in payment.why) == ("failed", True)
    pair.reconnect()
    await pair.settle()
    assert moved_msat(pair) == AMOUNT_MSAT  # the other one
    await pair.both(pair.payer.payments.pay(text))
    assert moved_msat(pair) == 2 * AMOUNT_MSAT


@played
async def test_a_forgotten_htlc_fails_at_the_deadline_while_the_peer_is_away(pair: Joined) -> None:
    paying, text = await offered_unsigned(pair, 0.4)
    pair.cut()
    await pair.settle()
    with pytest.raises((errors.PaymentPending, errors.PaymentFailed)):
        await paying
    payment_hash = invoice.decode(text).payment_hash
    async with asyncio.timeout(5):
        while (payment := await pair.payer.payments.payment(payment_hash)) and payment.state == "pending":
            await asyncio.sleep(0.01)
    assert payment is not None
    assert "never sent" in payment.why
    assert ("payment_failed", payment_hash.hex()) in [(t, f["payment_hash"]) for t, f in pair.payer.published]


@played
async def test_who_stopped_waiting_may_ask_again(pair: Joined) -> None:
    text = await asked(pair)
    with pytest.raises(errors.PaymentPending):
        await pair.payer.payments.pay(text, timeout_seconds=0.01)
    await pair.both(pair.payer.payments.pay(text))
    assert moved_msat(pair) == AMOUNT_MSAT


@played
async def test_a_channel_that_fails_after_its_commit(pair: Joined) -> None:
    """The HTLC is stored, and the command that offered it raises: the payment goes on, and is not made again."""
    command = pair.payer.command

    async def failing(key: str, event: events.Event, metadata: bytes) -> Any:
        await command(key, event, metadata)
        raise errors.ChannelGone("The connection broke while the messages were being signed.")

    pair.payer.command = failing  # type: ignore[method-assign]
    await pair.both(pair.payer.payments.pay(await asked(pair)))
    assert moved_msat(pair) == AMOUNT_MSAT


@played
async def test_a_channel_that_fails_before_its_commit(pair: Joined) -> None:
    async def failing(*_what: object) -> Any:
        raise errors.ChannelGone("The batch was lost.")

    command, pair.payer.command = pair.payer.command, failing  # type: ignore[method-assign, assignment]
    text = await asked(pair)
    with pytest.raises(errors.PaymentFailed, match="The batch was lost"):
        await pair.payer.payments.pay(text)
    pair.payer.command = command  # type: ignore[method-assign]
    await pair.both(pair.payer.payments.pay(text))
    assert moved_msat(pair) == AMOUNT_MSAT


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_stored_counts_though_nobody_came_to_say_so(tmp_path: Path, fails: bool) -> None:
    async def story(pair: Joined) -> None:
        pair.payer.silent = True
        text = await asked(pair, **({"payment_secret": bytes(32)} if fails else {}))
        paying = asyncio.create_task(pair.payer.payments.pay(text, timeout_seconds=2))
        while not pair.payer.waiting:  # the command waits in the channel's mailbox
            await asyncio.sleep(0)
        await pair.settle()
        again = pair.payer.payments.pay(text, timeout_seconds=30)
        for work in (again, paying):
            if fails:
                with pytest.raises(errors.PaymentFailed, match=DETAILS):
                    await work
            else:
                assert (await work).amount_msat == AMOUNT_MSAT

    play(story, tmp_path)


@played
async def test_who_waits_while_the_node_stops_is_not_told_that_it_failed(pair: Joined) -> None:
    text = await asked(pair)
    paying = asyncio.create_task(pair.payer.payments.pay(text))
    while not pair.payer.waiting:  # the command waits in the channel's mailbox
        await asyncio.sleep(0)
    await pair.payer.payments.stop()
    with pytest.raises(errors.PaymentPending, match="ask again"):
        await paying
    with pytest.raises(errors.UnknownPayment):  # the HTLC would have no row: its batch is lost
        await pair.payer.batch()
    assert await pair.payer.payments.payments() == ()


@played
async def test_an_invoice_that_expires_before_it_is_offered_again(pair: Joined) -> None:
    paying, _ = await offered_unsigned(pair, 30)
    pair.cut()
    pair.payer.now += 4000
    with pytest.raises(errors.PaymentFailed, match=r"never sent.*expired 400 seconds ago"):
        await pair.both(paying)


async def on_its_way(pair: Joined, text: str, amount_msat: int | None = None) -> "asyncio.Task[Any]":
    """A payment whose HTLC is signed and has not reached the payee."""
    paying = asyncio.create_task(pair.payer.payments.pay(text, amount_msat))
    while not await pair.payer.payments.payments():
        await pair.payer.batch()
        await asyncio.sleep(0.001)
    return paying


@played
async def test_a_payment_from_before_a_restart_is_waited_for(pair: Joined) -> None:
    text = await asked(pair, None)
    (await on_its_way(pair, text, 1000)).cancel()
    await pair.payer.restart()
    pair.cut()
    with pytest.raises(errors.PaymentInFlight, match="1000 msat"):
        await pair.payer.payments.pay(text, 2000)
    paying = asyncio.create_task(pair.payer.payments.pay(text, 1000))
    await pair.settle()
    pair.reconnect()
    assert (await pair.both(paying)).amount_msat == moved_msat(pair) == 1000


@played
async def test_a_preimage_of_another_hash_pays_nothing(pair: Joined) -> None:
    text = await asked(pair)
    paying = await on_its_way(pair, text)
    payment_hash = invoice.decode(text).payment_hash
    told = actions.HtlcFulfilled(0, payment_hash, bytes(32))
    assert await pair.payer.payments.told(pair.payer.channel, told) == ((), (), ())
    await pair.both(paying)


@played
async def test_a_payment_is_not_paid_by_somebody_elses_htlc(pair: Joined) -> None:
    """Of one payment hash: what passes through this node for another payer is not what this one paid."""
    text, payer = await asked(pair), pair.payer
    preimage, payment_hash = await preimage_of(pair, text), invoice.decode(text).payment_hash
    pair.payee.now += 3601
    with pytest.raises(errors.PaymentFailed):
        await pair.both(payer.payments.pay(text))
    for identity, state in ((1, "failed"), (0, "paid")):  # its own HTLC's preimage wins, however late it comes
        effects = await payer.payments.told(payer.channel, actions.HtlcFulfilled(identity, payment_hash, preimage))
        await payer.store.write(lambda write, effects=effects: [put(write) for put in effects.writes])
        for after in effects.after:
            after()
        (row,) = await payer.payments.payments()
        assert row.state == state
    assert [topic for topic, _ in payer.published] == ["payment_failed", "payment_sent"]


async def preimage_of(pair: Joined, text: str) -> bytes:
    payment_hash = invoice.decode(text).payment_hash
    row = await pair.payee.store.read(lambda read: read.invoice(payment_hash))
    assert row is not None
    return invoice_of(row).preimage


@played
async def test_an_earlier_failure_is_not_this_ones(pair: Joined) -> None:
    text = await asked(pair)
    pair.payee.now += 3601
    with pytest.raises(errors.PaymentFailed):
        await pair.both(pair.payer.payments.pay(text))
    pair.payee.now -= 3601
    again = asyncio.create_task(pair.payer.payments.pay(text))
    while not pair.payer.waiting:  # offered to the channel, which has not looked yet: the stored row is the old one
        await asyncio.sleep(0.001)
    with pytest.raises(errors.PaymentPending):
        await pair.payer.payments.pay(text, timeout_seconds=0.01)
    await pair.both(again)
    assert moved_msat(pair) == AMOUNT_MSAT


@played
async def test_the_channel_that_holds_most_is_tried_first(pair: Joined) -> None:
    tried: list[str] = []
    real = pair.payer.channel
    poor = replace(real, key="poor", base=replace(real.base, balances_msat=(1, 0)))
    pair.payer.usable = lambda: (poor, real)  # type: ignore[method-assign]

    async def refusing(key: str, *_what: object) -> Any:
        tried.append(key)
        raise errors.CommandRefused(f"{key} cannot.")

    pair.payer.command = refusing  # type: ignore[method-assign]
    with pytest.raises(errors.PaymentFailed, match=f"{real.key} cannot. poor cannot."):
        await pair.payer.payments.pay(await asked(pair))
    assert tried == [real.key, "poor"]


# Cut power


def cut_at(point_or_number: str | int, when: str) -> Callable[[str, frozenset[str]], None]:
    """Cuts the power at a commit that contains a point, or at the n-th one."""
    seen = 0

    def fault(moment: str, points: frozenset[str]) -> None:
        nonlocal seen
        seen += moment == "before_commit"
        if moment == when and (point_or_number in points or point_or_number == seen):
            raise RuntimeError(f"power cut {when}")

    return fault


CUTS = [
    *((side, number, fails) for side in (0, 1) for number in range(1, 5 - side) for fails in (False, True)),
    *((0, "payment-offered", fails) for fails in (False, True)),
    (0, "payment-paid", False),
    (0, "payment-failed", True),
    (1, "invoice-paid", False),
]


@pytest.mark.parametrize("when", ["before_commit", "after_commit"])
@pytest.mark.parametrize(("side", "point", "fails"), CUTS)
def test_a_power_cut_neither_loses_nor_repeats_a_payment(
    tmp_path: Path, side: int, point: str | int, fails: bool, when: str
) -> None:
    """The power of one side is cut at each of its commits, before and after, of payments that arrive or fail."""

    async def story(pair: Joined) -> None:
        text = await asked(pair, **({"payment_secret": bytes(32)} if fails else {}))
        pair.sides[side].fault = cut_at(point, when)
        with pytest.raises(PowerCut):
            await pair.both(pair.payer.payments.pay(text))
        await pair.sides[side].restart()
        pair.cut()
        await pair.settle()
        pair.reconnect()
        await pair.settle()
        payment = await pair.payer.payments.payment(invoice.decode(text).payment_hash)
        (received,) = await pair.payee.payments.invoices()
        if payment is None:  # nothing of it was stored
            assert (side, when) == (0, "before_commit")
            assert moved_msat(pair) == 0
        elif fails:
            assert payment.state == "failed"
            assert DETAILS in payment.why
        else:
            assert payment.state == "paid"
        assert received.state == ("paid" if payment and payment.state == "paid" else "open")
        assert moved_msat(pair) == (AMOUNT_MSAT if received.state == "paid" else 0)
        if not fails:  # to ask again pays what was not paid, and only that
            await pair.both(pair.payer.payments.pay(text))
            assert moved_msat(pair) == AMOUNT_MSAT

    play(story, tmp_path)


@played
async def test_a_payment_that_no_channel_carries_was_never_sent(pair: Joined) -> None:
    """A crash while a forgotten HTLC waits to be offered again."""
    _, text = await offered_unsigned(pair, 30)
    pair.cut()
    await pair.payer.batch()
    await pair.payer.restart()
    payment = await pair.payer.payments.payment(invoice.decode(text).payment_hash)
    assert payment is not None
    assert (payment.state, "never sent" in payment.why) == ("failed", True)
    states = [p.state for p in await pair.payer.payments.payments()]
    assert sorted(states) == ["failed", "pending"]  # the other one is signed: it goes on
    await pair.settle()
    pair.reconnect()
    await pair.settle()
    assert moved_msat(pair) == AMOUNT_MSAT
    await pair.payer.payments.reconcile(())
    assert moved_msat(pair) == AMOUNT_MSAT


@pytest.mark.parametrize("reconciled", [False, True])
def test_an_htlc_that_is_forgotten_after_a_restart(tmp_path: Path, reconciled: bool) -> None:
    """Whichever comes first, the lost connection or the look at all payments."""

    async def story(pair: Joined) -> None:
        _, text = await offered_unsigned(pair, 30)
        payer = pair.payer
        await payer.restart(reconcile=False)
        channel = payer.channel
        if reconciled:
            await payer.payments.reconcile((channel,))
            assert {p.state for p in await payer.payments.payments()} == {"pending"}
        await payer.batch()
        await payer.payments.reconcile((channel,))
        payment = await payer.payments.payment(invoice.decode(text).payment_hash)
        assert payment is not None
        assert (payment.state, "never sent" in payment.why) == ("failed", True)

    play(story, tmp_path)


@played
async def test_reconcile_leaves_alone_what_hangs_on_a_channel_it_was_not_given(pair: Joined) -> None:
    await offered_unsigned(pair, 30)
    await pair.payer.payments.reconcile(())
    assert {p.state for p in await pair.payer.payments.payments()} == {"pending"}
