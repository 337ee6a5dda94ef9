"""Do plugins hear of events in order, at least once, each at its own pace, and of others' only what is theirs?"""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.plugin import Event, Node, Plugin

from lnpd.errors import ManifestRefused
from lnpd.services.events import Events
from lnpd.services.plugins import notifying
from lnpd.services.plugins.host import PluginHost
from lnpd.services.plugins.offers import events as offered
from lnpd.store.write import Write
from lnpd.testing import until, until_asked
from tests.services.plugins.offers.desk import desk
from tests.services.plugins.test_host import written

TOPIC = "payment_received"


class Listener:
    """A plugin that hears of a topic, while it is not stuck."""

    def __init__(self, name: str, *topics: str) -> None:
        self.plugin, self.heard, self.free = Plugin(name, "1"), list[int](), asyncio.Event()
        self.free.set()

        @self.plugin.on(*(topics or (TOPIC,)))
        async def heard(_node: Node, event: Event) -> None:
            await self.free.wait()
            self.heard.append(event.fields()["number"])


async def happened(host: PluginHost, first: int, last: int) -> None:
    """Events with the numbers from `first` up to `last`, and as many of another topic."""

    def record(write: Write) -> None:
        for number in range(first, last):
            Events.record(write, TOPIC, {"number": number})
            Events.record(write, "payment_sent", {"number": number})

    assert host.desk.store is not None and host.desk.events is not None
    await host.desk.store.write(record)
    host.desk.events.stored()


def test_one_that_is_stuck_holds_up_nobody_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with desk(tmp_path) as host:
            await happened(host, -5, 0)  # before they came
            one, other, stuck = Listener("one"), Listener("other"), Listener("stuck")
            stuck.free.clear()
            given: list[int] = []
            for listener in (one, other, stuck):
                await host.add_in_process(listener.plugin)
            hear = stuck.plugin.hear

            async def counted(batch: notifying.Notifications) -> notifying.Heard:
                given.append(len(batch.events))
                return await hear(batch)

            monkeypatch.setattr(stuck.plugin, "hear", counted)
            for first in range(0, 5_000, 1_000):
                await happened(host, first, first + 1_000)
            for listener in (one, other):
                await until(lambda listener=listener: len(listener.heard) == 5_000)  # type: ignore[misc]
                assert listener.heard == list(range(5_000))
            assert stuck.heard == []
            assert len(given) == 1 and given[0] <= notifying.BATCH  # it costs one batch, however far it is behind
            stuck.free.set()
            await until(lambda: len(stuck.heard) == 5_000)
            assert stuck.heard == list(range(5_000))

    asyncio.run(main())


def test_places_outlive_plugin_and_node(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as host:
            one = Listener("one")
            await host.add_in_process(one.plugin)
            await happened(host, 0, 10)
            await until(lambda: len(one.heard) == 10)
        async with desk(tmp_path) as host:
            await happened(host, 10, 20)  # while it was away
            again = Listener("one")
            await host.add_in_process(again.plugin)
            await until(lambda: len(again.heard) >= 10)
            assert again.heard[-10:] == list(range(10, 20))
            assert len(again.heard) in (10, 20)  # at least once: the last batch again if it was not said in time

    asyncio.run(main())


def test_what_raises_comes_again_and_is_left_out_at_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifying, "PAUSES_SECONDS", (0.0,))

    async def main() -> None:
        async with desk(tmp_path) as host:
            plugin, tried = Plugin("one", "1"), list[int]()

            @plugin.on(TOPIC)
            def heard(_node: Node, event: Event) -> None:
                tried.append(event.fields()["number"])
                if tried[-1] == 2 or tried.count(1) == tried[-1] == 1:
                    raise ValueError("my bug")

            here = await host.add_in_process(plugin)
            await happened(host, 0, 4)
            await until(lambda: tried[-1:] == [3])
            assert tried == [0, 1, 1, *([2] * (tried.count(2))), 3]
            assert notifying.TRIES <= tried.count(2) <= notifying.TRIES + 1
            assert here.faults >= notifying.TRIES - 1

    asyncio.run(main())


def test_a_plugin_publishes_its_own_topics_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offered, "KEPT_EVENTS", 3)
    monkeypatch.setattr(offered, "PRUNE_EVERY", 5)

    async def main() -> None:
        async with desk(tmp_path) as host:
            lamp, listener = Plugin("lamp", "1"), Listener("one", "lamp/lit")
            lamp.topic("lamp/lit", "A lamp was lit.")
            await host.add_in_process(lamp)
            await host.add_in_process(listener.plugin)
            assert lamp.node is not None and host.desk.store is not None
            for number in range(11):
                await lamp.node.publish("lamp/lit", number=number)
                await until(lambda: len(listener.heard) == number + 1)  # noqa: B023  before it may be forgotten
            kept = await host.desk.store.read(lambda read: read.events_since(0, 100))
            assert [row.topic for row in kept] == ["lamp/lit"] * 3  # after the eleventh
            for topic, code, fields in (
                (TOPIC, "TopicNotOwned", {}),
                ("lamp/dark", "TopicNotOwned", {}),
                ("lamp/lit", "EventUnfit", {"text": "x" * 20_000}),
            ):
                with pytest.raises(CallFailed) as refused:
                    await lamp.node.publish(topic, **fields)
                assert refused.value.code == code
            await happened(host, 0, 10)
            assert await host.desk.store.write(lambda write: write.prune_events(2)) == 18  # the node's own

    asyncio.run(main())


def test_who_was_away_too_long_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as host:
            one = Listener("one")
            await host.add_in_process(one.plugin)
            await happened(host, 0, 1)
            await until(lambda: one.heard == [0])
        async with desk(tmp_path) as host:
            await happened(host, 1, 50)
            assert host.desk.store is not None
            await host.desk.store.write(lambda write: write.prune_events(10))
            again, missed = Listener("one"), list[int]()
            again.plugin.on("missed")(lambda _node, event: missed.append(event.sequence))
            await host.add_in_process(again.plugin)
            await until(lambda: again.heard[-1:] == [49])
            assert again.heard == [45, 46, 47, 48, 49]
            assert len(missed) == 1

    asyncio.run(main())


@pytest.mark.parametrize("topic", ["lamp", "other/lit", "lamp/", "lamp/Lit", "lamp/a b"])
def test_a_topic_is_named_after_its_plugin(tmp_path: Path, topic: str) -> None:
    async def main() -> None:
        async with desk(tmp_path) as host:
            lamp = Plugin("lamp", "1")
            lamp.topic(topic, "No good name.")
            with pytest.raises(ManifestRefused, match="which is lamp/TOPIC"):
                await host.add_in_process(lamp)

    asyncio.run(main())


PROCESS = """
    @plugin.on("payment_received")
    async def heard(node, event):
        await node.kv_put(str(event.fields()["number"]), b"")

    @plugin.rpc("the sum of what it heard", name="bad-sum")
    async def total(node):
        return sum(int(row.key) for row in (await node.kv_list(limit=1_000)).rows)
"""


def test_a_process_that_is_killed_goes_on_and_loses_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as host:
            await host.start((written(tmp_path, PROCESS),))
            (plugin,) = host.plugins
            assert plugin.status == "ready", plugin.why
            await happened(host, 0, 20)

            async def summed(wanted: int) -> bool:
                return plugin.status == "ready" and await host.call_rpc("bad-sum", {}) == wanted

            await until_asked(lambda: summed(190), "all of them")
            await happened(host, 20, 100)
            assert plugin.pid is not None
            os.kill(plugin.pid, signal.SIGKILL)
            await until(lambda: plugin.starts == 2 and plugin.status == "ready")
            await until_asked(lambda: summed(4_950), "all of them, each once: it keeps what it has seen")

    asyncio.run(main())
