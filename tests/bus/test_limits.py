"""Can the other side of a link have more of this process than its limits?"""

import asyncio
import logging
import time
from pathlib import Path

import msgspec
import pytest
from lnpd_sdk import envelope
from lnpd_sdk.envelope import Answer, Call, CallFailed, Notice

from lnpd.bus import link as bus_link
from lnpd.bus.limits import FRAME_COST_BYTES, Allowance, Limits
from lnpd.bus.link import Link
from lnpd.bus.peer import BusPeer
from lnpd.errors import LinkOverflow

Blamed = list[str]


def test_an_allowance_comes_back_with_time() -> None:
    allowance = Allowance(100 * FRAME_COST_BYTES)
    assert [allowance.take(0, 5.0) for _ in range(201)] == [True] * 200 + [False], "twice as much in a burst"
    assert not allowance.take(0, 5.0)
    assert allowance.take(0, 5.1)
    assert not allowance.take(100 * FRAME_COST_BYTES, 5.2)


class Busy:
    """A peer whose calls hang until they are let go, and one that asks it with raw frames."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.free, self.started = asyncio.Event(), 0
        self.blamed: Blamed = []
        self.answers: list[envelope.Frame] = []
        endpoint = f"ipc://{folder}/busy"
        self.peer = BusPeer(self._answer, broken=lambda _who, why: self.blamed.append(why), limits=limits)
        self.peer.bind(endpoint)
        self.other = Link.connect(endpoint, lambda _who, data: self.answers.append(envelope.unpack(data)))

    async def _answer(self, _identity: bytes, _method: str, _params: msgspec.Raw) -> object:
        self.started += 1
        await self.free.wait()
        return None

    def ask(self, number: int, params: bytes = b"") -> None:
        self.other.send(envelope.pack(Call(number, "hang", envelope.raw(params))))

    async def answered(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.answers) < count:
                await asyncio.sleep(0.001)

    def close(self) -> None:
        self.other.close(), self.peer.close()


AT_ONCE = {
    "calls": (Limits(running=3), [b"x"] * 4, "over 3 calls are being answered already"),
    "bytes of calls": (Limits(running_bytes=3_000), [bytes(900)] * 4, "over 3000 bytes of calls"),
    "one call": (Limits(call_bytes=1_000), [bytes(900)] * 3 + [bytes(1_000)], "a call of 1003 bytes is over 1000"),
}


@pytest.mark.parametrize("what", AT_ONCE)
def test_a_call_too_many_is_refused_and_its_sender_blamed(tmp_path: Path, what: str) -> None:
    limits, calls, words = AT_ONCE[what]

    async def main() -> None:
        busy = Busy(tmp_path, limits)
        for number, params in enumerate(calls):
            busy.ask(number, params)
        await busy.answered(1)
        (refused,) = busy.answers
        assert isinstance(refused, envelope.Fault)
        assert (refused.id, refused.code) == (3, "Overloaded")
        assert words in refused.text
        assert busy.blamed == [f"asks for too much: {refused.text}"]
        assert busy.started == 3
        busy.free.set()
        await busy.answered(4)
        busy.ask(9, b"x")  # what was answered does not count any more
        await busy.answered(5)
        assert isinstance(busy.answers[-1], Answer)
        assert len(busy.blamed) == 1
        busy.close()

    asyncio.run(main())


def test_the_usual_limits_are_enforced(tmp_path: Path) -> None:
    async def main() -> None:
        busy = Busy(tmp_path, Limits())
        for number in range(1_001):
            busy.ask(number)
        await busy.answered(1)
        assert isinstance(busy.answers[0], envelope.Fault)
        assert busy.started == 1_000
        busy.close()

    asyncio.run(main())


UNASKED = {
    "calls": Call(1, "hang", envelope.raw(bytes(1_000))),
    "notices": Notice("news", envelope.raw(bytes(1_000))),
    "answers to nothing": Answer(1, envelope.raw(bytes(1_000))),
}


@pytest.mark.parametrize("what", UNASKED)
def test_what_nobody_asked_for_is_bounded(tmp_path: Path, what: str) -> None:
    async def main() -> None:
        busy = Busy(tmp_path, Limits(unasked_bytes=5_000))
        frame = envelope.pack(UNASKED[what])
        for _ in range(8):
            busy.other.send(frame)
        async with asyncio.timeout(10):
            while not busy.blamed:
                await asyncio.sleep(0.001)
        assert busy.blamed[0] == "sent, or asked for, over 5000 bytes a second by itself"
        assert busy.started < 8
        busy.close()

    asyncio.run(main())


def test_our_answers_count_as_what_they_were_asked_by(tmp_path: Path) -> None:
    """A few bytes may ask for many."""

    async def main() -> None:
        blamed: Blamed = []

        async def answer(_identity: bytes, _method: str, _params: msgspec.Raw) -> object:
            return bytes(10_000)

        endpoint = f"ipc://{tmp_path}/dear"
        answering = BusPeer(answer, broken=lambda _who, why: blamed.append(why), limits=Limits(unasked_bytes=20_000))
        answering.bind(endpoint)
        asker = BusPeer().connect(endpoint)
        for _ in range(3):
            assert len(await asker.call("much", None, 5)) > 10_000
        asking = asyncio.create_task(asker.call("much", None, 5))
        async with asyncio.timeout(10):
            while not blamed:
                await asyncio.sleep(0.001)
        asker.close(), answering.close()
        with pytest.raises(LinkOverflow):
            await asking

    asyncio.run(main())


def test_answers_that_were_asked_for_are_not_bounded(tmp_path: Path) -> None:
    async def main() -> None:
        blamed: Blamed = []

        async def answer(_identity: bytes, _method: str, _params: msgspec.Raw) -> object:
            return bytes(100_000)

        endpoint = f"ipc://{tmp_path}/asked"
        asker = BusPeer(broken=lambda _who, why: blamed.append(why), limits=Limits(unasked_bytes=5_000))
        other = BusPeer(answer).bind(endpoint)
        asker.connect(endpoint)
        await asyncio.gather(*(asker.call("more", None, 10) for _ in range(50)))
        assert blamed == []
        asker.close(), other.close()

    asyncio.run(main())


TURNS = {  # the bound that ends a turn; frames, bytes of each, what handling one takes, and how many a turn may have
    "many": ("TURN_FRAMES", 3 * bus_link.TURN_FRAMES, 0, 0.0002, bus_link.TURN_FRAMES),
    "large ones": ("TURN_BYTES", 5, bus_link.TURN_BYTES, 0.001, 1),
    "dear ones, whatever their size": ("TURN_SECONDS", 5, 0, 1.1 * bus_link.TURN_SECONDS, 1),
}


@pytest.mark.parametrize("what", TURNS)
def test_the_loop_has_a_turn_between_frames(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bound, frames, size, cost_seconds, most = TURNS[what]
    for other in {"TURN_FRAMES", "TURN_BYTES", "TURN_SECONDS"} - {bound}:
        monkeypatch.setattr(bus_link, other, 10**9)

    async def main() -> None:
        turns, per_turn = 0, dict[int, int]()

        def tick() -> None:
            nonlocal turns
            turns += 1
            asyncio.get_running_loop().call_soon(tick)

        def receive(_identity: bytes, _data: bytes) -> None:
            per_turn[turns] = per_turn.get(turns, 0) + 1
            time.sleep(cost_seconds)  # what it costs the loop

        endpoint = f"ipc://{tmp_path}/turn"
        server = Link.bind(endpoint, lambda _who, _data: None)
        client = Link.connect(endpoint, receive)
        who: list[bytes] = []
        server._receive = lambda identity, _data: who.append(identity)
        client.send(b"here")
        tick()
        async with asyncio.timeout(10):
            while not who:
                await asyncio.sleep(0)
            for _ in range(frames):
                server.send(bytes(size), who[0])
            while sum(per_turn.values()) < frames:
                await asyncio.sleep(0)
        assert max(per_turn.values()) <= most
        client.close(), server.close()

    asyncio.run(main())


def test_what_comes_while_many_frames_are_sent_is_seen(tmp_path: Path) -> None:
    """Frames that follow each other closely are sent without a look at what came: a turn of the loop looks then."""

    async def main() -> None:
        heard: list[bytes] = []
        endpoint = f"ipc://{tmp_path}/burst"
        server = Link.bind(endpoint, lambda who, data: server.send(data, who))
        client = Link.connect(endpoint, lambda _who, data: heard.append(data))
        async with asyncio.timeout(10):
            for many in (1, 2, 3, 50, 2_000):
                heard.clear()
                for number in range(many):
                    client.send(number.to_bytes(2, "big"))
                while len(heard) < many:
                    await asyncio.sleep(0.001)
                assert heard == [number.to_bytes(2, "big") for number in range(many)]
        client.close(), server.close()

    asyncio.run(main())


def test_answers_that_nobody_takes_are_told_seldom_and_blamed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        busy = Busy(tmp_path, Limits())
        busy.free.set()

        def full(_data: bytes, _identity: bytes = b"") -> None:
            raise LinkOverflow("the other side takes no more frames")

        assert busy.peer._link is not None
        monkeypatch.setattr(busy.peer._link, "send", full)
        with caplog.at_level(logging.WARNING):
            for number in range(500):
                busy.ask(number)
            async with asyncio.timeout(10):
                while len(busy.blamed) < 500:
                    await asyncio.sleep(0.001)
        assert busy.blamed[0] == "does not take its answers: the other side takes no more frames"
        assert len(caplog.records) == 9  # the 1st, 2nd, 4th, ... 256th
        busy.close()

    asyncio.run(main())


def test_a_call_too_many_is_an_error_to_its_caller(tmp_path: Path) -> None:
    async def main() -> None:
        busy = Busy(tmp_path, Limits(running=0))
        peer = BusPeer().connect(f"ipc://{tmp_path}/busy")
        with pytest.raises(CallFailed, match="over 0 calls") as refused:
            await peer.call("hang", None, 5)
        assert refused.value.code == "Overloaded"
        peer.close(), busy.close()

    asyncio.run(main())
