"""Does a running node call every hook as declared, and do its events say what their table says?"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lnpd_sdk.manifest import Filter
from lnpd_sdk.plugin import Node as Host
from lnpd_sdk.plugin import Plugin

from lnpd.errors import CloseBlocked
from lnpd.hooks.kinds import KINDS
from lnpd.services.events import TOPICS
from lnpd.services.node.node import Node
from lnpd.testing import Network, until, until_asked

LOCKBOX = Path(__file__).parents[2] / "plugins" / "lockbox.py"
GUARDED = tuple(("listener", f"hook:{name}") for name, kind in KINDS.items() if kind.guarded)
WITH_LOCKBOX: dict[str, Any] = {"plugins": (LOCKBOX,), "grants": (("lockbox", "updates:1000000"), *GUARDED)}
# What a life of two nodes shows; the others need a broken rule, a payment that fails, or a chain that is undone.
SEEN_IN_A_LIFE = {
    "channel_opening", "channel_ready", "channel_active", "update_committed", "payment_sent", "payment_received",
    "close_blocked", "close_agreed", "channel_on_chain", "channel_closed",
}  # fmt: skip

# What two nodes alone do not show, and where it is tested.
ELSEWHERE = {
    "rpc_command": "tests/e2e/test_hooks_judging.py",
    "forward_settled": "tests/services/payments/test_news.py",
    "block_disconnected": "tests/e2e/test_hooks.py",
    "funding_keys": "tests/e2e/test_recovery.py",
    "initial_states": "tests/e2e/test_initial_states.py",
}

Call = tuple[str, frozenset[str]]


def listening(calls: set[Call]) -> Plugin:
    """A plugin that takes part in every hook and writes down what it is called with."""
    plugin = Plugin("listener", "1")
    for name in KINDS:

        def called(_node: Host, _hook: str = name, **fields: object) -> None:
            calls.add((_hook, frozenset(fields)))

        wanted = (Filter("name", prefix="update_"),) if KINDS[name].filtered_by else ()
        plugin.hook(name, *wanted)(called)
    return plugin


async def life(network: Network, calls: set[Call]) -> tuple[Node, Node]:
    """Open, restart, lock, pay, close, resolve, part."""
    alice, bob = await network.node("alice", **WITH_LOCKBOX), await network.node("bob", **WITH_LOCKBOX)
    for node in (alice, bob):
        await node.plugins.add_in_process(listening(calls))
    channel = await network.channel(alice, bob, kind="lockbox/anchors_zero_fee_htlc_tx")
    bob = await network.restart(bob)
    await bob.plugins.add_in_process(listening(calls))
    await network.active(channel, alice, bob)
    await alice.api.call_plugin("lockbox-put", {"channel_id": channel, "amount_sat": 25_000})
    await alice.api.pay((await bob.api.invoice(5_000_000, "paid", 3600)).invoice, None, 20)
    with pytest.raises(CloseBlocked):
        await alice.api.close(channel, False, None)
    await alice.api.call_plugin("lockbox-give", {"channel_id": channel, "box": 0})
    await network.seen(await until_asked(lambda: closing(alice), "the close"))  # signed first, then broadcast
    await network.mine(101)
    for node in (alice, bob):
        await until_asked(lambda node=node: known(node, "channel_closed"), "its end")  # type: ignore[misc]
    await alice.api.disconnect(bob.node_id.hex())
    return alice, bob


async def logged(node: Node) -> list[tuple[str, frozenset[str]]]:
    """A node's events: topic and names of fields."""
    return [(e.topic, frozenset(msgspec.json.decode(e.payload))) for e in await node.events.since(0, 1000)]


async def closing(node: Node) -> str | None:
    """The closing transaction's id, once it is signed."""
    found = [e.payload for e in await node.events.since(0, 1000) if e.topic == "close_agreed"]
    return str(msgspec.json.decode(found[0])["txid"]) if found else None


async def known(node: Node, topic: str) -> bool:
    """Whether the node has logged such an event."""
    return topic in {name for name, _ in await logged(node)}


def test_every_hook_is_called_and_every_event_says_what_the_table_says(tmp_path: Path) -> None:
    calls: set[Call] = set()
    for name, place in ELSEWHERE.items():
        assert name in (Path(__file__).parents[2] / place).read_text()
    declared = {(name, frozenset(KINDS[name].fields)) for name in KINDS if name not in ELSEWHERE}

    async def main() -> None:
        async with Network(tmp_path) as network:
            nodes = await life(network, calls)
            await until(lambda: calls == declared, f"every hook; {declared - calls} is missing")
            events = [event for node in nodes for event in await logged(node)]
            assert {topic for topic, _ in events} == SEEN_IN_A_LIFE
            for topic, fields in events:
                named = {field for field in fields if not field.startswith("blocked by ")}
                assert named == set(TOPICS[topic].fields), topic

    asyncio.run(main())


def test_a_block_that_is_undone_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, calls = await network.node("alice"), list[tuple[str, int]]()
            plugin = Plugin("historian", "1")

            @plugin.hook("block_disconnected")
            def undone(_node: Host, height: int, block_hash: str) -> None:
                calls.append((block_hash, height))

            await alice.plugins.add_in_process(plugin)
            await network.mine(2)
            best = await network.chain.best_block()
            await until(lambda: alice.watcher.height == best.height, "the tip")
            await network.chain.reorganise(1, 2)
            await until(lambda: calls == [(best.hash[::-1].hex(), best.height)], "the block that is undone")

    asyncio.run(main())
