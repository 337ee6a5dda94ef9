"""Do we and LDK agree after whatever may happen in a channel, in whatever order?

A story is drawn from a number: payments both ways of all sizes, held, claimed and failed ones, feerates, lost
connections, restarts of ours. LNPD_LDK_STORIES=100 tells a hundred of each kind; one is told otherwise.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from lnpd.channel.events import SetFeerate
from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.testing import shown, until_asked
from tests.e2e.closing import driver_of
from tests.interop.ldk import Ldk, Refused, World, a_world

STORIES = int(os.environ.get("LNPD_LDK_STORIES", "1"))
STEPS = 40
AMOUNTS_MSAT = (1_000, 353_999, 1_100_000, 5_000_000, 40_000_000)  # some are dust to both, some to one, some to none
FEERATES_PER_KW = (253, 1_000, 2_500, 4_000)


class Story:
    """What goes on in one channel. The opener is ours if `we_open`."""

    def __init__(self, world: World, ours: Node, peer: Ldk, channel: str, we_open: bool, draw: random.Random) -> None:
        self.world, self.ours, self.peer, self.channel, self.we_open = world, ours, peer, channel, we_open
        self.draw = draw
        self.paying: list[asyncio.Task[None]] = []
        self.steps: list[Callable[[], Awaitable[None]]] = [
            *[self.pay] * 6, *[self.be_paid] * 6, *[self.decide] * 3, self.hang_up, self.set_feerate, self.restart,
        ]  # fmt: skip

    async def tell(self) -> None:
        """Everything, and then both sides agree."""
        for _ in range(STEPS):
            await self.draw.choice(self.steps)()
        await self.peer("set", name="hold", value=False)
        while self.peer.heard("PaymentClaimable") and await self.decide_one():
            pass
        await asyncio.gather(*self.paying)

        async def agreed() -> bool:
            await self.decide_one()
            row, theirs = await shown(self.ours, self.channel), await self.peer.channel(self.channel)
            return bool(row and theirs and theirs["usable"] and not row.htlcs and not theirs["htlcs"])

        await until_asked(agreed, "no HTLC in flight")
        assert not self.peer.heard("ChannelClosed"), self.peer.heard("ChannelClosed")
        await self.world.settled(self.ours, self.peer, self.channel)

    async def pay(self) -> None:
        """We pay; it may be impossible now."""
        bill = await self.peer("invoice", msat=self.draw.choice(AMOUNTS_MSAT))
        self.paying.append(asyncio.create_task(self._paid(bill["invoice"])))
        await asyncio.sleep(0)

    async def _paid(self, bill: str) -> None:
        with suppress(LnpdError):  # failed, or refused: what counts is that both sides know
            await self.ours.api.pay(bill, None, 5)

    async def be_paid(self) -> None:
        """LDK pays; it may be impossible now."""
        invoice = await self.ours.api.invoice(self.draw.choice(AMOUNTS_MSAT), "a story", 3600)
        with suppress(Refused):
            await self.peer("pay", invoice=invoice.invoice)

    async def decide(self) -> None:
        """LDK holds what comes, or answers some that it held."""
        await self.peer("set", name="hold", value=self.draw.random() < 0.5)
        await self.decide_one()

    async def decide_one(self) -> bool:
        """LDK claims or fails a payment that it held; whether there was one."""
        done = {row["payment_hash"] for row in self.peer.heard("PaymentClaimed") + self.peer.heard("decided")}
        left = [row for row in self.peer.heard("PaymentClaimable") if row["payment_hash"] not in done]
        if not left:
            return False
        chosen = self.draw.choice(left)["payment_hash"]
        self.peer.events.append({"event": "decided", "payment_hash": chosen})
        await self.peer(self.draw.choice(("claim", "claim", "fail")), payment_hash=chosen)
        return True

    async def hang_up(self) -> None:
        """The connection is lost, in the midst of what goes on."""
        if self.draw.random() < 0.5:
            await self.peer("disconnect", peer=self.ours.node_id.hex())
        elif bytes.fromhex(self.peer.node_id) in self.ours.channels.links:
            await self.ours.api.disconnect(self.peer.node_id)
        await self.world.reconnected(self.ours, self.peer, self.channel)

    async def set_feerate(self) -> None:
        """The opener wants another feerate; it may be refused now."""
        per_kw = self.draw.choice(FEERATES_PER_KW)
        if self.we_open:
            with suppress(LnpdError):
                await driver_of(self.ours).command(SetFeerate(per_kw))
        else:
            await self.peer("set", name="per_kw", value=per_kw)
            await self.peer("tick")

    async def restart(self) -> None:
        """Our node ends and starts again."""
        self.ours = await self.world.network.restart(self.ours)
        await self.world.connect(self.ours, self.peer)
        await self.world.usable(self.ours, self.peer, self.channel)


@pytest.mark.parametrize("anchors", [False, True], ids=["static_remotekey", "anchors"])
@pytest.mark.parametrize("number", range(STORIES))
def test_both_sides_agree_after_any_story(tmp_path: Path, anchors: bool, number: int) -> None:
    async def main() -> None:
        draw = random.Random(f"{number}{anchors}")
        we_open = bool(number % 2) is anchors
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours"), await world.ldk("ldk", anchors=anchors)
            who = (ours, peer) if we_open else (peer, ours)
            channel = await world.open(*who, 2_000_000, push_sat=1_000_000)
            await Story(world, ours, peer, channel, we_open, draw).tell()

    asyncio.run(main())
