"""Is what a look finds told to every reader, is trouble said once, and does nothing end the looking?"""

import asyncio
import logging

import pytest

from lnpd.chain import observer as chain_observer
from lnpd.chain.interface import BlockRef, NewTip
from lnpd.chain.observer import MAX_EVENTS, MOST_COMPLAINTS, EventStream, Observer
from lnpd.errors import ChainError


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_observer, "RETRY_SECONDS", 0.001)


def tip(height: int) -> NewTip:
    return NewTip(BlockRef(height, bytes(32)))


class Looks:
    """What each look is to end in; then it waits for ever. `heard` is how each was asked."""

    def __init__(self, *ends: Exception | NewTip) -> None:
        self.ends, self.heard, self.done = list(ends), list[tuple[bool, bool]](), asyncio.Event()
        self.observer = Observer("the chain", self.look, lambda: 0.001)

    async def look(self, woken: bool, failed: bool) -> None:
        self.heard.append((woken, failed))
        if not self.ends:
            self.done.set()
            await asyncio.Event().wait()
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        self.observer.spread(end)

    async def run(self) -> None:
        self.observer.start()
        await asyncio.wait_for(self.done.wait(), 20)
        await self.observer.close()


def test_every_reader_hears_of_it_and_closing_ends_the_streams() -> None:
    async def main() -> None:
        looks = Looks(tip(1), tip(2))
        readers = [looks.observer.stream() for _ in range(2)]
        await looks.run()
        for reader in readers:
            assert [event async for event in reader] == [tip(1), tip(2)]
        assert looks.heard == [(False, False)] * 3, "by the clock"

    asyncio.run(main())


def test_who_is_woken_does_not_wait_for_the_clock() -> None:
    async def main() -> None:
        looks = Looks()
        looks.observer = Observer("the chain", looks.look, lambda: 3600)
        looks.observer.wake()
        await looks.run()
        assert looks.heard == [(True, False)]

    asyncio.run(main())


def test_trouble_is_said_once_and_tried_again_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        away = ChainError("away")
        looks = Looks(away, away, ChainError("busy"), KeyError("defect"), away, tip(1), away, tip(2))
        await looks.run()
        assert [failed for _, failed in looks.heard] == [False, True, True, True, True, True, False, True, False]

    with caplog.at_level(logging.WARNING, "lnpd.chain"):
        asyncio.run(main())
    assert [record.getMessage() for record in caplog.records] == [
        "the chain does not help: away",
        "the chain does not help: busy",
        "looking at the chain failed",
        "the chain answers again",
        "the chain does not help: away",
        "the chain answers again",
    ]


def test_a_silence_that_is_told_in_many_words_is_not_said_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(Looks(*(ChainError(f"no answer after {n} s") for n in range(50))).run())
    assert caplog.text.count("does not help") == MOST_COMPLAINTS


def test_a_reader_that_lags_loses_the_oldest_and_knows_it() -> None:
    async def main() -> None:
        stream = EventStream()
        for height in range(MAX_EVENTS + 3):
            stream.put(tip(height))
        stream.close()
        assert [event async for event in stream] == [tip(height) for height in range(3, MAX_EVENTS + 3)]
        assert stream.dropped == 3

    asyncio.run(main())
