"""Do two whole nodes exchange a plugin's own wire messages, and is each that may not be sent refused by name?"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.testing import Network, until, until_asked

TALKER = Path(__file__).parents[1] / "plugins" / "talker.py"
WITH_TALKER: dict[str, Any] = {"plugins": (TALKER,), "grants": (("talker", "messages"),)}
SECOND = """
from lnpd_sdk.plugin import Plugin
plugin = Plugin("second", "1")
plugin.messages("message,40001,second_say\\ndata,u64,what")
plugin.run()
"""
SLOW = """
import asyncio
from lnpd_sdk.plugin import Plugin
plugin = Plugin("talker", "1", capabilities=("messages",))
plugin.messages("message,40001,talker_say\\ndata,u8,len\\ndata,len*utf8,words")
@plugin.message("talker_say")
async def never(node, node_id, fields):
    await asyncio.sleep(60)
plugin.run()
"""


async def call(node: Node, method: str, **params: object) -> Any:  # Any: a plugin's values are its own
    """A call of the talker's."""
    return await node.api.call_plugin(f"talker-{method}", params)


async def hears(node: Node, *words: str) -> list[dict[str, Any]]:
    """What the node's talker has heard, once these words are the last of it."""

    async def there() -> list[dict[str, Any]] | None:
        try:
            said = await call(node, "heard")
        except LnpdError:
            return None  # the plugin is being started
        return said if [each["words"] for each in said][-len(words) :] == list(words) else None

    return await until_asked(there, f"{node.config.alias} hears {words}")


def test_messages_go_both_ways_and_survive_a_kill_of_the_plugin(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **WITH_TALKER), await network.node("bob", **WITH_TALKER)
            await network.connect(alice, bob)
            to_bob, to_alice = bob.node_id.hex(), alice.node_id.hex()
            await call(alice, "say", node_id=to_bob, words="hellö", loud=True)
            await call(bob, "say", node_id=to_alice, words="good day")
            assert await hears(bob, "hellö") == [{"from": to_alice, "words": "hellö", "tlvs": {"loud": True}}]
            assert await hears(alice, "good day") == [{"from": to_bob, "words": "good day"}]
            await call(alice, "ask", node_id=to_bob, question="why")
            await hears(alice, "good day", "you asked why")

            pid = bob.plugins.plugins[0].pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            await until(lambda: bob.plugins.ready("talker") is None, "its end")
            await call(alice, "say", node_id=to_bob, words="is ignored")
            await until(lambda: bob.plugins.ready("talker"), "its restart")
            await call(alice, "say", node_id=to_bob, words="again")
            assert await hears(bob, "again") == [{"from": to_alice, "words": "again"}]
            await call(alice, "ask", node_id=to_bob, question="still there")
            await hears(alice, "you asked still there")
            assert len(alice.peers.list()) == 1, "the connection is the first one still"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("method", "given", "words"),
    [
        ("say", {"words": "x" * 256}, "talker_say"),
        ("say", {"node_id": "02" * 33}, "no connection to"),
        ("say", {"node_id": "bob"}, "no connection to 'bob'"),
        ("ask", {"question": "?" * 65_534}, "at most 65535 can be sent"),
    ],
)
def test_what_cannot_be_sent_is_said(tmp_path: Path, method: str, given: dict[str, str], words: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **WITH_TALKER), await network.node("bob", **WITH_TALKER)
            await network.connect(alice, bob)
            usual = {"node_id": bob.node_id.hex(), "words" if method == "say" else "question": "hello"}
            with pytest.raises(LnpdError, match=words):
                await call(alice, method, **{**usual, **given})
            await call(alice, "say", node_id=bob.node_id.hex(), words="after it")
            await hears(bob, "after it")

    asyncio.run(main())


def test_even_messages_need_the_peers_agreement_and_all_need_the_grant(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **WITH_TALKER), await network.node("bob", plugins=(TALKER,))
            await network.connect(alice, bob)
            to_bob = bob.node_id.hex()
            with pytest.raises(
                LnpdError, match="talker_ask is even, and the peer's init did not offer talker/messages"
            ):
                await call(alice, "ask", node_id=to_bob, question="why")
            await call(alice, "say", node_id=to_bob, words="ignored: bob's talker was not granted its messages")
            with pytest.raises(LnpdError, match="start lnpd with --grant talker=messages"):
                await call(bob, "say", node_id=alice.node_id.hex(), words="hello")
            (row,) = await bob.api.plugins()
            assert (row.capabilities, row.grants, row.in_effect) == (("messages",), (), ())
            assert row.notes == ("messages needs --grant talker=messages",)

            bob = await network.restart(bob, **WITH_TALKER)
            (row,) = await bob.api.plugins()
            assert (row.in_effect, row.notes) == (("messages",), ())
            await until(lambda: not alice.peers.list() or None, "the end of the connection")
            await network.connect(alice, bob)
            await call(alice, "ask", node_id=to_bob, question="now")
            await hears(alice, "you asked now")
            assert await call(bob, "heard") == []

    asyncio.run(main())


def test_an_unknown_even_message_ends_the_connection(tmp_path: Path) -> None:
    """A peer that agreed, and lost its plugin since, cannot read on."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **WITH_TALKER), await network.node("bob", **WITH_TALKER)
            await network.connect(alice, bob)
            await bob.plugins.stop()
            await call(alice, "ask", node_id=bob.node_id.hex(), question="why")
            await until(lambda: not bob.channels.links or None, "the end of the connection")

    asyncio.run(main())


def test_two_plugins_that_claim_one_number_are_named(tmp_path: Path) -> None:
    async def main() -> None:
        second = tmp_path / "second.py"
        second.write_text(SECOND)
        async with Network(tmp_path / "network") as network:
            alice = await network.node("alice", plugins=(TALKER,))
            await alice.plugins.start((second,))
            row = (await alice.api.plugins())[1]
            assert row.status == "refused"
            assert row.why == "message 40001: talker has it as talker_say, second claims it as second_say"

    asyncio.run(main())


def test_a_slow_plugin_delays_nobody_and_what_it_cannot_take_is_counted(tmp_path: Path) -> None:
    async def main() -> None:
        slow = tmp_path / "slow.py"
        slow.write_text(SLOW)
        async with Network(tmp_path / "network") as network:
            alice, bob = (
                await network.node("alice", **WITH_TALKER),
                await network.node("bob", **WITH_TALKER | {"plugins": (slow,)}),
            )
            channel = await network.channel(alice, bob, 300_000)
            for _ in range(150):
                await call(alice, "say", node_id=bob.node_id.hex(), words="hello")
            invoice = await bob.api.invoice(1_000_000, "beside the talk", 3600)
            await alice.api.pay(invoice.invoice, None, 20)
            (row,) = await bob.api.plugins()
            assert row.dropped == 49, "one is being handled, a hundred of a peer wait"
            assert channel in {each.channel_id for each in await bob.api.channels()}

    asyncio.run(main())
