"""Do events that one plugin alone is told push out none of the node's?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.services import events
from lnpd.services.events import ADDRESSED, TOPICS, Events
from lnpd.store.store import Store
from lnpd.store.write import Write


def test_many_events_of_one_plugins_watches_push_out_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEPT_EVENTS", 10)
    monkeypatch.setattr(events, "PRUNE_EVERY", 5)

    def happen(write: Write) -> None:
        Events.record(write, "payment_received", {"payment_hash": "00", "amount_msat": 1})
        for height in range(99):
            Events.record(write, ADDRESSED, {"plugin": "greedy", "key": "k", "what": "height", "height": height})

    async def story() -> None:
        store = Store.open(tmp_path, "regtest")
        try:
            log = Events(store)
            await store.write(happen)
            kept = await log.since(0, 1_000)
            assert [each.topic for each in kept] == ["payment_received", *[ADDRESSED] * 10]
            await store.write(lambda write: [Events.record(write, "channel_ready", {}) for _ in range(20)])
            topics = [each.topic for each in await log.since(0, 1_000)]
            assert (topics.count(ADDRESSED), topics.count("channel_ready"), len(topics)) == (10, 10, 20)
        finally:
            await store.close()

    assert ADDRESSED in TOPICS
    asyncio.run(story())
