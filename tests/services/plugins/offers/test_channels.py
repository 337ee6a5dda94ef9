"""May a plugin ask for quiet in the channels that pin its provider, and in no others?"""

import asyncio
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.plugin import Event, Node, Plugin

from lnpd.testing import Network, until
from tests.plugins.two_parties import PLUGINS, load

BOTH = (("lockbox", "updates:1000"), ("other", "updates:1000"))


def test_quiescence_is_asked_for_where_it_has_a_part(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", grants=BOTH), await network.node("bob", grants=BOTH)
            boxes, other, told = [load(PLUGINS / "lockbox.py").plugin for _ in "ab"], Plugin("other", "1"), list[str]()
            other.capabilities = ("updates:1000",)

            @other.on("channel_quiescent")
            def quiet(_node: Node, event: Event) -> None:
                told.append(event.fields()["initiator"])

            await bob.plugins.add_in_process(boxes[1])
            for plugin in (boxes[0], other):
                await alice.plugins.add_in_process(plugin)
            channel = await network.channel(alice, bob, 500_000, kind="lockbox/static_remotekey")
            assert other.node is not None
            with pytest.raises(CallFailed, match="pins no provider of other") as refused:
                await other.node.quiesce(channel)
            assert refused.value.code == "ChannelNotPinned"
            with pytest.raises(CallFailed, match="No channel begins"):
                await boxes[0].node.quiesce("00" * 32)
            await boxes[0].node.quiesce(channel)
            await until(lambda: told == ["us"])

    asyncio.run(main())
