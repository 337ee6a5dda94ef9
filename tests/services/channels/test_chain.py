"""In which order do channels hear of the chain? What happened first, then the block that it happened in or before."""

import asyncio
from typing import Any

from lnpd.services.channels.chain import ChannelChain


class Slow:
    """Channels whose stored events take a while to be read."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.read = asyncio.Event()

    async def deliver(self, owner: bytes) -> None:
        await self.read.wait()
        self.heard.append(owner)

    def deliver_block(self, height: int) -> None:
        self.heard.append(height)


def test_a_block_waits_for_what_happened_before_it() -> None:
    async def main() -> None:
        slow: Any = Slow()
        told: list[int] = []
        chain = ChannelChain(told.append)
        chain.channels = slow
        chain.deliver_block(1)
        chain.deliver(b"channel")
        chain.deliver_block(2)
        chain.deliver_block(3)
        await asyncio.sleep(0)
        assert slow.heard == told == [1], "on a quiet chain whoever listens beside the channels hears it too"
        slow.read.set()
        async with asyncio.timeout(5):
            await chain.delivered()
        assert slow.heard == [1, b"channel", 2, 3] and told == [1, 2, 3]

    asyncio.run(main())
