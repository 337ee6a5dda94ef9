"""Does a plugin's grant hold on a whole node, however often it asks, after a restart, and if the plugin comes late?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.testing import Network, shown, until, until_asked, usable

LOCKBOX = Path(__file__).parents[2] / "plugins" / "lockbox.py"
LOCKBOX_TYPE = "lockbox/anchors_zero_fee_htlc_tx"
GRANTED_SAT = 60_000
ASKING = """
from lnpd_sdk.plugin import Plugin
Plugin("asking", "1", capabilities=("sign:cet", "rpc:info", "messages", "hook:funding")).run()
"""


def granted(amount_sat: int) -> dict[str, Any]:
    """A node's options."""
    return {"plugins": (LOCKBOX,), "grants": (("lockbox", f"updates:{amount_sat}"),)}


async def put(node: Node, channel: str, amount_sat: int) -> int:
    """A new box's number."""
    answer: Any = await node.api.call_plugin("lockbox-put", {"channel_id": channel, "amount_sat": amount_sat})
    return int(answer["box"])


async def put_and_give(node: Node, channel: str, amount_sat: int) -> None:
    """Locks an amount and gives it to the peer; returns when both commitments have it so."""
    before = await shown(node, channel)
    assert before is not None
    box = await put(node, channel, amount_sat)
    await node.api.call_plugin("lockbox-give", {"channel_id": channel, "box": box})

    async def given() -> bool:
        row = await shown(node, channel)
        here = usable(node, channel)
        return (
            row is not None
            and here is not None
            and not here.log
            and row.theirs_msat == before.theirs_msat + 1000 * amount_sat
        )

    await until_asked(given, "the gift")


def test_many_updates_take_no_more_than_the_grant(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", **granted(GRANTED_SAT))
            bob = await network.node("bob", **granted(GRANTED_SAT))
            channel = await network.channel(alice, bob, 1_000_000, push_sat=200_000, kind=LOCKBOX_TYPE)
            for _ in range(2):
                await put_and_give(alice, channel, 25_000)
            with pytest.raises(LnpdError, match="would have 25000000 msat of our money, 10000000 are granted"):
                await put(alice, channel, 25_000)
            alice = await network.restart(alice)
            await network.active(channel, alice, bob)
            with pytest.raises(LnpdError, match="10000000 are granted"):
                await put(alice, channel, 10_001)
            await put_and_give(alice, channel, 10_000)

            async def received() -> bool:
                row = await shown(bob, channel)
                return row is not None and row.ours_msat == 260_000_000

            await until_asked(received, "all that was granted, and no more")
            alice = await network.restart(alice, **granted(GRANTED_SAT + 5_000))
            await network.active(channel, alice, bob)
            await put_and_give(alice, channel, 5_000)

    asyncio.run(main())


def test_a_plugin_that_comes_late_has_its_grant(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", **granted(GRANTED_SAT))
            bob = await network.node("bob", **granted(GRANTED_SAT))
            channel = await network.channel(alice, bob, 1_000_000, push_sat=200_000, kind=LOCKBOX_TYPE)
            bob = await network.restart(bob, plugins=())
            await until(lambda: bob.channels.driver_of(channel).frozen, "the frozen channel")
            assert bob.channels.driver_of(channel).channel.policy.grants == ()
            await bob.plugins.start((LOCKBOX,))
            await network.active(channel, alice, bob)
            found = usable(bob, channel)
            assert found is not None
            assert found.policy.grants == (("lockbox", GRANTED_SAT),)
            await put_and_give(bob, channel, 25_000)

    asyncio.run(main())


def test_what_was_asked_granted_and_is_in_effect_is_listed(tmp_path: Path) -> None:
    async def main() -> None:
        asking = tmp_path / "asking.py"
        asking.write_text(ASKING)
        async with Network(tmp_path / "network") as network:
            grants = (("asking", "sign:cet"), ("asking", "pay:5"), ("lockbox", "updates:5"))
            node = await network.node("alice", plugins=(asking, LOCKBOX), grants=grants)
            first, second = await node.api.plugins()
            assert first.capabilities == ("sign:cet", "rpc:info", "messages", "hook:funding")
            assert first.grants == ("sign:cet", "pay:5")
            assert first.in_effect == ("sign:cet",)
            assert first.notes == (
                "rpc:info needs --grant asking=rpc:info",
                "messages needs --grant asking=messages",
                "hook:funding needs --grant asking=hook:funding",
                "pay:5 is granted, but not asked for",
            )
            assert (second.in_effect, second.notes) == (("updates:5",), ())

    asyncio.run(main())
