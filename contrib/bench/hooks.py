"""How long does it take to ask a plugin, through the whole of the real host?

A hook goes through the plugin's proxy, the bus, the SDK's client and the author's function, and back. Beside
it: a frame of the same length over a socketpair, blocking on both ends, which is the kernel's share of any question;
and the same question as JSON-RPC over pipes. There the plugin blocks, as Core Lightning's do, and the node is on an
event loop, as it must be; a node that blocks as well is shown without a goal. The steps between the first and the last
of these, each with what it adds, are in a table of processor time (steps.py).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count as numbers
from pathlib import Path

from lnpd_sdk import envelope
from lnpd_sdk.envelope import Call
from lnpd_sdk.questions import RpcRequest
from lnpd_sdk.types import View

from contrib.bench.echoes import (
    Volley,
    json_loop,
    json_pipes,
    link_bare,
    socketpair,
    zmq_asyncio,
    zmq_bare,
    zmq_blocking,
)
from contrib.bench.measure import AsyncTimed, Series, Size, contest_async, seconds_each
from contrib.bench.places import sockets
from contrib.bench.profiling import profile_async
from contrib.bench.report import Section, at_least, at_most
from contrib.bench.steps import Metered, Newcomers, table
from lnpd.hooks.answers import Answers
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry
from lnpd.services.plugins.host import PluginHost
from lnpd.tx.graph import ProviderCall
from lnpd.wire.catalogue import BOLT

PLUGIN = Path(__file__).with_name("echo_plugin.py")
HOOK = "block_connected"
PARAMS: dict[str, object] = {"height": 800_000, "block_hash": "5a" * 32}
FRAME = envelope.pack(Call(1000, "hook", envelope.raw(RpcRequest(HOOK, envelope.raw(PARAMS)))))
VIEW = View(bytes(32), 0, 1_000_000, 0, 1, 253, (354, 354), (144, 100), (500_000_000, 500_000_000), ())
COUNT, TOGETHER, TURNS = 100, 100, 5
GOAL_SOCKETPAIR, GOAL_JSON, GOAL_ZMQ = 4.0, 1.6, 2.5
ECHO, JSON, JSON_BLOCKING = "socketpair echo", "JSON-RPC over pipes", "JSON-RPC over pipes, node blocks"
AT_ONCE, BARE_ZMQ = f"{TOGETHER} at once", "bare zmq.asyncio frames"
ZMQ_BLOCKING, BARE = "bare frame over ZeroMQ, both ends block", "bare frame over ZeroMQ, nothing decoded"
STEPS = {  # what each way has that the one before does not have
    ECHO: "a socketpair; both ends block, nothing is decoded",
    ZMQ_BLOCKING: "ZeroMQ in its place: a thread more at each end",
    BARE: "an event loop at each end, so that neither blocks",
    "ping": "calls: frames read and written, numbers, deadlines",
    "plugin call": "the hook's fields and answer; the author's function",
    "hook": "who is asked, trace, figures, a check of the answer",
}

Ask = Callable[[], Awaitable[object]]


@asynccontextmanager
async def hosted(folder: Path) -> AsyncIterator[PluginHost]:
    """A host with the echo plugin in a process of its own."""
    host = PluginHost(folder / "run", Registry(BOLT), Answers(), Hooks(), {})
    await host.start((PLUGIN,))
    try:
        (plugin,) = host.plugins
        assert plugin.status == "ready", plugin.why
        yield host
    finally:
        await host.stop()


def asking_hook(host: PluginHost) -> Ask:
    """Asks everybody who takes part in the hook, which is one plugin."""

    async def ask() -> None:
        assert await host.hooks.gather(HOOK, **PARAMS) == [PARAMS["height"]]

    return ask


def asking_provider(host: PluginHost) -> Ask:
    """Asks the provider about a state that it has never seen: nothing comes from the cache."""
    states = numbers()

    async def ask() -> None:
        state = next(states).to_bytes(32, "big")
        assert await host.answers.answer(ProviderCall("echo", 1, "contribute", (VIEW, state))) == ()

    return ask


def one_by_one(ask: Ask, count: int) -> AsyncTimed:
    """Seconds of one question, each asked when the one before is answered."""

    async def timed() -> float:
        start = time.perf_counter()
        for _ in range(count):
            await ask()
        return (time.perf_counter() - start) / count

    return timed


def pipelined(ask: Ask, count: int) -> AsyncTimed:
    """Seconds of one question, TOGETHER of them on their way at any time."""

    async def timed() -> float:
        start = time.perf_counter()
        for _ in range(0, count, TOGETHER):
            await asyncio.gather(*(ask() for _ in range(TOGETHER)))
        return (time.perf_counter() - start) / count

    return timed


def blocking(operation: Callable[[], object], count: int) -> AsyncTimed:
    """Seconds of one question that blocks."""

    async def timed() -> float:
        return seconds_each(count, operation)

    return timed


def volleys(volley: Volley, count: int) -> AsyncTimed:
    """Seconds of one frame there and back, TOGETHER of them on their way at any time."""

    async def timed() -> float:
        start = time.perf_counter()
        for _ in range(0, count, TOGETHER):
            await volley(TOGETHER)
        return (time.perf_counter() - start) / count

    return timed


async def measured(folder: Path, size: Size) -> tuple[dict[str, Series], list[str]]:
    """Seconds of one question in each of the ways, and where they go."""
    count, many = size.of(COUNT, 2), size.of(3) * TOGETHER
    async with AsyncExitStack() as ways:
        new = Newcomers()
        echo, echoes = ways.enter_context(socketpair(FRAME)), new()
        rpc = ways.enter_context(json_pipes(HOOK, PARAMS))
        json_ask = await ways.enter_async_context(json_loop(HOOK, PARAMS))
        new()
        host, plugins = await ways.enter_async_context(hosted(folder)), new()
        block, blockers = await ways.enter_async_context(zmq_blocking(folder, FRAME)), new()
        links, linked = await ways.enter_async_context(link_bare(folder, FRAME)), new()
        caller = await ways.enter_async_context(zmq_asyncio(folder))
        sockets_of_zmq = await ways.enter_async_context(zmq_bare(folder, FRAME))
        plugin = host.plugins[0]
        steps = {
            ECHO: Metered(blocking(echo, count), count, echoes),
            ZMQ_BLOCKING: Metered(blocking(block, count), count, blockers),
            BARE: Metered(one_by_one(lambda: links(1), count), count, linked),
            "ping": Metered(one_by_one(lambda: plugin.call("ping", None, 5.0), count), count, plugins),
            "plugin call": Metered(one_by_one(lambda: plugin.hook(HOOK, PARAMS), count), count, plugins),
            "hook": Metered(one_by_one(asking_hook(host), count), count, plugins),
        }
        contestants: dict[str, AsyncTimed] = {
            "hook": steps["hook"],
            "provider question": one_by_one(asking_provider(host), count),
            JSON: one_by_one(json_ask, count),
            JSON_BLOCKING: blocking(rpc, count),
            **steps,
            "zmq.asyncio, same calls": one_by_one(lambda: caller.hook(HOOK, PARAMS), count),
            f"hooks, {AT_ONCE}": pipelined(asking_hook(host), many),
            f"plugin calls, {AT_ONCE}": pipelined(lambda: plugin.hook(HOOK, PARAMS), many),
            f"zmq.asyncio calls, {AT_ONCE}": pipelined(lambda: caller.hook(HOOK, PARAMS), many),
            f"bare frames, {AT_ONCE}": volleys(links, many),
            f"bare zmq.asyncio frames, {AT_ONCE}": volleys(sockets_of_zmq, many),
        }
        found = await contest_async(contestants, TURNS * size.rounds)
        return found, table([(text, steps[name]) for name, text in STEPS.items()], steps[ECHO])


def profiled(make: Callable[[PluginHost], AsyncTimed]) -> list[str]:
    """What costs the time in the core's process."""

    async def main(folder: Path) -> list[str]:
        async with hosted(folder) as host:
            return await profile_async(make(host))

    with sockets() as folder:
        return asyncio.run(main(folder))


def _tell_floor(section: Section, found: dict[str, Series]) -> None:
    """What the goals leave for all that is not ZeroMQ's, nor the event loops'."""
    for name, rival, goal in (("socketpair", ECHO, GOAL_SOCKETPAIR), ("JSON-RPC", JSON, GOAL_JSON)):
        library, bare = (found[way].over(found[rival]).median for way in (ZMQ_BLOCKING, BARE))
        section.note(
            f"a frame that nobody reads takes {library:.1f}x {name} over ZeroMQ alone and {bare:.1f}x with event loops,"
            f" of the {goal:g}x that a whole question may take"
        )


def run(size: Size) -> Section:
    """See the file's question."""
    section = Section(f"hooks: core to plugin process and back, frames of {len(FRAME)} bytes")
    with sockets() as folder:
        found, costs = asyncio.run(measured(folder, size))
    for name, series in found.items():
        section.time(name, series)
    count = size.of(4 * COUNT, 2)
    ways: tuple[tuple[str, Callable[[PluginHost], AsyncTimed]], ...] = (
        ("hook", lambda host: one_by_one(asking_hook(host), count)),
        ("provider question", lambda host: one_by_one(asking_provider(host), count)),
    )
    for name, make in ways:
        why = partial(profiled, make)
        section.ratio(f"{name}: time / {ECHO}", found[name].over(found[ECHO]), at_most(GOAL_SOCKETPAIR), why)
        section.ratio(f"{name}: time / {JSON}", found[name].over(found[JSON]), at_most(GOAL_JSON), why)
        section.ratio(f"{name}: time / {JSON_BLOCKING}", found[name].over(found[JSON_BLOCKING]))
    why = partial(profiled, lambda host: pipelined(asking_hook(host), TOGETHER * size.of(10)))
    pairs = (("hooks", "zmq.asyncio calls"), ("plugin calls", "zmq.asyncio calls"), ("bare frames", BARE_ZMQ))
    for ours, theirs in pairs:
        speed = found[f"{theirs}, {AT_ONCE}"].over(found[f"{ours}, {AT_ONCE}"])
        section.ratio(f"{ours}, {AT_ONCE}: speed / {theirs}", speed, at_least(GOAL_ZMQ), why)
    section.doubt(ECHO, found[ECHO])
    section.notes += costs
    _tell_floor(section, found)
    section.note(
        "hooks answer through dispatch, proxies and the SDK; the zmq.asyncio calls have nothing of that around them"
    )
    return section
