"""Does LDK close when we have lost our data and come back with a backup, and is what it owes us claimed?

LDK answers a channel_reestablish of the beginning with a warning, and closes for the error that follows it.
"""

import asyncio
from pathlib import Path

import pytest

from lnpd.channel.state import OnChain
from lnpd.testing import until_asked
from tests.e2e.closing import driver_of
from tests.e2e.test_restore import COMMITMENT_FEE_SAT, SWEEP_FEE_SAT, bring_back, total_sat
from tests.interop.ldk import a_world


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
