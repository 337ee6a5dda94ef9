"""When `open` and `close` answer, is the transaction that they name in the mempool? Whoever mines next relies on it."""

import asyncio
from pathlib import Path

import pytest

from lnpd.testing import DEPTH, Network


@pytest.mark.parametrize("force", [False, True], ids=["mutual", "forced"])
def test_what_is_named_is_broadcast(tmp_path: Path, force: bool) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")

            async def waits(txid: str) -> bool:
                found = await network.chain.transaction(bytes.fromhex(txid)[::-1])
                return found is not None and found.height is None

            await network.fund(alice, 700_000)
            await network.connect(alice, bob)
            opened = await alice.api.open(bob.node_id.hex(), 500_000, 0, "", (), None)
            assert await waits(opened.funding.partition(":")[0])
            await network.mine(DEPTH)
            await network.active(opened.channel_id, alice, bob)
            closed = await alice.api.close(opened.channel_id, force, None)
            assert await waits(closed.txid)

    asyncio.run(main())
