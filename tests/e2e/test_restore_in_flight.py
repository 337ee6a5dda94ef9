"""What is said of HTLCs that were in flight when the database was lost?

Only the database could claim them: the channel is over without them, and a person reads their amounts and outpoints.
"""

import asyncio
from pathlib import Path

import pytest

from lnpd.channel.state import Closed, Failed, OnChain
from lnpd.services.node.node import Node
from lnpd.testing import Network, shown, until, until_asked
from lnpd.tx.transaction import Tx
from tests.e2e.closing import broadcast_commitment, driver_of, ears, offer, spender
from tests.e2e.test_restore import COMMITMENT_FEE_SAT, KINDS, bring_back, total_sat

OUT_SAT, IN_SAT = 50_000, 60_000
EXPIRY_HEIGHT = 600


async def in_flight(network: Network, backup: Path, kind: str) -> tuple[Node, Node, str, int]:
    """alice, bob, their channel with an HTLC of each that neither answers, and what alice has on the chain."""
    alice, bob = await network.node("alice", backup_file=backup), await network.node("bob")
    name = await network.channel(alice, bob, 1_000_000, push_sat=300_000, kind=kind)
    ears(alice), ears(bob)
    await offer(alice, bob, 0, OUT_SAT, EXPIRY_HEIGHT)
    await offer(bob, alice, 1, IN_SAT, EXPIRY_HEIGHT)
    alice.config = network.config("alice", listen=alice.peers.listening(), backup_file=backup)
    return alice, bob, name, await total_sat(alice)


async def settled(network: Network, again: Node, name: str, tx: Tx, at_least_sat: int) -> OnChain:
    """The restored node sees this commitment, takes what is its own, names the rest, and is done with the channel."""
    driver = again.channels.driver_of(name)
    await network.mine(1)
    phase = await until(lambda: isinstance(driver.channel.phase, OnChain) and driver.channel.phase, "the commitment")
    assert isinstance(phase, OnChain)
    places = {f"{tx.txid[::-1].hex()}:{vout}": o.value_sat for vout, o in enumerate(tx.outputs)}
    row = await shown(again, name)
    assert row is not None
    lost = {o.outpoint: o for o in row.onchain if o.state == "lost"}
    assert {places[each] for each in lost} == {OUT_SAT, IN_SAT} and len(lost) == 2
    for outpoint, each in lost.items():
        assert (each.amount_sat, each.provider, each.kind) == (places[outpoint], "", "unknown")
        assert each.note == "It is an HTLC: what of it was ours, only the lost database could claim."
        assert f"{each.amount_sat:,} sat in {outpoint}" in phase.reason
    assert not [each for each in (await again.api.info()).warnings if "not claimed" in each]

    async def swept() -> bool:
        await network.mine(10)
        return await total_sat(again) >= at_least_sat

    await until_asked(swept, "what was its own")
    await network.mine(100)
    await until(lambda: isinstance(driver.channel.phase, Closed), "the end of the channel")
    return phase


@pytest.mark.parametrize("kind", KINDS, ids=["anchors", "static_remotekey"])
def test_htlcs_of_the_peers_commitment_are_named(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            backup = tmp_path / "elsewhere.backup"
            alice, bob, name, before_sat = await in_flight(network, backup, kind)
            await network.stop(alice)
            again = await bring_back(network, alice, backup)
            await until(lambda: isinstance(driver_of(bob).channel.phase, Failed), "the peer's close")
            funding = driver_of(again).channel.fundings[0]
            tx = await until_asked(lambda: spender(network, funding.txid, funding.vout), "the peer's commitment")
            at_least_sat = before_sat + 700_000 - OUT_SAT - COMMITMENT_FEE_SAT
            phase = await settled(network, again, name, tx, at_least_sat)
            assert phase.spend == "future"

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS, ids=["anchors", "static_remotekey"])
def test_htlcs_of_our_own_commitment_are_named(tmp_path: Path, kind: str) -> None:
    """It was broadcast before the loss."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            backup = tmp_path / "elsewhere.backup"
            alice, _bob, name, before_sat = await in_flight(network, backup, kind)
            tx = await broadcast_commitment(network, alice)
            await network.mine(1)
            await network.stop(alice)
            again = await bring_back(network, alice, backup)
            at_least_sat = before_sat + 700_000 - OUT_SAT - COMMITMENT_FEE_SAT
            phase = await settled(network, again, name, tx, at_least_sat)
            assert phase.spend == "ours"

    asyncio.run(main())
