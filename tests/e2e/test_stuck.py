"""Is an incoming channel kept when the outgoing HTLC is stuck on chain, and is no preimage lost by that?"""

from pathlib import Path

import pytest

from lnpd.channel.events import Fulfill
from lnpd.channel.state import Failed, Normal, OnChain
from lnpd.errors import PaymentFailed
from lnpd.services.node.node import Node
from lnpd.services.payments import stuck
from lnpd.services.payments.ledger import invoice_of
from lnpd.testing import Network, shown, until, until_asked
from tests.e2e.closing import full_blocks
from tests.e2e.line import Hearing, balances_msat, run
from tests.e2e.test_forwarding_worst_days import (
    FEE_MSAT,
    SENT_MSAT,
    claimed,
    in_flight,
    mined_until,
    phase_of,
)

AT_ONCE = 5_000  # blocks: as if the incoming HTLC were about to expire


async def on_chain(network: Network, bob: Node, channel: str) -> None:
    """bob's commitment confirms, with the HTLC in it."""
    row = await shown(bob, channel)
    assert row is not None
    await bob.api.close(channel, True, None)
    await network.spent(row.funding)
    await network.mine(1)
    await until(lambda: isinstance(phase_of(bob, channel), OnChain), "bob sees it")


async def take(carol: Node, hearing: Hearing, payment_hash: str) -> None:
    """carol takes what she held, however late: she does not ask whether it leaves her the blocks that she wanted."""
    channel, message = hearing.held[-1]
    invoice = await carol.store.read(lambda read: read.invoice(bytes.fromhex(payment_hash)))
    assert invoice is not None
    await carol.channels.command(channel.key, Fulfill(message.id, invoice_of(invoice).preimage))


async def ended(bob: Node, state: str) -> str:
    """Why the only circuit ended, once it is in this state."""

    async def look() -> str | None:
        (row,) = await bob.api.forwards()
        return row.why or "-" if row.state == state else None

    return await until_asked(look, f"a circuit that is {state}")


@pytest.mark.parametrize("confirmed", [True, False], ids=["on chain", "failed"])
def test_the_incoming_htlc_is_failed_before_its_channel_would_be_closed(tmp_path: Path, confirmed: bool) -> None:
    """Blocks are full: bob's timeout, or even his commitment, does not confirm."""

    async def story(network: Network) -> None:
        (alice, bob, carol), channels, _, paying, _ = await in_flight(network)
        (row,) = await bob.api.forwards()
        if confirmed:
            await on_chain(network, bob, channels[1])
        await network.stop(carol)
        last_height = row.incoming_expiry_height - stuck.LAST_BLOCKS
        await full_blocks(network, last_height - 1 - bob.watcher.height)
        assert isinstance(phase_of(bob, channels[1]), OnChain if confirmed else Failed)
        assert not paying.done() and await ended(bob, "offered"), "there is still time for a preimage"
        await full_blocks(network, 1)
        with pytest.raises(PaymentFailed, match="permanent_channel_failure"):
            await paying
        assert "stuck on chain" in await ended(bob, "failed")
        (ab,) = await balances_msat((alice, bob), channels[:1])
        assert ab == (750_000_000, 250_000_000)
        await full_blocks(network, 10)
        assert all(isinstance(phase_of(node, channels[0]), Normal) for node in (alice, bob)), "it lives"

        async def home() -> bool:
            shown_row = await shown(bob, channels[1])
            states = [o.state for o in (shown_row.onchain if shown_row else ()) if o.provider == "htlc"]
            assert "lost" not in states
            return "resolved" in states

        await mined_until(network, home, 10)
        assert [r.state for r in await bob.api.forwards()] == ["failed"], (
            "the timeout that confirmed ends nothing twice"
        )

    run(story, tmp_path)


def test_a_preimage_in_the_mempool_is_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(network: Network) -> None:
        (_, bob, carol), channels, hearing, paying, payment_hash = await in_flight(network)
        await on_chain(network, bob, channels[1])
        await until(lambda: isinstance(phase_of(carol, channels[1]), OnChain), "carol sees it")
        await take(carol, hearing, payment_hash)
        await claimed(network, carol, channels[1])
        monkeypatch.setattr(stuck, "LAST_BLOCKS", AT_ONCE)
        await full_blocks(network, 1)
        assert (await paying).fee_msat == FEE_MSAT  # type: ignore[attr-defined]  # it is a Paid
        await ended(bob, "fulfilled")

    run(story, tmp_path)


@pytest.mark.parametrize("restarted", [False, True], ids=["", "restarted"])
def test_a_late_preimage_is_claimed_if_the_failure_was_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    """alice is away: she hears of the failure no sooner than of the preimage, and gets the preimage."""

    async def story(network: Network) -> None:
        (alice, bob, carol), channels, hearing, paying, payment_hash = await in_flight(network)
        await on_chain(network, bob, channels[1])
        await until(lambda: isinstance(phase_of(carol, channels[1]), OnChain), "carol sees it")
        alice.config = network.config("alice", listen=alice.peers.listening())
        paying.cancel()
        await network.stop(alice)
        monkeypatch.setattr(stuck, "LAST_BLOCKS", AT_ONCE)
        await full_blocks(network, 1)
        await ended(bob, "failed")
        if restarted:
            bob = await network.restart(bob)
        await take(carol, hearing, payment_hash)
        await claimed(network, carol, channels[1])
        await network.mine(1)

        async def known() -> bool:
            rows = await bob.store.read(lambda read: read.records(_key(bob, channels[0]), "decision"))
            return any(row.value[:2] == b"\x00\x82" for row in rows)  # update_fulfill_htlc

        await until_asked(known, "bob decides to claim alice's HTLC")
        alice = await network.node("alice", listen=alice.config.listen)

        async def paid() -> bool:
            payment = await alice.payments.payment(bytes.fromhex(payment_hash))
            return payment is not None and payment.state == "paid"

        await until_asked(paid, "alice has her receipt")
        (ab,) = await balances_msat((alice, bob), channels[:1])
        assert ab == (750_000_000 - SENT_MSAT - FEE_MSAT, 250_000_000 + SENT_MSAT + FEE_MSAT)

    run(story, tmp_path)


def _key(node: Node, channel: str) -> bytes:
    return node.channels.driver_of(channel).channel.key.encode()
