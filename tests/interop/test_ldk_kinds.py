"""Which channels do we and LDK open beyond the usual ones: hidden, large, announced, dear, of either type?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lnpd.channel.presets import Limits
from lnpd.channel.state import SCID_ALIAS
from lnpd.services.node.node import Node
from lnpd.testing import shown
from tests.e2e.closing import driver_of
from tests.interop.ldk import Ldk, a_world
from tests.interop.test_ldk import close, pay_both_ways

LARGE_SAT = 20_000_000
# What is opened, by whom: settings of LDK's, what each opener is told, and the type as BOLT 9's bits.
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any], int, list[int]]] = {
    "LDK opens a hidden one": ({"scid_privacy": True}, {"by": "ldk"}, 1_000_000, [12, 22, 46]),
    "we open a hidden one": ({}, {"kind": "anchors_zero_fee_htlc_tx+scid_alias"}, 1_000_000, [12, 22, 46]),
    "we open a hidden one, static_remotekey": ({}, {"kind": "static_remotekey+scid_alias"}, 1_000_000, [12, 46]),
    "LDK opens an announced one": ({"announce": True}, {"by": "ldk"}, 1_000_000, [12, 22]),
    "LDK opens an announced, large one as Electrum does, static_remotekey": (
        {"announce": True, "anchors": False, "per_kw": 37_500}, {"by": "ldk"}, LARGE_SAT, [12]
    ),
    "we open a large one with LDK, which knows no anchors: static_remotekey": ({"anchors": False}, {}, LARGE_SAT, [12]),
    "LDK opens a large one": ({}, {"by": "ldk"}, LARGE_SAT, [12, 22]),
    "LDK opens one as Electrum does": ({"per_kw": 37_500}, {"by": "ldk"}, 200_000, [12, 22]),
    "we open a large one": ({}, {}, LARGE_SAT, [12, 22]),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_other_channels(tmp_path: Path, name: str) -> None:
    settings, wanted, sat, bits = ROWS[name]

    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours = await world.network.node("ours", limits=Limits(max_channel_sat=LARGE_SAT))
            peer = await world.ldk("ldk", coins_sat=3 * LARGE_SAT + 3_000_000, **settings)
            who: tuple[Node | Ldk, Node | Ldk] = (peer, ours) if "by" in wanted else (ours, peer)
            more = {key: value for key, value in wanted.items() if key != "by"}
            channel = await world.open(*who, sat, push_sat=sat // 4, **more)
            theirs = await peer.channel(channel)
            assert (theirs["type"], theirs["sat"]) == (bits, sat)
            assert theirs["per_kw"] == settings.get("per_kw", theirs["per_kw"])
            hidden = 46 in bits
            assert (SCID_ALIAS in driver_of(ours).channel.channel_type.features) is hidden
            assert len(driver_of(ours).channel.scids_here) == 2 - hidden
            await pay_both_ways(world, ours, peer, channel)
            await ours.api.disconnect(peer.node_id)
            await world.reconnected(ours, peer, channel)
            row = await shown(ours, channel)
            assert row is not None and row.type.endswith("+scid_alias") is hidden
            await close(world, ours, peer, channel, by_us="by" in wanted)

    asyncio.run(main())
