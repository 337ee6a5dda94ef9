"""Do plugins hear of each block on a quiet chain, and does a node that can follow the chain no more end, by name?"""

import asyncio
from pathlib import Path

import pytest
from lnpd_sdk.plugin import Node as Host
from lnpd_sdk.plugin import Plugin

from lnpd.errors import FollowerEnded, RowMissing
from lnpd.testing import Network, until


def test_a_plugin_hears_of_every_block_on_a_quiet_chain(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            node = await network.node("alice")
            heard: list[tuple[int, str]] = []
            plugin = Plugin("listener", "1")

            @plugin.hook("block_connected")
            def called(_node: Host, height: int, block_hash: str) -> None:
                heard.append((height, block_hash))

            await node.plugins.add_in_process(plugin)
            for _ in range(2):
                height = await network.mine()
                block = await network.chain.block_at(height)
                assert block is not None
                told = (height, block.block.hash[::-1].hex())
                await until(lambda told=told: told in heard, f"block {told}")  # type: ignore[misc]  # mypy: a default argument

    asyncio.run(main())


@pytest.mark.parametrize("error", [ZeroDivisionError("defect"), RowMissing("a row is missing")])
def test_a_defect_under_the_watch_over_the_channels_ends_the_node(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ill(_height: int) -> None:
        raise error

    async def main() -> None:
        async with Network(tmp_path) as network:
            node = await network.node("alice")
            monkeypatch.setattr(node.channels, "deliver_block", ill)
            await network.chain.mine()
            with pytest.raises(FollowerEnded, match=f"the watch over the channels.*{error}"):
                await asyncio.wait_for(node.ended, 30)

    asyncio.run(main())
