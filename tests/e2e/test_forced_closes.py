"""Whose is every satoshi after a forced close with HTLCs in flight both ways? (BOLT 5)

    HTLC     offered by   amount    ends by
    1        alice        40,000    bob's preimage, which alice learns from the chain
    2        alice        30,000    alice's timeout
    3        bob          20,000    alice's preimage
    4        bob          25,000    bob's timeout
    5        alice           300    it is trimmed, and fails

Both commitments, both channel types: rows 1 to 17 of the table of cases but for those of revoked commitments.
"""

import asyncio
from pathlib import Path

import pytest

from lnpd.channel.state import OnChain
from lnpd.services.node.node import Node
from lnpd.testing import Network, until
from tests.e2e.closing import (
    Ears,
    Money,
    broadcast_commitment,
    driver_of,
    ears,
    finish,
    know,
    offer,
    pass_blocks,
    preimage,
)

KINDS = ["static_remotekey", "anchors_zero_fee_htlc_tx"]
CAPACITY_SAT, PUSHED_SAT = 1_000_000, 400_000
ALICES_SAT, BOBS_SAT = 40_000 + 30_000, 20_000 + 25_000


async def in_flight(network: Network, kind: str) -> tuple[Node, Node, Ears, Ears]:
    """A channel of alice's with bob, with the five HTLCs."""
    alice, bob = await network.node("alice"), await network.node("bob")
    return alice, bob, *await put_in_flight(network, alice, bob, kind)


async def put_in_flight(network: Network, alice: Node, bob: Node, kind: str) -> tuple[Ears, Ears]:
    """The same for two nodes that are there."""
    await network.channel(alice, bob, CAPACITY_SAT, push_sat=PUSHED_SAT, kind=kind)
    await network.fund(bob, 200_000)
    heard = ears(alice), ears(bob)
    height = (await network.chain.best_block()).height
    await offer(alice, bob, 1, 40_000, height + 40)
    await offer(alice, bob, 2, 30_000, height + 42)
    await offer(bob, alice, 3, 20_000, height + 44)
    await offer(bob, alice, 4, 25_000, height + 46)
    await offer(alice, bob, 5, 300, height + 40)
    return heard


async def told(network: Network, alice: Node, bob: Node, kind: str, closer: str) -> None:
    """The whole story, with its ends counted."""
    alices, bobs = await put_in_flight(network, alice, bob, kind)
    money = Money(network)
    await money.begin(alice, bob)
    first, other = (alice, bob) if closer == "alice" else (bob, alice)
    learnt = {alice: 3, bob: 1}
    await broadcast_commitment(network, first)
    await know(first, 0, learnt[first])
    await pass_blocks(network, 2)
    assert [spend_of(node) for node in (first, other)] == ["ours", "theirs"]
    await know(other, 0, learnt[other])  # what it learns only now is as good
    heard = {alice: alices, bob: bobs}[first].fulfilled
    await until(lambda: heard == {0: preimage(learnt[other])}, "the preimage, which no block has shown yet")
    await finish(network, alice, bob)
    assert alices.fulfilled == {0: preimage(1)} and sorted(alices.failed) == [1, 2]
    assert bobs.fulfilled == {0: preimage(3)} and bobs.failed == [1]
    fees = await money.fees_sat(alice, bob)
    alice_sat = CAPACITY_SAT - PUSHED_SAT - 40_000 + 20_000
    bob_sat = PUSHED_SAT + 40_000 - 20_000
    anchors_sat = await money.unspent_anchors_sat()
    lost_sat = alice_sat - fees["alice"] - await money.gained_sat(alice)
    assert await money.gained_sat(bob) == bob_sat - fees["bob"]
    # The opener pays for the commitment and its anchors; the trimmed HTLC is in the commitment's fee.
    assert lost_sat == fees["channel"] + anchors_sat, (fees, anchors_sat)
    assert fees["alice"] < 10_000 and fees["bob"] < 10_000


@pytest.mark.parametrize(
    ("kind", "closer", "apart"),
    [*((kind, closer, False) for kind in KINDS for closer in ("alice", "bob")), (KINDS[1], "alice", True)],
    ids=lambda value: {True: "apart", False: "one process"}.get(value, str(value)),
)
def test_everybody_gets_what_is_theirs(tmp_path: Path, kind: str, closer: str, apart: bool) -> None:
    async def main() -> None:
        async with Network(tmp_path, apart) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await told(network, alice, bob, kind, closer)

    asyncio.run(main())


def spend_of(node: Node) -> str:
    """By what the funding was spent, as the node sees it."""
    phase = driver_of(node).channel.phase
    return phase.spend if isinstance(phase, OnChain) else type(phase).__name__
