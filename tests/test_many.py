"""Are channels that were made without a wire what a real node takes for its own?"""

import asyncio
from pathlib import Path

from lnpd.config import Address, Config
from lnpd.rpc import answers
from lnpd.services.node.node import Node
from lnpd.testing import LOCAL
from lnpd.testing.many import CAPACITIES_SAT, many

COUNT = 12


async def _seen(directory: Path) -> tuple[tuple[answers.Channel, ...], answers.StoreCheck]:
    node = Node(Config(directory=directory, plain_seed=True, listen=(Address(LOCAL, 0),), log_level="warning"))
    await node.start()
    try:
        return await node.api.channels(), await node.api.check()
    finally:
        await node.stop()


def test_a_node_starts_with_them_shows_them_and_finds_nothing_wrong(tmp_path: Path) -> None:
    made = asyncio.run(many(tmp_path, COUNT))
    shown, checked = asyncio.run(_seen(tmp_path))
    assert checked.problems == ()
    assert (checked.channels, len(made)) == (COUNT, COUNT)
    assert checked.commitments > 2 * COUNT
    assert {row.channel_id for row in shown} == set(made)
    assert {row.capacity_sat for row in shown} == set(CAPACITIES_SAT)
    assert {row.state for row in shown} == {"normal"}
    assert not any(row.frozen or row.connected for row in shown)
    assert {row.opener for row in shown} == {"us", "them"}
    assert {htlc.direction for row in shown for htlc in row.htlcs} == {"in", "out"}
    assert len({row.channel_id[:6] for row in shown}) == COUNT
