"""How many events a second reach three plugins, each in a process of its own, while one of them is stuck?

Events are stored as the node stores them, 100 a transaction; each subscriber reads from its own place. What is timed
goes from the first event's storing to the last one's handling by both that are not stuck; then the stuck one is freed,
and what it lags behind is timed again.
"""

import asyncio
import time
from pathlib import Path

from contrib.bench.measure import Size
from contrib.bench.places import sockets
from contrib.bench.report import Section, at_least
from lnpd.hooks.answers import Answers
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry
from lnpd.services.events import Events
from lnpd.services.plugins.host import PluginHost
from lnpd.services.plugins.notifying import Notifying
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.wire.catalogue import BOLT

SOURCE = Path(__file__).with_name("listener_plugin.py")
NAMES = ("one", "other", "stuck")
TOPIC, AT_ONCE, GOAL = "payment_received", 100, 10_000
EVENTS = 30_000
PAYLOAD = {"payment_hash": "5a" * 32, "amount_msat": 21_000}


async def _published(store: Store, events: Events, count: int) -> None:
    def record(write: Write) -> None:
        for _ in range(AT_ONCE):
            Events.record(write, TOPIC, PAYLOAD)

    for _ in range(count // AT_ONCE):
        await store.write(record)
        events.stored()


async def _heard(host: PluginHost, name: str, count: int) -> None:
    while await host.call_rpc(f"{name}-count", {}) != count:  # noqa: ASYNC110 (it counts in another process)
        await asyncio.sleep(0.005)


async def _measured(folder: Path, count: int) -> tuple[float, float]:
    """Events a second for those that are not stuck, and for the one that was."""
    store = Store.open(folder / "store", "regtest")
    events = Events(store)
    host = PluginHost(folder / "run", Registry(BOLT), Answers(), Hooks(), {})
    host.desk.store, host.desk.events, host.desk.notifying = store, events, Notifying(store, events, host.ready)
    paths = []
    for name in NAMES:
        paths.append(folder / f"{name}.py")
        paths[-1].write_text(SOURCE.read_text().replace('NAME = "listener"', f'NAME = "{name}"'))
    try:
        await host.start(tuple(paths))
        await host.call_rpc("stuck-stick", {"stuck": True})
        began = time.perf_counter()
        await asyncio.gather(_published(store, events, count), *(_heard(host, name, count) for name in NAMES[:2]))
        fast = count / (time.perf_counter() - began)
        assert await host.call_rpc("stuck-count", {}) == 0
        began = time.perf_counter()
        await host.call_rpc("stuck-stick", {"stuck": False})
        await _heard(host, "stuck", count)
        return fast, count / (time.perf_counter() - began)
    finally:
        await host.stop()
        await store.close()


def run(size: Size) -> Section:
    """See the file's question."""
    section = Section("notifications: events a second to three plugins in processes, one of them stuck")
    rates = []
    for _ in range(size.rounds):
        with sockets() as folder:
            rates.append(asyncio.run(_measured(folder, AT_ONCE * size.of(EVENTS // AT_ONCE))))
    section.count("both that are not stuck heard", [fast for fast, _ in rates], "/s", at_least(GOAL))
    section.count("the stuck one, once it is freed", [late for _, late in rates], "/s", at_least(GOAL))
    section.note("storing the events is in it; the machine's cores are shared by the node and three plugins")
    return section
