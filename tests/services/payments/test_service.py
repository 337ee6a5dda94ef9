"""Does a payment arrive once, and is each one that does not refused or failed in words that help?"""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lnpd import errors
from lnpd.crypto import secp
from lnpd.hooks.kinds import hookimpl
from lnpd.routing import invoice
from lnpd.rpc.answers import PAID_BEFORE
from lnpd.wire.base import Message
from lnpd.wire.features import Features
from lnpd.wire.messages import UpdateAddHtlc, UpdateFailHtlc
from tests.services.payments.pair import (
    AMOUNT_MSAT,
    DETAILS,
    FIRST_BALANCES_MSAT,
    HEIGHT,
    NOW,
    Joined,
    NodeKey,
    asked,
    balances_msat,
    joined,
    moved_msat,
    play,
    played,
)

# Paying


@played
async def test_a_payment_arrives_and_costs_four_and_three_commits(pair: Joined) -> None:
    text = await asked(pair)
    commits = [side.store.commits for side in pair.sides]
    paid = await pair.both(pair.payer.payments.pay(text))
    syncs = [side.store.commits - before for side, before in zip(pair.sides, commits, strict=True)]
    print(f"syncs a payment: payer {syncs[0]}, payee {syncs[1]}")
    assert syncs == [4, 3]
    assert sha256(bytes.fromhex(paid.preimage)).hexdigest() == paid.payment_hash
    assert (paid.amount_msat, paid.fee_msat, paid.parts) == (AMOUNT_MSAT, 0, 1)
    assert moved_msat(pair) == AMOUNT_MSAT
    (sent,), (received,) = await pair.payer.payments.payments(), await pair.payee.payments.invoices()
    assert (sent.state, sent.preimage, sent.amount_msat) == ("paid", paid.preimage, AMOUNT_MSAT)
    assert (received.state, received.payment_hash) == ("paid", paid.payment_hash)
    fields = {"payment_hash": paid.payment_hash, "amount_msat": AMOUNT_MSAT}
    assert pair.payer.published == [("payment_sent", fields)]
    assert pair.payee.published == [("payment_received", fields)]


@played
async def test_plugins_hear_of_it_and_a_bad_one_harms_nobody(pair: Joined) -> None:
    heard: list[tuple[str, int]] = []

    class Listener:
        @hookimpl
        def payment_sent(self, payment_hash: str, amount_msat: int, preimage: str) -> None:
            heard.append((f"sent {sha256(bytes.fromhex(preimage)).hexdigest() == payment_hash}", amount_msat))

        @hookimpl
        def payment_received(self, payment_hash: str, amount_msat: int) -> None:
            heard.append(("received", amount_msat))
            raise RuntimeError("a plugin in this process with a defect")

    for side in pair.sides:
        side.hooks.join(Listener(), "listener")
    await pair.both(pair.payer.payments.pay(await asked(pair)))
    assert sorted(heard) == [("received", AMOUNT_MSAT), ("sent True", AMOUNT_MSAT)]
    await pair.both(pair.payer.payments.pay(await asked(pair)))
    assert moved_msat(pair) == 2 * AMOUNT_MSAT


@played
async def test_an_invoice_without_amount_is_paid_with_the_payers(pair: Joined) -> None:
    text = await asked(pair, None)
    with pytest.raises(errors.AmountUnfit, match="names no amount"):
        await pair.payer.payments.pay(text)
    paid = await pair.both(pair.payer.payments.pay(text, 1234))
    assert paid.amount_msat == moved_msat(pair) == 1234


@played
async def test_what_is_paid_is_not_paid_again(pair: Joined) -> None:
    text = await asked(pair)
    first = await pair.both(pair.payer.payments.pay(text))
    pair.payer.now += 1_000_000  # expired meanwhile
    again = replace(first, note=PAID_BEFORE)
    assert await pair.both(pair.payer.payments.pay(text)) == again != first
    assert moved_msat(pair) == AMOUNT_MSAT
    await pair.payer.restart()
    assert await pair.payer.payments.pay(text) == again


@played
async def test_two_callers_wait_for_one_payment(pair: Joined) -> None:
    text, open_text = await asked(pair), await asked(pair, None)
    pay = pair.payer.payments.pay
    one, two = await pair.both(asyncio.gather(pay(text), pay(text)))
    assert one == two
    first = asyncio.create_task(pay(open_text, 1000))
    await asyncio.sleep(0)
    with pytest.raises(errors.PaymentInFlight, match="1000 msat"):
        await pay(open_text, 2000)
    await pair.both(first)
    assert moved_msat(pair) == AMOUNT_MSAT + 1000


@played
async def test_many_at_once(pair: Joined) -> None:
    texts = [await asked(pair) for _ in range(20)]
    commits = pair.payer.store.commits
    results = await pair.both(asyncio.gather(*(pair.payer.payments.pay(text) for text in texts)))
    assert len({paid.preimage for paid in results}) == 20
    assert moved_msat(pair) == 20 * AMOUNT_MSAT
    assert pair.payer.store.commits - commits <= 8


# Refused before anything is sent


REFUSED = [
    ({"network": "bc"}, errors.InvoiceOfOtherNetwork, "bitcoin, this node is on regtest"),
    ({"timestamp_seconds": NOW - 4000}, errors.InvoiceExpired, "400 seconds ago"),
    ({"timestamp_seconds": NOW - 3601}, errors.InvoiceExpired, "expired 1 second ago"),
    ({"features": Features.of(8, 14, 24)}, errors.InvoiceUnpayable, "option_route_blinding"),
    ({"min_final_cltv_expiry_delta": 2017}, errors.InvoiceUnpayable, "2017 blocks"),
    ({"amount_msat": 690_000_000}, errors.PaymentFailed, "max_htlc_value_in_flight"),
]


@pytest.mark.parametrize(("changes", "error", "says"), REFUSED)
def test_refused_before_anything_is_sent(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    async def story(pair: Joined) -> None:
        text = await asked(pair, **changes)
        with pytest.raises(error, match=says):
            await pair.both(pair.payer.payments.pay(text))
        assert await pair.payer.payments.payments() == ()
        assert pair.payer.published == []
        assert moved_msat(pair) == 0

    play(story, tmp_path)


@played
async def test_refusals_that_no_field_of_the_payee_makes(pair: Joined) -> None:
    pay = pair.payer.payments.pay
    with pytest.raises(errors.AmountUnfit, match="do not give another"):
        await pay(await asked(pair), 5)
    with pytest.raises(errors.InvoiceAmountMalformed):
        await pay(await asked(pair, None), 0)
    with pytest.raises(errors.InvoiceOfOurs, match="own"):
        await pay((await pair.payer.payments.create_invoice(1, "me")).invoice)
    with pytest.raises(errors.InvoiceError):
        await pay("lnbcrt1nonsense")
    altered = await asked(pair)
    with pytest.raises(errors.InvoiceChecksumMismatch):
        await pay(altered[:-1] + ("q" if altered[-1] != "q" else "p"))
    stranger = NodeKey("stranger")
    unknown = replace(invoice.decode(await asked(pair)), payee=stranger.node_id)
    text = invoice.encode(unknown, lambda digest: secp.sign_recoverable(stranger.secret, digest))
    with pytest.raises(errors.NoDirectChannel, match=f"{stranger.node_id.hex()}.*{pair.payee.key.node_id.hex()}"):
        await pay(text)
    pair.cut()
    await pair.settle()
    with pytest.raises(errors.NoDirectChannel, match="No channel is usable now"):
        await pay(text)


# Failed by the payee


FAILED = {
    "unknown hash": ({"payment_hash": bytes(32)}, DETAILS),
    "wrong secret": ({"payment_secret": bytes(32)}, DETAILS),
    "too little": ({"amount_msat": AMOUNT_MSAT - 1}, DETAILS),
    "more than double": ({"amount_msat": 2 * AMOUNT_MSAT + 1}, DETAILS),
    "too short a lock": ({"min_final_cltv_expiry_delta": 18}, DETAILS),
}


@pytest.mark.parametrize("case", FAILED)
def test_failed_by_the_payee(tmp_path: Path, case: str) -> None:
    changes, says = FAILED[case]

    async def story(pair: Joined) -> None:
        text = await asked(pair, **changes)
        with pytest.raises(errors.PaymentFailed, match=says) as failed:
            await pair.both(pair.payer.payments.pay(text))
        assert f"height {HEIGHT}" in str(failed.value)
        (row,) = await pair.payer.payments.payments()
        assert (row.state, row.why, row.preimage) == ("failed", str(failed.value), "")
        assert [topic for topic, _ in pair.payer.published] == ["payment_failed"]
        assert [i.state for i in await pair.payee.payments.invoices()] == ["open"]
        assert pair.payee.published == []
        assert moved_msat(pair) == 0

    play(story, tmp_path)


@played
async def test_expired_for_the_payee_then_paid_by_a_second_try(pair: Joined) -> None:
    text = await asked(pair)
    pair.payee.now += 3601
    for _ in range(2):
        with pytest.raises(errors.PaymentFailed, match=DETAILS):
            await pair.both(pair.payer.payments.pay(text))
    assert [i.state for i in await pair.payee.payments.invoices()] == ["expired"]
    pair.payee.now -= 3601
    await pair.both(pair.payer.payments.pay(text))
    assert moved_msat(pair) == AMOUNT_MSAT
    assert [p.state for p in await pair.payer.payments.payments()] == ["paid"]


def changed(**changes: Any) -> Callable[[Message], Message]:
    """Alters the onion of update_add_htlc: its first byte, its key or a byte behind it."""

    def alter(message: Message) -> Message:
        if not isinstance(message, UpdateAddHtlc):
            return message
        onion = bytearray(message.onion_routing_packet)
        for position, byte in changes["bytes"].items():
            onion[position] = byte
        return replace(message, onion_routing_packet=bytes(onion))

    return alter


@pytest.mark.parametrize(
    ("altered", "says"),
    [
        ({0: 1}, "invalid_onion_version, 0xc004"),
        ({1: 9}, "invalid_onion_key, 0xc006"),
        ({700: 0, 701: 0, 702: 0}, "invalid_onion_hmac, 0xc005"),
    ],
)
def test_a_malformed_onion(tmp_path: Path, altered: dict[int, int], says: str) -> None:
    async def story(pair: Joined) -> None:
        pair.payer.alter = changed(bytes=altered)
        with pytest.raises(errors.PaymentFailed, match=says):
            await pair.both(pair.payer.payments.pay(await asked(pair)))
        assert moved_msat(pair) == 0

    play(story, tmp_path)


@played
async def test_a_reason_that_nobody_can_read(pair: Joined) -> None:
    def alter(message: Message) -> Message:
        return replace(message, reason=bytes(292)) if isinstance(message, UpdateFailHtlc) else message

    pair.payee.alter = alter
    with pytest.raises(errors.PaymentFailed, match="did not say why"):
        await pair.both(pair.payer.payments.pay(await asked(pair, payment_secret=bytes(32))))


def test_balances_of_the_channel_under_test(tmp_path: Path) -> None:
    pair = joined(tmp_path)
    assert tuple(balances_msat(pair.payer.channel, party) for party in (0, 1)) == FIRST_BALANCES_MSAT
    asyncio.run(pair.close())
