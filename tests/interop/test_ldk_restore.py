"""Who closes when a side comes back with an old state, or none, and is what is ours claimed?

LDK answers a channel_reestablish of the beginning with a warning, and closes for the error that follows it. An old
state of its own ends LDK on purpose, as soon as our channel_reestablish proves that it is old.
"""

import asyncio
from pathlib import Path

import pytest

from lnpd.channel.state import OnChain
from lnpd.testing import until_asked
from tests.e2e.closing import Money, driver_of, finish, spender
from tests.e2e.test_restore import COMMITMENT_FEE_SAT, SWEEP_FEE_SAT, bring_back, total_sat
from tests.interop.bitcoind import LOCAL
from tests.interop.ldk import Refused, a_world


@pytest.mark.parametrize("anchors", [False, True], ids=["static_remotekey", "anchors"])
@pytest.mark.parametrize("used", [False, True], ids=["unused", "used"])
def test_ldk_closes_and_we_claim(tmp_path: Path, anchors: bool, used: bool) -> None:
    async def main() -> None:
        async with a_world(tmp_path) as world:
            backup = tmp_path / "our.backup"
            ours = await world.network.node("ours", backup_file=backup)
            peer = await world.ldk("ldk", anchors=anchors)
            channel = await world.open(ours, peer, push_sat=400_000)
            for _ in range(3 if used else 0):
                await ours.api.pay((await peer("invoice", msat=10_000_000))["invoice"], None, 60)
            ours_sat = 600_000 - (30_000 if used else 0)
            before = await total_sat(ours)
            ours.config = world.network.config("ours")
            await world.network.stop(ours)
            again = await bring_back(world.network, ours, backup)
            await world.connect(again, peer)
            await peer.event("ChannelClosed", channel=channel)

            async def swept() -> bool:
                await world.mine(1)
                return (await total_sat(again)) >= before + ours_sat - COMMITMENT_FEE_SAT - SWEEP_FEE_SAT

            await until_asked(swept, "all that was ours")
            phase = driver_of(again).channel.phase
            assert isinstance(phase, OnChain) and phase.spend == "future"

    asyncio.run(main())


@pytest.mark.parametrize("anchors", [False, True], ids=["static_remotekey", "anchors"])
def test_we_close_when_ldk_comes_back_with_an_old_state(tmp_path: Path, anchors: bool) -> None:
    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours"), await world.ldk("ldk", anchors=anchors, keep=True)
            channel = await world.open(peer, ours, push_sat=400_000)
            old = await peer.cut()
            peer = await world.restart(peer, old)
            await world.reconnected(ours, peer, channel)
            for _ in range(3):
                await ours.api.pay((await peer("invoice", msat=10_000_000))["invoice"], None, 60)
            assert await world.settled(ours, peer, channel) == 370_000_000
            peer = await world.restart(peer, old)
            world.peers.remove(peer)
            money = Money(world.network)
            await money.begin(ours)
            funding = driver_of(ours).channel.fundings[0]
            await ours.api.connect(f"{peer.node_id}@{LOCAL}:{peer.port}")
            with pytest.raises(Refused, match="has ended"):
                await peer.event("ChannelClosed", channel=channel)
            tx = await until_asked(lambda: spender(world.network, funding.txid, funding.vout), "our commitment")
            graph = await driver_of(ours).fills.commitment(tx.txid)
            assert graph is not None and graph.holder == driver_of(ours).channel.us
            await finish(world.network, ours)
            assert await money.gained_sat(ours) == 370_000 - (await money.fees_sat(ours))["ours"]

    asyncio.run(main())
