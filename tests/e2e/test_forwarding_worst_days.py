"""Is an HTLC settled on both sides when a node in the middle is restarted, or one of its channels goes on chain?"""

import asyncio
from hashlib import sha256
from pathlib import Path

import pytest

from lnpd.channel.actions import HtlcFulfilled
from lnpd.channel.events import Fulfill
from lnpd.channel.state import Failed, OnChain
from lnpd.errors import PaymentFailed
from lnpd.services.node.node import Node
from lnpd.services.payments.ledger import invoice_of
from lnpd.testing import Network, shown, until, until_asked
from lnpd.wire.messages import UpdateFulfillHtlc
from tests.e2e.line import Hearing, balances_msat, held, in_a_row, run

SENT_MSAT = 40_000_000
FEE_MSAT = 1_000 + 400


async def in_flight(
    network: Network, **options: object
) -> tuple[list[Node], list[str], Hearing, "asyncio.Task[object]", str]:
    """alice's payment, which carol has received and not answered."""
    nodes, channels = await in_a_row(network, "alice", "bob", "carol", **options)
    alice, _, carol = nodes
    await network.fund(carol, 100_000)  # who claims from an own commitment brings the fee (option_anchors)
    hearing = Hearing(carol, hold=True)
    invoice = await carol.api.invoice(SENT_MSAT, "tea", 3600)
    paying = asyncio.create_task(alice.api.pay(invoice.invoice, None, 100))
    await held(hearing)
    return nodes, channels, hearing, paying, invoice.payment_hash


async def answer(carol: Node, hearing: Hearing) -> None:
    """carol takes what she held, as if she had only just received it."""
    carol.channels.parts.recipients["payments"] = hearing.inner
    channel, message = hearing.held[-1]
    effects = await hearing.inner.told(channel, message)
    for write in effects.writes:
        await carol.store.write(write)
    for event in effects.events:
        await carol.channels.command(channel.key, event)
    for after in effects.after:
        after()


@pytest.mark.parametrize("who", ["bob", "carol", "both"])
def test_a_restart_while_an_htlc_is_in_flight(tmp_path: Path, who: str) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), channels, hearing, paying, _ = await in_flight(network)
        (row,) = await bob.api.forwards()
        assert (row.state, row.fee_msat) == ("offered", 0)
        if who in ("bob", "both"):
            bob = await network.restart(bob)
            assert [r.state for r in await bob.api.forwards()] == ["offered"]
        if who in ("carol", "both"):  # what was not decided is told again, to a carol who answers
            carol = await network.restart(carol)
        else:
            await network.active(channels[1], bob, carol)
            await answer(carol, hearing)
        paid = await paying
        assert paid.fee_msat == FEE_MSAT  # type: ignore[attr-defined]  # it is a Paid
        (ab, bc) = await balances_msat((alice, bob, carol), channels)
        assert ab == (750_000_000 - SENT_MSAT - FEE_MSAT, 250_000_000 + SENT_MSAT + FEE_MSAT)
        assert bc == (750_000_000 - SENT_MSAT, 250_000_000 + SENT_MSAT)
        assert [(r.state, r.fee_msat) for r in await bob.api.forwards()] == [("fulfilled", FEE_MSAT)]

    run(story, tmp_path)


async def mined_until(network: Network, done: object, blocks: int = 1, turns: int = 60) -> None:
    """New blocks until something is true."""
    for _ in range(turns):
        if await done():  # type: ignore[operator]  # a coroutine function
            return
        await network.mine(blocks)
    raise AssertionError("it never came true, however many blocks came")


async def claimed(network: Network, node: Node, channel: str) -> None:
    """Returns once the node's claim of its HTLC output is in the mempool: blocks come faster here than anywhere."""

    async def outpoints() -> list[str] | None:
        row = await shown(node, channel)
        return [o.outpoint for o in row.onchain if o.provider == "htlc"] if row else None

    for outpoint in await until_asked(outpoints, "the HTLC's output"):
        await network.spent(outpoint)


def phase_of(node: Node, channel: str) -> object:
    driver = next((d for d in node.channels.drivers.values() if d.channel.id.hex() == channel), None)
    return driver.channel.phase if driver else None


async def has(node: Node, before_sat: int, gained_sat: int, most_fee_sat: int = 15_000) -> bool:
    """Whether a wallet has this much more, but for fees."""
    now_sat = (await node.wallet.balance()).confirmed_sat
    return gained_sat - most_fee_sat <= now_sat - before_sat <= gained_sat


@pytest.mark.parametrize("closer", ["bob", "carol"])
def test_the_preimage_is_learned_from_the_chain(tmp_path: Path, closer: str) -> None:
    """The outgoing channel goes on chain with the HTLC in it; carol claims it there, and bob claims his own."""

    async def story(network: Network) -> None:
        (alice, bob, carol), channels, hearing, paying, _ = await in_flight(network)
        before = [(await node.wallet.balance()).confirmed_sat for node in (bob, carol)]
        node = bob if closer == "bob" else carol
        await node.api.close(channels[1], True, None)
        await until(lambda: isinstance(phase_of(carol, channels[1]), object), "carol hears of it")
        await network.mine(1)
        await until(lambda: isinstance(phase_of(carol, channels[1]), OnChain), "carol sees it")
        await answer(carol, hearing)
        await claimed(network, carol, channels[1])

        async def paid() -> bool:
            return paying.done()

        await mined_until(network, paid)
        assert (await paying).fee_msat == FEE_MSAT  # type: ignore[attr-defined]  # it is a Paid
        (ab,) = await balances_msat((alice, bob), channels[:1])
        assert ab == (750_000_000 - SENT_MSAT - FEE_MSAT, 250_000_000 + SENT_MSAT + FEE_MSAT)
        assert [r.state for r in await bob.api.forwards()] == ["fulfilled"]

        async def home() -> bool:
            return await has(bob, before[0], 750_000 - SENT_MSAT // 1000) and await has(
                carol, before[1], 250_000 + SENT_MSAT // 1000
            )

        await mined_until(network, home, 20)

    run(story, tmp_path)


@pytest.mark.parametrize("mined", [False, True], ids=["failed", "on chain"])
def test_a_preimage_that_comes_by_a_message_after_the_outgoing_channel_was_closed(tmp_path: Path, mined: bool) -> None:
    """It was under way when bob closed by force: he has it, and claims his own, before anything shows on the chain."""

    async def story(network: Network) -> None:
        (_, bob, carol), channels, _hearing, paying, payment_hash = await in_flight(network)
        known = _preimage(carol, payment_hash)
        driver = carol.channels.driver_of(channels[1])
        await bob.api.close(channels[1], True, None)
        if mined:
            await network.mine(1)
        await until(lambda: isinstance(phase_of(bob, channels[1]), OnChain if mined else Failed), "bob's close")
        assert driver.link is not None, "the connection outlives the channel"
        driver.link.send(UpdateFulfillHtlc(channel_id=driver.channel.id, id=0, payment_preimage=known))
        assert (await paying).fee_msat == FEE_MSAT  # type: ignore[attr-defined]  # it is a Paid
        assert [r.state for r in await bob.api.forwards()] == ["fulfilled"]

    run(story, tmp_path)


def test_the_incoming_channel_is_on_chain_when_the_preimage_comes(tmp_path: Path) -> None:
    """alice's channel with bob is closed by force; carol fulfils by a message; bob claims alice's HTLC on chain."""

    async def story(network: Network) -> None:
        (alice, bob, carol), channels, hearing, paying, _ = await in_flight(network)
        before = (await bob.wallet.balance()).confirmed_sat
        await alice.api.close(channels[0], True, None)
        await network.mine(1)
        await until(lambda: isinstance(phase_of(bob, channels[0]), OnChain), "bob sees it")
        await answer(carol, hearing)
        await claimed(network, bob, channels[0])

        async def paid() -> bool:
            return paying.done()

        await mined_until(network, paid)
        assert (await paying).fee_msat == FEE_MSAT  # type: ignore[attr-defined]  # it is a Paid
        (bc,) = await balances_msat((bob, carol), channels[1:])
        assert bc == (750_000_000 - SENT_MSAT, 250_000_000 + SENT_MSAT)

        async def home() -> bool:
            return await has(bob, before, 250_000 + (SENT_MSAT + FEE_MSAT) // 1000)

        await mined_until(network, home, 20)

    run(story, tmp_path)


def test_an_htlc_that_times_out_on_chain_is_failed_upstream_once_that_is_deep(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), channels, _, paying, payment_hash = await in_flight(network)
        await network.stop(carol)
        (row,) = await bob.api.forwards()
        height = bob.watcher.height
        await network.mine(row.outgoing_expiry_height - height + 1)
        assert not isinstance(phase_of(bob, channels[1]), OnChain)
        assert not paying.done()

        async def failed() -> bool:
            return paying.done()

        await mined_until(network, failed)
        with pytest.raises(PaymentFailed, match="permanent_channel_failure"):
            await paying
        assert bob.watcher.height < row.incoming_expiry_height - 18, "in time for the incoming channel"
        (ab,) = await balances_msat((alice, bob), channels[:1])
        assert ab == (750_000_000, 250_000_000)
        assert [(r.state, r.fee_msat) for r in await bob.api.forwards()] == [("failed", 0)]
        payment = await alice.payments.payment(bytes.fromhex(payment_hash))
        assert payment is not None and payment.state == "failed"

    run(story, tmp_path)


def test_an_incoming_channel_closes_in_time_if_upstream_does_not_take_our_fulfil(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), channels, hearing, paying, _ = await in_flight(network)
        (row,) = await bob.api.forwards()
        paying.cancel()
        await network.stop(alice)
        await answer(carol, hearing)

        async def fulfilled() -> bool:
            return [r.state for r in await bob.api.forwards()] == ["fulfilled"]

        await until_asked(fulfilled, "bob knows the preimage")
        before = (await bob.wallet.balance()).confirmed_sat
        await network.mine(row.incoming_expiry_height - 18 - bob.watcher.height - 1)
        shown_row = await shown(bob, channels[0])
        assert shown_row is not None and shown_row.state == "normal"
        await network.mine(1)
        await network.spent(shown_row.funding)
        await network.mine(1)
        await claimed(network, bob, channels[0])

        async def home() -> bool:
            return await has(bob, before, 250_000 + (SENT_MSAT + FEE_MSAT) // 1000)

        await mined_until(network, home, 20)

    run(story, tmp_path)


def test_what_was_learned_twice_is_claimed_once(tmp_path: Path) -> None:
    """The order to the incoming channel is a row: a preimage that is told again, or an order that is given by hand as
    well, changes nothing."""

    async def story(network: Network) -> None:
        (alice, bob, carol), channels, hearing, paying, payment_hash = await in_flight(network)
        invoice = await carol.store.read(lambda read: read.invoice(bytes.fromhex(payment_hash)))
        assert invoice is not None
        channel, message = hearing.held[-1]
        preimage = _preimage(carol, payment_hash)
        assert sha256(preimage).digest() == message.payment_hash
        await carol.channels.command(channel.key, Fulfill(message.id, preimage))
        bob = await network.restart(bob)
        await paying
        driver = bob.channels.driver_of(channels[1])
        told = bob.channels.parts.recipients["payments"]
        effects = await told.told(driver.channel, HtlcFulfilled(0, message.payment_hash, preimage))
        for write in effects.writes:
            await bob.store.write(write)
        for after in effects.after:
            after()
        (ab, bc) = await balances_msat((alice, bob, carol), channels)
        assert (ab[1], bc[1]) == (250_000_000 + SENT_MSAT + FEE_MSAT, 250_000_000 + SENT_MSAT)
        assert [r.state for r in await bob.api.forwards()] == ["fulfilled"]
        assert [e.topic for e in await bob.events.since(0, 1000)].count("forward_settled") == 1

    run(story, tmp_path)


def _preimage(node: Node, payment_hash: str) -> bytes:
    row = node.store.read_sync(lambda read: read.invoice(bytes.fromhex(payment_hash)))
    assert row is not None
    return invoice_of(row).preimage
