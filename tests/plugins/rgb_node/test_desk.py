"""Is what was sent home taken, although its coin is held no more?"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lnpd_sdk.plugin import Plugin

from rgb_engine.commands import Desk
from rgb_node.desk import CAPABILITIES, Channels
from rgb_node.shelf import COLLECTING
from tests.plugins.rgb_node.stand_in import StandIn
from tests.plugins.rgb_node.test_homeward import TRIP

SENT = {f"{COLLECTING}{TRIP.coin}": msgspec.msgpack.encode(TRIP)}


@pytest.mark.parametrize("rows", [{}, SENT], ids=["nothing was sent", "one was sent"])
def test_a_block_looks_after_what_was_sent(
    rows: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coin that a transaction spends is not held, and its tokens are in no wallet yet."""
    monkeypatch.chdir(tmp_path)
    plugin = Plugin("rgb", "1", capabilities=CAPABILITIES)
    channels, node, asked = Channels(plugin, Desk(plugin)), StandIn(), list[object]()
    node.rows = dict(rows)

    async def none_held() -> tuple[()]:
        return ()

    class Collects:
        async def collect(self, node: object) -> None:
            asked.append(node)

    async def collector(_node: object) -> Any:
        return Collects()

    monkeypatch.setattr(node, "held_coins", none_held, raising=False)
    monkeypatch.setattr(channels.parts, "collector", collector)
    asyncio.run(channels.parts._work(node))  # type: ignore[arg-type]
    assert asked == [node] * len(rows)
