"""Does whoever reads the log get each line once, learn what was lost, and cost nothing while they are slow?"""

import asyncio
import logging
import threading

import pytest

from lnpd.errors import ParameterRefused
from lnpd.rpc.answers import Log
from lnpd.services.logs import reader
from lnpd.services.logs.ring import RING, Ring


def say(ring: Ring, *messages: str, level: int = logging.INFO, name: str = "lnpd.peers") -> None:
    for message in messages:
        ring.handle(logging.LogRecord(name, level, "here", 1, message, (), None))


def read(ring: Ring, lines: int = 20, level: str | None = None, of: tuple[str, ...] = (), since: int | None = None,
         follow: bool = False) -> Log:  # fmt: skip
    return asyncio.run(reader.read(ring, lines, level, of, since, follow))


def words(said: Log) -> list[str]:
    return [line.message for line in said.lines]


def test_the_last_lines_are_read_and_then_those_that_came_later() -> None:
    ring = Ring()
    say(ring, *map(str, range(10)))
    said = read(ring, 3)
    assert (words(said), said.last, said.lost) == (["7", "8", "9"], 10, 0)
    say(ring, "a", "b")
    later = read(ring, since=said.last)
    assert (words(later), later.last, later.lost) == (["a", "b"], 12, 0)
    assert words(read(ring, 1, since=10)) == ["a"] and read(ring, 1, since=10).last == 11
    assert read(ring, since=12) == Log((), 12, 0)


def test_no_line_of_this_life_is_skipped_for_a_number_of_another() -> None:
    ring = Ring(began=1_000)
    say(ring, "a", "b")
    assert read(ring).last == 1_002
    for since in (0, 7, 999, 1_000, 1_003, 10**12):
        assert (words(read(ring, since=since)), read(ring, since=since).lost) == (["a", "b"], 0), since
    assert words(read(ring, since=1_001)) == ["b"]
    assert RING.began > 10**12, "milliseconds"


def test_lines_are_chosen_by_level_and_subsystem() -> None:
    ring = Ring()
    say(ring, "a", level=logging.DEBUG)
    say(ring, "b", level=logging.WARNING)
    say(ring, "c", level=logging.ERROR, name="lnpd.chain")
    say(ring, "d", name="asyncio")
    assert words(read(ring)) == ["a", "b", "c", "d"]
    assert words(read(ring, level="warning")) == ["b", "c"]
    assert words(read(ring, of=("chain",))) == ["c"] and words(read(ring, of=("chain", "peers"))) == ["a", "b", "c"]
    assert read(ring, level="error", since=0).last == 4, "what is not wanted is not looked at again"
    with pytest.raises(ParameterRefused, match="did you mean 'peers'"):
        read(ring, of=("peer",))


def test_memory_is_bounded_and_who_was_slow_learns_what_is_gone() -> None:
    ring = Ring(max_lines=5, max_characters=100)
    say(ring, *map(str, range(10)))
    said = read(ring, since=2)
    assert (words(said), said.lost, said.last) == (["5", "6", "7", "8", "9"], 3, 10)
    say(ring, "x" * 90, "y" * 90)
    assert words(read(ring)) == ["y" * 90] and ring._characters == 90
    say(ring, "z" * 200)
    assert words(read(ring)) == ["z" * 200], "the last one stays, however long"


def test_who_follows_is_woken_by_any_thread_and_leaves_nothing_behind() -> None:
    ring = Ring()

    async def main() -> None:
        waiting = asyncio.create_task(reader.read(ring, 20, "warning", (), 0, True))
        while not ring._waiting:
            await asyncio.sleep(0)
        say(ring, "not wanted")
        threading.Thread(target=say, args=(ring, "wanted"), kwargs={"level": logging.ERROR}).start()
        assert words(await waiting) == ["wanted"] and not ring._waiting
        stopped = asyncio.create_task(reader.read(ring, 20, None, (), ring.last, True))
        while not ring._waiting:
            await asyncio.sleep(0)
        ring.wake()
        assert await stopped == Log((), ring.last, 0)
        given_up = asyncio.create_task(reader.read(ring, 20, None, (), ring.last, True))
        while not ring._waiting:
            await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert not ring._waiting

    asyncio.run(main())


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "WAIT_SECONDS", 0.01)
    assert read(Ring(), since=0, follow=True) == Log((), 0, 0)
