"""Does the world in which nodes die wait for the next life of a node that dies the moment it is asked for?"""

import asyncio
from pathlib import Path

import pytest

from tests.crash.world import World

pytest.importorskip("pbk")  # the embedded chain


@pytest.mark.parametrize("turns", range(5))
def test_a_node_that_dies_just_when_it_is_asked_for_comes_back(tmp_path: Path, turns: int) -> None:
    """Whoever waited for it may find it dead again."""

    async def main() -> None:
        async with World(tmp_path, names=("bob",)) as world:
            world.plugins = ()
            await world.begin()
            first = await world.living("bob")
            waiting = asyncio.create_task(world.look("bob", lambda node: node.api.info()))
            for _ in range(turns):
                await asyncio.sleep(0)
            world.deaths += 1
            first.power.cut()
            assert (await waiting).node_id
            assert (await world.living("bob")).node is not first.node

    asyncio.run(main())
