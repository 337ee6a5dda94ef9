"""Is a person told of what does not get out, and of a chain that cannot be followed?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lnpd.chain.interface import BroadcastResult, ChainDelta, Outcome, Verdict
from lnpd.errors import BlockPruned
from lnpd.testing import Network, until_asked

pytest.importorskip("pbk")  # the embedded chain


def test_a_refused_transaction_and_a_chain_that_cannot_be_read(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000)
            await network.stop(bob)
            backend: Any = alice.backend
            follow, broadcast = backend.blocks_since, backend.broadcast

            async def refuse(txs: tuple[bytes, ...]) -> BroadcastResult:
                reason = "Fee exceeds maximum configured by user"
                return BroadcastResult(Outcome.REFUSED, reason, (Verdict(bytes(32), Outcome.REFUSED, reason),))

            async def pruned(_: object) -> ChainDelta:
                raise BlockPruned("bitcoind has pruned block 5, which lnpd has to read.")

            async def warned(words: str) -> bool:
                return any(words in each for each in (await alice.api.info()).warnings)

            async def calm() -> bool:
                return not await warned("cannot be followed")

            backend.broadcast = refuse
            await alice.api.close(channel, True, None)
            await until_asked(lambda: warned("does not get out: Fee exceeds maximum"), "the refusal")
            backend.broadcast = broadcast
            await network.mine(1)
            assert not await warned("does not get out")
            backend.blocks_since = pruned
            await network.chain.mine(1)
            await until_asked(lambda: warned("the chain cannot be followed, and nothing"), "the alarm")
            backend.blocks_since = follow
            await until_asked(calm, "the end of the alarm")

    asyncio.run(main())
