"""Does a node that does not see the chain as it is take on nothing that may have expired, and finish the rest?"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lnpd.channel.events import Add, Fulfill
from lnpd.errors import ChainNotCurrent, ChainUnreachable, CommandRefused, PaymentFailed
from lnpd.routing.payload import for_final_node, for_hop
from lnpd.services.chain import pulse as chain_pulse
from lnpd.services.chain import sight as chain_sight
from lnpd.services.node.node import Node
from lnpd.services.payments.ledger import invoice_of
from lnpd.testing import Network, until, until_asked
from tests.e2e.line import HASH, Hearing, balances_msat, held, in_a_row, run, scid_of, send

pytest.importorskip("pbk")  # the embedded chain

SENT_MSAT = 50_000_000
WAYS = {"silent": ("tip", "blocks_since", "best_block"), "behind": ("blocks_since",)}
each_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_pulse, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(chain_sight, "UNASKED_SECONDS", 2)


@contextmanager
def cut_off(node: Node, way: str) -> Iterator[None]:
    """The node's chain does not answer these questions."""

    async def gone(*_arguments: Any) -> Any:
        raise ChainUnreachable("The chain is gone.")

    for name in WAYS[way]:
        setattr(node.backend, name, gone)
    try:
        yield
    finally:
        for name in WAYS[way]:
            delattr(node.backend, name)


async def blind(network: Network, node: Node, others: tuple[Node, ...], blocks: int) -> int:
    """The real height, once the node knows that it lacks so many blocks, or nothing of them."""
    stale = node.watcher.height
    await network.chain.mine(blocks)
    height = (await network.chain.best_block()).height
    for other in others:
        await until(lambda other=other: other.watcher.height == height, "the others' height")  # type: ignore[misc]
    await until(lambda: not node.sight.is_current, "blindness")
    assert node.watcher.height == stale
    return height


@each_way
def test_no_preimage_leaves_for_an_htlc_that_has_expired(tmp_path: Path, way: str) -> None:
    async def story(network: Network) -> None:
        (alice, bob), (channel,) = await in_a_row(network, "alice", "bob")
        stale = bob.watcher.height
        invoice = await bob.api.invoice(SENT_MSAT, "goods", 3600)
        payment_hash = bytes.fromhex(invoice.payment_hash)
        row = await bob.store.read(lambda read: read.invoice(payment_hash))
        assert row is not None
        with cut_off(bob, way):
            real, expiry = await blind(network, bob, (alice,), 48), stale + 36
            assert expiry < real, "bob takes it for good and it is not"
            onion = [(bob.node_id, for_final_node(SENT_MSAT, expiry, invoice_of(row).payment_secret))]
            end = await send(alice, channel, onion, SENT_MSAT, expiry, payment_hash=payment_hash)
            assert isinstance(end, tuple) and (end[0], end[1].name) == (0, "temporary_node_failure")
            assert (await bob.api.invoices())[0].state == "open"
        await until(lambda: bob.sight.is_current and bob.watcher.height == real, "sight")
        await alice.api.pay(invoice.invoice, None, 20)

    run(story, tmp_path)


@each_way
def test_nothing_is_begun_meanwhile_and_it_is_said_why(tmp_path: Path, way: str) -> None:
    async def story(network: Network) -> None:
        (alice, bob), (channel,) = await in_a_row(network, "alice", "bob")
        invoice = await alice.api.invoice(SENT_MSAT, "goods", 3600)
        says, error = {
            "silent": ("he chain has not answered for ", ChainUnreachable),
            "behind": (r"npd has handled \d+ of \d+ blocks", ChainNotCurrent),
        }[way]
        add = Add(SENT_MSAT, HASH, alice.watcher.height + 90, bytes(1366))
        with cut_off(bob, way):
            await blind(network, bob, (alice,), 3)
            for asked in (
                bob.api.open(alice.node_id.hex(), 100_000, 0, "", (), None),
                bob.api.send((await alice.api.address()).address, 10_000, None),
                bob.channels.command(bob.channels.driver_of(channel).channel.key, add),
            ):
                with pytest.raises(error, match=says):
                    await asked
            with pytest.raises(PaymentFailed, match=says):
                await bob.api.pay(invoice.invoice, None, 20)
            assert says.split("\\")[0] in (await bob.api.info()).warnings[0]
        await until(lambda: bob.sight.is_current, "sight")

        async def unwarned() -> bool:
            return (await bob.api.info()).warnings == ()

        await until_asked(unwarned, "no warning any more")
        await bob.api.pay(invoice.invoice, None, 20)

    run(story, tmp_path)


@each_way
def test_what_may_have_expired_is_not_passed_on_and_what_was_passed_on_is_settled(tmp_path: Path, way: str) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), channels = await in_a_row(network, "alice", "bob", "carol")
        before = await balances_msat((alice, bob, carol), channels)
        hearing = Hearing(carol, hold=True)
        invoice = await carol.api.invoice(SENT_MSAT, "goods", 3600)
        row = await carol.store.read(lambda read: read.invoice(bytes.fromhex(invoice.payment_hash)))
        assert row is not None
        paying = asyncio.create_task(alice.api.pay(invoice.invoice, None, 60))
        await held(hearing)
        with cut_off(bob, way):
            stale = bob.watcher.height
            real, outgoing, incoming = await blind(network, bob, (alice, carol), 12), stale + 20, stale + 100
            assert outgoing < real + 18, "the next node could not take it any more"
            hops = [
                (bob.node_id, for_hop(SENT_MSAT, outgoing, scid_of(bob, channels[1]))),
                (carol.node_id, for_final_node(SENT_MSAT, outgoing, bytes(32))),
            ]
            end = await send(alice, channels[0], hops, SENT_MSAT + 51_000, incoming)
            assert isinstance(end, tuple) and (end[0], end[1].name) == (0, "temporary_node_failure")
            assert len(hearing.held) == 1, "carol hears nothing of it"
            channel, message = hearing.held[0]
            await carol.channels.command(channel.key, Fulfill(message.id, invoice_of(row).preimage))
            fee_msat = (await paying).fee_msat
            ((a, b), (c, d)) = await balances_msat((alice, bob, carol), channels)
            sent = SENT_MSAT + fee_msat
            assert (a, b) == (before[0][0] - sent, before[0][1] + sent)
            assert (c, d) == (before[1][0] - SENT_MSAT, before[1][1] + SENT_MSAT)

    run(story, tmp_path)


def test_an_htlc_that_waits_for_its_channel_is_failed_rather_than_offered_blindly(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), _ = await in_a_row(network, "alice", "bob", "carol")
        command, hearing = bob.channels.command, Hearing(carol, hold=True)

        async def blinded(key: str, event: Any) -> Any:
            if isinstance(event, Add):  # judged with open eyes, and offered a moment later
                with cut_off(bob, "silent"):
                    await until(lambda: not bob.sight.is_current, "blindness")
                    return await command(key, event)
            return await command(key, event)

        bob.channels.command = blinded  # type: ignore[method-assign]  # the moment in which the chain is lost
        invoice = await carol.api.invoice(SENT_MSAT, "goods", 3600)
        with pytest.raises(CommandRefused, match="temporary_channel_failure"):
            await alice.api.pay(invoice.invoice, None, 20)
        assert not hearing.held
        (row,) = await bob.api.forwards()
        assert row.state == "failed" and "The chain has not answered" in row.why

    run(story, tmp_path)


def test_an_htlc_that_waited_for_a_restart_is_judged_by_the_height_after_it(tmp_path: Path) -> None:
    """It is told again with the channel, which is restored before the chain has been looked at."""

    async def story(network: Network) -> None:
        (alice, bob), (channel,) = await in_a_row(network, "alice", "bob")
        before, hearing = await balances_msat((alice, bob), (channel,)), Hearing(bob, hold=True)
        invoice = await bob.api.invoice(SENT_MSAT, "goods", 3600)
        paying = asyncio.create_task(alice.api.pay(invoice.invoice, None, 60))
        await held(hearing)
        listen = bob.peers.listening()
        await network.stop(bob)
        await network.mine(20)
        bob = await network.node("bob", listen=listen)
        with pytest.raises(PaymentFailed, match="incorrect_or_unknown_payment_details"):
            await paying
        assert (await bob.api.invoices())[0].state == "open"
        assert await balances_msat((alice, bob), (channel,)) == before

    run(story, tmp_path)
