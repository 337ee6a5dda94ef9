"""Do a node's options arrive at its peers and bind payers, and is each HTLC its own payer's, whatever way it takes?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.channel.actions import HtlcFulfilled
from lnpd.channel.events import Fail
from lnpd.cli import options
from lnpd.config import Config
from lnpd.errors import PaymentFailed
from lnpd.routing import invoice as invoices
from lnpd.routing.payload import for_final_node, for_hop
from lnpd.services.payments.ledger import invoice_of
from lnpd.testing import Network
from tests.e2e.line import Hearing, balances_msat, held, in_a_row, run, scid_of, send, terms_known

pytest.importorskip("pbk")  # the embedded chain

TERMS = {
    "fee_base_msat": 7,
    "fee_proportional_millionths": 9_000,
    "cltv_expiry_delta": 44,
    "htlc_minimum_msat": 2_000,
    "htlc_maximum_msat": 90_000_000,
}


def test_the_options_of_relaying_arrive_at_the_peers_and_bind_payers(tmp_path: Path) -> None:
    words = [f"--{name.replace('_', '-')}={value}" for name, value in TERMS.items()]
    config: Config = options.config_of(options.parser("lnpd", "").parse_args(words))
    given = {name: getattr(config, name) for name in TERMS}
    assert given == TERMS

    async def story(network: Network) -> None:
        alice, carol = await network.node("alice"), await network.node("carol")
        bob = await network.node("bob", **given)
        channels = [await network.channel(*pair, 1_000_000, 250_000) for pair in ((alice, bob), (bob, carol))]
        await terms_known((alice, bob, carol), channels)
        for node, channel in zip((alice, carol), channels, strict=True):
            theirs, ours = (await node.api.relay(channel)).theirs, (await bob.api.relay(channel)).ours
            assert theirs == ours and {name: getattr(ours, name) for name in TERMS} == TERMS
            assert (await bob.api.relay(channel)).theirs == (await node.api.relay(channel)).ours != ours
        invoice = await carol.api.invoice(80_000_000, "tea", 3600)
        (hint,) = invoices.decode(invoice.invoice).routes
        assert (hint[0].fee_base_msat, hint[0].fee_proportional_millionths, hint[0].cltv_expiry_delta) == (7, 9_000, 44)
        assert (await alice.api.pay(invoice.invoice, None, 20)).fee_msat == 7 + 720_000
        (row,) = await bob.api.forwards()
        assert row.incoming_expiry_height - row.outgoing_expiry_height == 44
        height, scid = bob.watcher.height, scid_of(bob, channels[1])
        for amount_msat, fee_msat, delta, says in (
            (1_999, 100_000, 44, "amount_below_minimum"),
            (2_000, 24, 44, "fee_insufficient"),
            (2_000, 25, 43, "incorrect_cltv_expiry"),
            (90_000_001, 900_000, 44, "temporary_channel_failure"),
        ):
            out, last = height + 60, for_final_node(amount_msat, height + 60, bytes(32))
            hops = [(bob.node_id, for_hop(amount_msat, out, scid)), (carol.node_id, last)]
            end = await send(alice, channels[0], hops, amount_msat + fee_msat, out + delta)
            assert isinstance(end, tuple) and (end[0], end[1].name) == (0, says)
            if "temporary" not in says:
                assert dict(end[1].fields)["channel_update"], "the terms come with it"

    run(story, tmp_path)


@pytest.mark.parametrize("pays", [True, False], ids=["fulfilled", "failed"])
def test_an_htlc_may_come_back_over_the_channel_that_it_came_by(tmp_path: Path, pays: bool) -> None:
    """alice pays herself over bob: the incoming and the outgoing HTLC have the same channel, and the same id."""

    async def story(network: Network) -> None:
        (alice, bob), (channel,) = await in_a_row(network, "alice", "bob")
        ((ours, theirs),) = await balances_msat((alice, bob), (channel,))
        invoice = await alice.api.invoice(10_000_000, "me", 3600)
        payment_hash = bytes.fromhex(invoice.payment_hash)
        row = await alice.store.read(lambda read: read.invoice(payment_hash))
        assert row is not None
        out = alice.watcher.height + 60
        secret = invoice_of(row).payment_secret if pays else bytes(32)
        hops = [
            (bob.node_id, for_hop(10_000_000, out, scid_of(bob, channel))),
            (alice.node_id, for_final_node(10_000_000, out, secret)),
        ]
        end = await send(alice, channel, hops, 10_001_100, out + 80, payment_hash=payment_hash)
        moved_msat = 1_100 if pays else 0
        assert await balances_msat((alice, bob), (channel,)) == [(ours - moved_msat, theirs + moved_msat)]
        (passed,) = await bob.api.forwards()
        assert (passed.incoming, passed.outgoing) == (channel, channel)
        assert (await alice.api.invoices())[0].state == ("paid" if pays else "open")
        if pays:
            assert isinstance(end, HtlcFulfilled) and (passed.state, passed.fee_msat) == ("fulfilled", 1_100)
        else:
            assert isinstance(end, tuple) and end[0] == 1 and passed.state == "failed"
            assert end[1].name == "incorrect_or_unknown_payment_details"

    run(story, tmp_path)


def test_a_failed_payment_is_not_paid_by_what_passes_through_for_another(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), channels = await in_a_row(network, "alice", "bob", "carol")
        before = await balances_msat((alice, bob, carol), channels)
        invoice, hearing = await carol.api.invoice(10_000_000, "tea", 3600), Hearing(carol, hold=True)
        paying = asyncio.create_task(bob.api.pay(invoice.invoice, None, 20))
        await held(hearing)
        channel, message = hearing.held[0]
        carol.channels.parts.recipients["payments"] = hearing.inner
        await carol.channels.command(channel.key, Fail(message.id, bytes(256)))
        with pytest.raises(PaymentFailed):
            await paying
        paid = await alice.api.pay(invoice.invoice, None, 20, (bob.node_id.hex(), carol.node_id.hex()))
        (row,) = await bob.api.payments()
        assert row.state == "failed"
        assert "payment_sent" not in [event.topic for event in await bob.events.since(0, 1000)]
        ((a, b), (c, d)) = await balances_msat((alice, bob, carol), channels)
        sent = 10_000_000 + paid.fee_msat
        assert (a, b) == (before[0][0] - sent, before[0][1] + sent)
        assert (c, d) == (before[1][0] - 10_000_000, before[1][1] + 10_000_000)

    run(story, tmp_path)
