"""Do payments pass through whole nodes, each millisatoshi accounted for, and does everything that fails say why?"""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lnpd.errors import NoDirectChannel, PaymentFailed, RelayTermsRefused, RouteFeeTooHigh, RouteUnknown
from lnpd.routing import invoice as invoices
from lnpd.services.node.node import Node
from lnpd.testing import Network, until, until_asked
from lnpd.wire.fields import scid_text
from tests.e2e.line import alter, balances_msat, in_a_row, run, scid_of, terms_known

BASE, MILLIONTHS = 1_000, 10


def fee_msat(amount_msat: int) -> int:
    return BASE + amount_msat * MILLIONTHS // 1_000_000


def test_three_nodes_pay_both_ways_over_the_one_in_the_middle(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), channels = await in_a_row(network, "alice", "bob", "carol")
        before = await balances_msat((alice, bob, carol), channels)
        invoice = await carol.api.invoice(50_000_000, "tea", 3600)
        (hint,) = invoices.decode(invoice.invoice).routes
        assert (hint[0].node_id, hint[0].fee_base_msat, hint[0].cltv_expiry_delta) == (bob.node_id, BASE, 80)
        paid = await alice.api.pay(invoice.invoice, None, 20)
        assert (paid.amount_msat, paid.fee_msat) == (50_000_000, fee_msat(50_000_000))
        back = await alice.api.invoice(7_000_001, "change", 3600)
        returned = await carol.api.pay(back.invoice, None, 20, (bob.node_id.hex(),))
        assert returned.fee_msat == fee_msat(7_000_001)
        out, home = 50_000_000 + paid.fee_msat, 7_000_001 + returned.fee_msat
        (ab, bc) = await balances_msat((alice, bob, carol), channels)
        assert ab == (before[0][0] - out + 7_000_001, before[0][1] + out - 7_000_001)
        assert bc == (before[1][0] - 50_000_000 + home, before[1][1] + 50_000_000 - home)
        rows = await bob.api.forwards()
        assert [(r.state, r.fee_msat, r.incoming_msat - r.outgoing_msat) for r in rows] == [
            ("fulfilled", returned.fee_msat, returned.fee_msat),
            ("fulfilled", paid.fee_msat, paid.fee_msat),
        ]
        assert (rows[1].incoming, rows[1].outgoing) == tuple(channels) == (rows[0].outgoing, rows[0].incoming)
        assert rows[1].incoming_expiry_height - rows[1].outgoing_expiry_height == 80
        assert await alice.api.forwards() == await carol.api.forwards() == ()
        topics = [event.topic for event in await bob.events.since(0, 1000)]
        assert topics.count("forward_settled") == 2
        for node, sent in ((alice, paid), (carol, returned)):
            assert [p.fee_msat for p in await node.api.payments()] == [sent.fee_msat]

    run(story, tmp_path)


def test_four_nodes_and_each_failure_names_its_hop(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        nodes, channels = await in_a_row(network, "alice", "bob", "carol", "dave")
        alice, bob, carol, dave = nodes
        before = await balances_msat(nodes, channels)
        invoice = await dave.api.invoice(20_000_000, "tea", 3600)
        with pytest.raises(NoDirectChannel):  # the hint begins at carol, who is no peer of alice's
            await alice.api.pay(invoice.invoice, None, 20)
        with pytest.raises(RouteUnknown):
            await alice.api.pay(invoice.invoice, None, 20, (bob.node_id.hex(), carol.node_id.hex()))
        to_carol = f"{carol.node_id.hex()}@{scid_text(scid_of(bob, channels[1]))}:{BASE}:{MILLIONTHS}:80"
        route = (bob.node_id.hex(), to_carol)
        paid = await alice.api.pay(invoice.invoice, None, 20, route)
        assert paid.fee_msat == fee_msat(20_000_000) + fee_msat(20_000_000 + fee_msat(20_000_000))
        after = await balances_msat(nodes, channels)
        moved = [b[0] - a[0] for b, a in zip(before, after, strict=True)]
        assert moved == [20_000_000 + paid.fee_msat, 20_000_000 + fee_msat(20_000_000), 20_000_000]
        # Whoever takes the HTLC no further says so, under his own name.
        cheap = f"{carol.node_id.hex()}@{scid_text(scid_of(bob, channels[1]))}:0:0:80"
        for wrong, hop, said in (
            ((bob.node_id.hex(), cheap), 1, "fee_insufficient"),
            ((route[0], route[1], f"{dave.node_id.hex()}@1x2x3:1000:10:80"), 2, "unknown_next_peer"),
        ):
            again = await dave.api.invoice(20_000_000, "tea", 3600)
            with pytest.raises(PaymentFailed, match=f"Hop {hop} of 3, {nodes[hop].node_id.hex()}: .*{said}"):
                await alice.api.pay(again.invoice, None, 20, wrong)
        assert await balances_msat(nodes, channels) == after

    run(story, tmp_path)


def test_terms_are_told_and_older_ones_hold_for_ten_minutes(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), channels = await in_a_row(network, "alice", "bob", "carol")
        old = await carol.api.invoice(10_000_000, "tea", 3600)
        first = bob.payments.relay._made[bob.channels.driver_of(channels[1]).channel.key].update
        set_to = await bob.api.relay(channels[1], fee_base_msat=5_000, cltv_expiry_delta=144)
        assert (set_to.ours.fee_base_msat, set_to.ours.fee_proportional_millionths) == (5_000, MILLIONTHS)

        async def told() -> bool:
            theirs = (await carol.api.relay(channels[1])).theirs
            return theirs is not None and (theirs.fee_base_msat, theirs.cltv_expiry_delta) == (5_000, 144)

        await until_asked(told, "carol knows the new terms")
        second = carol.payments.updates.get(carol.channels.driver_of(channels[1]).channel)
        assert second is not None and second.timestamp > first.timestamp
        assert (await alice.api.pay(old.invoice, None, 20)).fee_msat == fee_msat(10_000_000)
        new = await carol.api.invoice(10_000_000, "tea", 3600)
        assert (await alice.api.pay(new.invoice, None, 20)).fee_msat == 5_000 + 100
        # Both survive a restart, and the timestamps go on growing.
        bob = await network.restart(bob)
        await network.active(channels[1], bob, carol)
        assert (await bob.api.relay(channels[1])).ours == set_to.ours
        await bob.api.relay(channels[1], fee_base_msat=6_000)

        async def told_again() -> bool:
            theirs = (await carol.api.relay(channels[1])).theirs
            return theirs is not None and theirs.fee_base_msat == 6_000

        await until_asked(told_again, "carol knows the third terms")
        third = carol.payments.updates.get(carol.channels.driver_of(channels[1]).channel)
        assert third is not None and third.timestamp > second.timestamp
        with pytest.raises(RelayTermsRefused):
            await bob.api.relay(channels[1], cltv_expiry_delta=20)
        with pytest.raises(RelayTermsRefused):
            await bob.api.relay(channels[1], htlc_minimum_msat=2_000, htlc_maximum_msat=1_000)

    run(story, tmp_path)


def test_a_hint_cannot_make_a_payment_dear(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), channels = await in_a_row(network, "alice", "bob", "carol")
        await bob.api.relay(channels[1], fee_base_msat=600_000)

        async def told() -> bool:
            theirs = (await carol.api.relay(channels[1])).theirs
            return theirs is not None and theirs.fee_base_msat == 600_000

        await until_asked(told, "carol knows")
        invoice = await carol.api.invoice(10_000_000, "tea", 3600)
        with pytest.raises(RouteFeeTooHigh):
            await alice.api.pay(invoice.invoice, None, 20)
        paid = await alice.api.pay(invoice.invoice, None, 20, (), 700_000)
        assert paid.fee_msat == 600_000 + 100

    run(story, tmp_path)


# What a node in the middle does that it was not told to do, and what the payee says to it.
LIES: dict[str, tuple[Any, str]] = {
    "less": (lambda add: replace(add, amount_msat=add.amount_msat - 1), "final_incorrect_htlc_amount"),
    "sooner": (lambda add: replace(add, cltv_expiry=add.cltv_expiry - 1), "final_incorrect_cltv_expiry"),
    "another onion": (
        lambda add: replace(add, onion=add.onion[:100] + bytes([add.onion[100] ^ 1]) + add.onion[101:]),
        "invalid_onion_hmac",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_hop_that_lies_gains_nothing(tmp_path: Path, lie: str) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), channels = await in_a_row(network, "alice", "bob", "carol")
        before = await balances_msat((alice, bob, carol), channels)
        alter(bob, LIES[lie][0])
        invoice = await carol.api.invoice(10_000_000, "tea", 3600)
        with pytest.raises(PaymentFailed, match=LIES[lie][1]):
            await alice.api.pay(invoice.invoice, None, 20)
        assert await balances_msat((alice, bob, carol), channels) == before
        (row,) = await bob.api.forwards()
        assert (row.state, row.fee_msat) == ("failed", 0) and row.why
        found = await carol.payments.invoice(bytes.fromhex(invoice.payment_hash))
        assert found is not None and found.state == "open"

    run(story, tmp_path)


def test_a_hop_that_gives_more_only_loses(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), channels = await in_a_row(network, "alice", "bob", "carol")
        alter(bob, lambda add: replace(add, amount_msat=add.amount_msat + 5_000))
        invoice = await carol.api.invoice(10_000_000, "tea", 3600)
        paid = await alice.api.pay(invoice.invoice, None, 20)
        (ab, bc) = await balances_msat((alice, bob, carol), channels)
        assert ab[0] == 750_000_000 - 10_000_000 - paid.fee_msat
        assert bc[1] == 250_000_000 + 10_005_000

    run(story, tmp_path)


def test_many_at_once_share_their_commits(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        import asyncio

        (alice, bob, carol), channels = await in_a_row(network, "alice", "bob", "carol")
        texts = [(await carol.api.invoice(1_000_000 + n, "tea", 3600)).invoice for n in range(20)]
        commits = bob.store.commits
        paid = await asyncio.gather(*(alice.api.pay(text, None, 30) for text in texts))
        assert {p.fee_msat for p in paid} == {fee_msat(1_000_000)}
        (ab, bc) = await balances_msat((alice, bob, carol), channels)
        total = sum(1_000_000 + n for n in range(20))
        assert (ab[0], bc[1]) == (750_000_000 - total - 20 * fee_msat(1_000_000), 250_000_000 + total)
        print(f"20 payments at once: {bob.store.commits - commits} commits of the node in the middle")

    run(story, tmp_path)


def test_two_nodes_know_each_others_terms_again_after_a_reconnect(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        (alice, bob), (channel,) = await in_a_row(network, "alice", "bob")
        timestamps = [_theirs(node, channel) for node in (alice, bob)]
        bob = await network.restart(bob)
        await network.active(channel, alice, bob)
        await terms_known((alice, bob), [channel])
        assert [_theirs(node, channel) for node in (alice, bob)] == timestamps, "nothing changed: nothing new is made"
        assert (await bob.api.relay(channel)).theirs is not None
        await until(lambda: not bob.channels.frozen(channel), "it is not frozen")

    run(story, tmp_path)


def _theirs(node: Node, channel: str) -> int:
    update = node.payments.updates.get(node.channels.driver_of(channel).channel)
    assert update is not None
    return update.timestamp
