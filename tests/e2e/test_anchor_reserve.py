"""Is a channel with anchors opened and accepted only where coins are kept for closing it?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.errors import AnchorReserveMissing, ChannelRefused, InsufficientFunds
from lnpd.testing import Network

KEEPING = {"anchor_reserve_sat": 10_000}


def test_opening_accepting_and_paying_leave_the_reserve(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **KEEPING), await network.node("bob", **KEEPING)
            await network.fund(alice, 209_000)
            await network.connect(alice, bob)
            with pytest.raises(AnchorReserveMissing):
                await alice.api.open(bob.node_id.hex(), 200_000, 0, "", (), None)
            with pytest.raises(ChannelRefused, match="anchor-reserve-sat"):  # bob's reason
                await alice.api.open(bob.node_id.hex(), 100_000, 0, "", (), None)
            await network.channel(alice, bob, 150_000, kind="static_remotekey")
            await network.fund(bob, 10_000)
            await network.channel(alice, bob, 150_000)
            with pytest.raises(InsufficientFunds, match="kept in reserve"):
                await bob.wallet.send(await alice.wallet.new_address(), 5_000, 253)

    asyncio.run(main())
