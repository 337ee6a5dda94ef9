"""How is an exhibit of the museum provoked, and what does the user see then?

Each provocation shows the exhibit on alice (where it needs a peer who has it, on bob too), does what a user would do,
and returns what the user is shown: a line of `lnp plugin list`, a result, or an error with the name of its rule.
"""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
from lnpd_sdk import envelope

from lnpd.errors import LnpdError
from lnpd.services.plugins import process
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.table import OFFERS
from lnpd.testing import shown, until, until_asked
from tests.plugins.hall import Hall
from tests.services.plugins.test_keeper import alive

Provocation = Callable[[Hall, str], Awaitable[str]]
KIND = "moody/static_remotekey"
CAPACITY_SAT = 1_000_000
BEFORE_AND_AFTER = ("before", "after")


async def listed(hall: Hall, plugin: Plugin) -> str:
    """A plugin as `lnp plugin list` shows it."""
    row = await hall.row(plugin)
    return f"{row.status}, {row.starts} starts, {row.faults} faults: {row.why}"


async def told(asked: Awaitable[object]) -> str:
    """A result as JSON, or an error."""
    try:
        result = await asked
    except LnpdError as error:
        return f"{type(error).__name__}: {error}"
    return json.dumps(msgspec.to_builtins(result))


# --- at its start
async def started(hall: Hall, name: str) -> str:
    """Nothing more than that."""
    return await listed(hall, await hall.shown(name))


async def quarantined(hall: Hall, name: str) -> str:
    """It is started until nobody starts it any more."""
    with patch.object(process, "MAX_FAILURES", 5):
        plugin = await hall.shown(name)
        await until(lambda: plugin.status == "quarantined", "the quarantine")
    return await listed(hall, plugin)


async def started_again(hall: Hall, name: str) -> str:
    """Its process is killed, and started again."""
    plugin = await hall.shown(name)
    assert plugin.status == "ready", plugin.why
    kill(plugin)
    await until(lambda: plugin.status == "refused", "its second life")
    return await listed(hall, plugin)


def kill(plugin: Plugin) -> None:
    """Its process, at once."""
    assert plugin.pid is not None
    os.killpg(plugin.pid, signal.SIGKILL)


# --- by the user's other commands
async def reloaded(hall: Hall, name: str) -> str:
    """`lnp plugin reload`."""
    plugin = await hall.shown(name)
    assert plugin.status == "ready", plugin.why
    answer = await told(hall.alice.api.plugin_reload(plugin.name))
    return f"{answer}\n{await listed(hall, plugin)}"


async def reloaded_under_a_channel(hall: Hall, name: str) -> str:
    """`lnp plugin reload` while a channel pins its provider; then its process is killed, and starts as it would have
    been reloaded: what the channel shows then."""
    plugin, twin = await hall.shown(name), await hall.shown(name, hall.bob)
    try:
        kind = f"{plugin.name}/static_remotekey"
        channel = await hall.network.channel(hall.alice, hall.bob, CAPACITY_SAT, 200_000, kind)
        answer = await told(hall.alice.api.plugin_reload(plugin.name))
        await hall.network.active(channel, hall.alice, hall.bob)
        starts = plugin.starts
        kill(plugin)
        await until(lambda: plugin.starts > starts and plugin.status in ("ready", "refused"), "its next life")
        row = await shown(hall.alice, channel)
        assert row is not None
        return f"{answer}\n{await listed(hall, plugin)}\nfrozen: {row.frozen}"
    finally:
        await hall.removed(twin, hall.bob)


async def set_an_option(hall: Hall, name: str) -> str:
    """`lnp plugin set`."""
    plugin = await hall.shown(name)
    answer = await told(hall.alice.api.plugin_set(plugin.name, "mood", "worse"))
    await until(lambda: plugin.status == "ready", "the plugin")
    kept = [each.value for each in await hall.alice.api.plugin_options(plugin.name)]
    return f"{answer}\n{kept}\n{await listed(hall, plugin)}"


async def an_event(hall: Hall, name: str) -> str:
    """The guest publishes something."""
    plugin = await hall.shown(name)
    await hall.alice.api.call_plugin("guest-say", {"words": "news"})
    await until(lambda: plugin.faults or plugin.starts > 1, "the failure")
    await until(lambda: plugin.status == "ready" and plugin.life and plugin.life.is_up, "the plugin")  # type: ignore[attr-defined]
    return await listed(hall, plugin)


async def two_events(hall: Hall, name: str) -> str:
    """The guest publishes two things, one after the other; the exhibit's command says what it heard."""
    plugin = await hall.shown(name)
    said: list[str] = []
    for words in ("one", "two"):
        await hall.alice.api.call_plugin("guest-say", {"words": words})
        said.append(words)

        async def heard(words: str = words) -> bool:
            rows: Any = await hall.alice.api.call_plugin("bad-command", {})
            return words in [row["words"] for row in rows]

        await until_asked(heard, f"the event {words}")
    return f"heard {said}\n{await listed(hall, plugin)}"


async def paid_by_carol(hall: Hall, name: str) -> str:
    """carol pays alice, whose plugin is asked about the HTLC."""
    plugin = await hall.shown(name)
    answer = await told(hall.pay(hall.alice, hall.carol))
    return f"{answer}\n{await listed(hall, plugin)}"


async def paid_by_carol_and_back(hall: Hall, name: str) -> str:
    """carol pays alice, whose plugin hangs over the HTLC until a ping finds that."""
    plugin = await hall.shown(name)
    answer = await told(hall.pay(hall.alice, hall.carol))
    return f"{answer}\n{await listed_again(hall, plugin)}"


async def listed_again(hall: Hall, plugin: Plugin) -> str:
    """Its line once it was started again."""
    await until(lambda: plugin.starts > 1 and plugin.status == "ready", "its next start")
    return await listed(hall, plugin)


# --- by a command
def command(**params: object) -> Provocation:
    """Its command bad-command, and the line of the list after it."""

    async def provoke(hall: Hall, name: str) -> str:
        plugin = await hall.shown(name)
        assert plugin.status == "ready", plugin.why
        answer = await told(hall.alice.api.call_plugin("bad-command", params))
        return f"{answer}\n{await listed(hall, plugin)}"

    provoke.__name__ = "command"
    return provoke


async def command_to_bob(hall: Hall, name: str) -> str:
    """A command that sends something to bob."""
    return await command(node_id=hall.bob.node_id.hex(), message="guest_word")(hall, name)


async def command_of_the_core(hall: Hall, name: str) -> str:
    """A command that sends a message of the node's own to bob."""
    return await command(node_id=hall.bob.node_id.hex(), message="ping")(hall, name)


async def command_on_a_channel(hall: Hall, name: str) -> str:
    """A command that touches a channel."""
    return await command(channel_id=hall.plain)(hall, name)


async def commands(hall: Hall, name: str) -> str:
    """Its command, many times."""
    plugin = await hall.shown(name)
    answers = {await told(hall.alice.api.call_plugin("bad-command", {})) for _ in range(20)}
    return f"{sorted(answers)}\n{await listed(hall, plugin)}"


async def command_until_the_end(hall: Hall, name: str) -> str:
    """A command that the node ends for what it does."""
    with patch.object(process, "PAUSES_SECONDS", (60.0,)):
        plugin = await hall.shown(name)
        answer = await told(hall.alice.api.call_plugin("bad-command", {}))
        await until(lambda: plugin.status == "waiting", "its end")
        return f"{answer}\n{await listed(hall, plugin)}"


async def every_service(hall: Hall, name: str) -> str:
    """Asks for every service that needs a grant, and for one that does not exist: what was not refused."""
    plugin = await hall.shown(name)
    needy = [offer.name for offer in OFFERS.values() if offer.capability]
    assert len(needy) >= 2, "there are services that need a grant"
    answers = {service: await asked(hall, service) for service in [*needy, "shutdown"]}
    given = [service for service in needy if "may not ask for" not in answers[service]]
    return f"given: {given}; {answers['propose']}; {answers['shutdown']}\n{await listed(hall, plugin)}"


async def asked(hall: Hall, service: str) -> str:
    """What comes of asking for a service."""
    params = {"service": service, "params": envelope.encode({}).hex()}
    return await told(hall.alice.api.call_plugin("bad-command", params))


# --- processes
async def ended_with_its_child(hall: Hall, name: str) -> str:
    """Its command returns a process that it started; then the plugin is stopped."""
    plugin = await hall.shown(name)
    child: Any = await hall.alice.api.call_plugin("bad-command", {})
    assert alive(child)
    await hall.removed(plugin)
    await until(lambda: not alive(child), "the child's end")
    return "the child has ended"


async def stopped(hall: Hall, name: str) -> str:
    """It is told to end, by SIGTERM and by the node."""
    plugin = await hall.shown(name)
    pid = plugin.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    answer = await told(hall.alice.api.call_plugin("bad-command", {}))
    await hall.removed(plugin)
    await until(lambda: not alive(pid), "its end")
    return f"{answer}; then it has ended"


# --- by peers
async def connected(hall: Hall, name: str) -> str:
    """bob comes again: a hook is asked."""
    plugin = await hall.shown(name)
    await hall.alice.api.disconnect(hall.bob.node_id.hex())
    await hall.network.connect(hall.bob, hall.alice)
    # An end is known a moment before the status says so.
    await until(lambda: plugin.status == "ready" and (plugin.starts > 1 or "ended" not in plugin.why), "the plugin")
    return await listed(hall, plugin)


async def asked_to_open(hall: Hall, name: str) -> str:
    """bob opens a channel to alice, whose plugin answers the hook."""
    plugin = await hall.shown(name)
    await hall.network.fund(hall.bob, CAPACITY_SAT)
    answer = await told(hall.bob.api.open(hall.alice.node_id.hex(), 300_000, 0, "", (), None))
    return f"{'opened' if 'channel_id' in answer else answer}\n{await listed(hall, plugin)}"


async def said_by_bob(hall: Hall, name: str) -> str:
    """bob's good twin of the plugin sends it a message."""
    return await listed(hall, await _hearing_bob(hall, name))


async def said_by_bob_and_back(hall: Hall, name: str) -> str:
    """A message at which it hangs until a ping finds that."""
    return await listed_again(hall, await _hearing_bob(hall, name))


async def _hearing_bob(hall: Hall, name: str) -> Plugin:
    plugin, twin = await hall.shown(name), await hall.shown(name, hall.bob)
    try:
        answer = await told(hall.bob.api.call_plugin("bad-command", {"node_id": hall.alice.node_id.hex()}))
        assert answer == "null", answer
        await until(lambda: plugin.faults or plugin.starts > 1, "the failure")
        await until(lambda: plugin.status == "ready", "the plugin")
        return plugin
    finally:
        await hall.removed(twin, hall.bob)


# --- as a provider of a channel that is being opened
async def opened(hall: Hall, name: str) -> str:
    """A channel is opened with its provider, `bad`, which lies on both nodes alike."""
    plugin, twin = await hall.shown(name), await hall.shown(name, hall.bob)
    try:
        assert plugin.status == "ready", plugin.why
        answer = await told(hall.alice.api.open(hall.bob.node_id.hex(), CAPACITY_SAT, 0, "", ("bad",), None))
        await until(lambda: plugin.status == "ready" and plugin.pid is not None, "the plugin")
        await told(hall.alice.api.disconnect(hall.bob.node_id.hex()))  # it may be under way: the channel has frozen
        await hall.network.connect(hall.alice, hall.bob)
        return f"{answer}\n{await listed(hall, plugin)}"
    finally:
        await hall.removed(twin, hall.bob)


# --- as a provider
async def moody_channel(hall: Hall) -> tuple[Plugin, str]:
    """alice's plugin moody, in a good mood, and a channel with bob that pins it."""
    found = [each for each in hall.alice.plugins.plugins if each.name == "moody"]
    if not found:
        plugin = await hall.shown("moody", keep=True)
        await hall.shown("moody", hall.bob, keep=True)
        hall.moody = await hall.network.channel(hall.alice, hall.bob, CAPACITY_SAT, 200_000, KIND)
        return plugin, hall.moody
    return found[0], hall.moody


async def good_again(hall: Hall, plugin: Plugin, channel: str) -> None:
    """The mood is over: the channel goes on, with every satoshi."""
    await until(lambda: plugin.status == "ready", "the plugin")
    await hall.network.active(channel, hall.alice, hall.bob)
    await hall.pay(hall.bob)
    driver = hall.alice.channels.driver_of(channel)
    await until(lambda: not driver.channel.log, "the payment's end")
    assert sum(driver.channel.base.balances_msat) == 1000 * CAPACITY_SAT


def in_a_mood(method: str, way: str) -> Provocation:
    """bob is paid over the channel while one function of the provider fails in one way."""

    async def provoke(hall: Hall, _name: str) -> str:
        plugin, channel = await moody_channel(hall)
        seen = await seen_in_a_mood(hall, plugin, channel, f"{method} {way}", hall.pay(hall.bob))
        await good_again(hall, plugin, channel)
        return seen

    provoke.__name__ = f"{method}_{way}"
    return provoke


def closed_in_a_mood(way: str) -> Provocation:
    """A channel is closed while the provider fails to say whether it lets it close: it closes when that can be said."""

    async def provoke(hall: Hall, _name: str) -> str:
        plugin, other = await moody_channel(hall)
        channel = await hall.network.channel(hall.alice, hall.bob, CAPACITY_SAT, 200_000, KIND)
        closing = hall.alice.api.close(channel, False, None)
        seen = await seen_in_a_mood(hall, plugin, channel, f"close {way}", closing)

        async def closed() -> bool:
            row = await shown(hall.alice, channel)
            return row is not None and bool(row.closing_txid)

        await until_asked(closed, "the close, once the plugin is back")
        await hall.network.mine(1)
        await good_again(hall, plugin, other)
        return seen

    provoke.__name__ = f"close_{way}"
    return provoke


def set_mood(plugin: Plugin, mood: str) -> None:
    """What moody does from now on; "" is nothing bad."""
    Path(f"{plugin.path}.mood").write_text(mood)


async def seen_in_a_mood(hall: Hall, plugin: Plugin, channel: str, mood: str, use: Awaitable[object]) -> str:
    """Why the channel waits while it is used and the plugin is in a mood, and what comes of the use."""
    driver = hall.alice.channels.driver_of(channel)
    set_mood(plugin, mood)
    using = asyncio.create_task(told(use))
    try:
        seen = await until(lambda: driver.frozen, "the frozen channel")
    finally:
        set_mood(plugin, "")
        answer = await using
    return f"{seen}\n{answer}"


def killed_at(point: str, moment: str) -> Provocation:
    """bob's is killed exactly before or after a commit of his, while he is paid over the channel that pins it."""

    async def provoke(hall: Hall, _name: str) -> str:
        _, channel = await moody_channel(hall)
        plugin = next(each for each in hall.bob.plugins.plugins if each.name == "moody")
        killed: list[int] = []

        def fault(now: str, points: frozenset[str]) -> None:
            if now == f"{moment}_commit" and point in points and not killed and plugin.pid is not None:
                killed.append(plugin.pid)
                os.killpg(plugin.pid, signal.SIGKILL)

        starts, hall.network.fault = plugin.starts, fault
        try:
            answer = await told(hall.pay(hall.bob))
        finally:
            hall.network.fault = None
        assert killed, "it was not killed"
        await until(lambda: plugin.starts > starts, "its next life")
        await good_again(hall, plugin, channel)
        return f"{answer}, then {plugin.status} again"

    provoke.__name__ = f"killed_{moment}_{point}"
    return provoke
