"""Does a service answer the same in this process and behind an endpoint?"""

import asyncio
from pathlib import Path

import msgspec
import pytest
from lnpd_sdk import envelope
from lnpd_sdk.envelope import MAX_FRAME_BYTES

from lnpd.bus.link import Link
from lnpd.bus.peer import BusPeer
from lnpd.bus.service import remote, serve
from lnpd.errors import (
    AnswerTooLong,
    DeadlineMissed,
    EndpointRefused,
    LinkGone,
    LinkOverflow,
    NoSuchMethod,
    ProtocolError,
    RemoteFault,
)


class Point(msgspec.Struct, frozen=True):
    x: int
    raw: bytes


class Shape:
    """A service with typed methods."""

    def __init__(self) -> None:
        self.never = asyncio.Event()

    async def move(self, point: Point, by: int) -> Point:
        return Point(point.x + by, point.raw[::-1])

    async def refuse(self) -> None:
        raise ProtocolError("the rule that was broken")

    async def crash(self) -> None:
        raise KeyError("a bug")

    async def hang(self) -> None:
        await self.never.wait()

    async def long(self) -> bytes:
        return bytes(MAX_FRAME_BYTES)


def endpoint(folder: Path) -> str:
    return f"ipc://{folder}/service"


def test_the_same_answers_over_ipc(tmp_path: Path) -> None:
    async def main() -> None:
        here = Shape()
        server = serve(here, Shape, endpoint(tmp_path))
        there, peer = remote(Shape, endpoint(tmp_path))
        assert await there.move(Point(2, b"\0\1"), 5) == await here.move(Point(2, b"\0\1"), 5) == Point(7, b"\1\0")
        answers = await asyncio.gather(*(there.move(Point(n, b""), 1) for n in range(500)))
        assert [a.x for a in answers] == list(range(1, 501))
        with pytest.raises(ProtocolError, match="the rule that was broken"):
            await there.refuse()
        with pytest.raises(RemoteFault, match="KeyError"):
            await there.crash()
        with pytest.raises(AnswerTooLong, match="over the limit"):
            await there.long()
        with pytest.raises(RemoteFault):
            await there.move("not a point", 1)  # type: ignore[arg-type]  # the server checks what it is sent
        assert (await there.move(Point(0, b""), 1)).x == 1, "the server lives on after bad input"
        peer.close(), server.close()

    asyncio.run(main())


def test_a_service_that_does_not_answer_misses_its_deadline(tmp_path: Path) -> None:
    async def main() -> None:
        server = serve(Shape(), Shape, endpoint(tmp_path))
        there, peer = remote(Shape, endpoint(tmp_path), deadline_seconds=0.05)
        with pytest.raises(DeadlineMissed, match="hang"):
            await there.hang()
        peer.close(), server.close()

    asyncio.run(main())


def test_nobody_waits_for_a_service_that_ended(tmp_path: Path) -> None:
    async def main() -> None:
        shape = Shape()
        server = serve(shape, Shape, endpoint(tmp_path))
        far, peer = remote(Shape, endpoint(tmp_path), deadline_seconds=60)
        for _ in range(2):  # each connection's end is heard
            asked = asyncio.create_task(far.hang())
            async with asyncio.timeout(5):
                assert await far.move(Point(1, b""), 1) == Point(2, b""), "so the question before it has arrived"
                server.close()
                with pytest.raises(LinkGone, match="ended before it had answered"):
                    await asked
            late = asyncio.create_task(far.move(Point(1, b""), 1))
            await asyncio.sleep(0)
            server = serve(shape, Shape, endpoint(tmp_path))
            async with asyncio.timeout(5):
                assert await late == Point(2, b""), "what is asked meanwhile waits for the next one"
        peer.close()
        server.close()

    asyncio.run(main())


def test_an_unknown_method_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        server = serve(Shape(), Shape, endpoint(tmp_path))
        peer = BusPeer().connect(endpoint(tmp_path))
        with pytest.raises(envelope.CallFailed, match="no method 'nope'") as caught:
            await peer.call("nope", (), 5)
        assert caught.value.code == NoSuchMethod.__name__
        peer.close(), server.close()

    asyncio.run(main())


def test_calls_go_both_ways_on_one_link(tmp_path: Path) -> None:
    async def main() -> None:
        seen: list[str] = []

        async def host(identity: bytes, method: str, params: msgspec.Raw) -> object:
            seen.append(method)
            return envelope.decode(await server.call("double", 21, 5, identity), int)

        async def plugin(_identity: bytes, _method: str, params: msgspec.Raw) -> object:
            return envelope.decode(params, int) * 2

        server = BusPeer(host).bind(endpoint(tmp_path))
        client = BusPeer(plugin).connect(endpoint(tmp_path))
        assert envelope.decode(await client.call("answer", (), 5), int) == 42
        assert seen == ["answer"]
        client.close(), server.close()

    asyncio.run(main())


def test_bytes_that_are_no_frame_are_reported_and_do_no_harm(tmp_path: Path) -> None:
    async def main() -> None:
        broken: list[str] = []
        server = BusPeer(broken=lambda _identity, why: broken.append(why)).bind(endpoint(tmp_path))
        client = Link.connect(endpoint(tmp_path), lambda _identity, _data: None)
        for bad in (b"", b"\xc1", b"{}", envelope.encode({"type": "call"}), envelope.encode([[]] * 1000)):
            client.send(bad)
        async with asyncio.timeout(5):
            while len(broken) < 5:
                await asyncio.sleep(0)
        client.close(), server.close()

    asyncio.run(main())


def test_a_receiver_that_raises_loses_no_later_frame(tmp_path: Path) -> None:
    async def main() -> None:
        seen: list[bytes] = []

        def receive(_identity: bytes, data: bytes) -> None:
            seen.append(data)
            if data == b"bad":
                raise KeyError("a bug")

        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        server = Link.bind(endpoint(tmp_path), receive)
        client = Link.connect(endpoint(tmp_path), lambda _identity, _data: None)
        for data in (b"one", b"bad", b"two", b"bad", b"three"):
            client.send(data)
        async with asyncio.timeout(5):
            while len(seen) < 5:
                await asyncio.sleep(0)
        assert seen == [b"one", b"bad", b"two", b"bad", b"three"]
        client.close(), server.close()

    asyncio.run(main())


def test_a_cancelled_call_leaves_nothing_and_its_answer_is_dropped(tmp_path: Path) -> None:
    async def main() -> None:
        shape = Shape()
        server = serve(shape, Shape, endpoint(tmp_path))
        there, peer = remote(Shape, endpoint(tmp_path))
        hanging = [asyncio.create_task(there.hang()) for _ in range(10)]
        assert (await there.move(Point(1, b""), 1)).x == 2
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        assert len(peer._waiting) == 0
        shape.never.set()  # the late answers come
        assert (await there.move(Point(1, b""), 1)).x == 2
        peer.close(), server.close()

    asyncio.run(main())


def test_more_than_the_other_side_reads_waits_and_is_not_lost(tmp_path: Path) -> None:
    """Over the receiver's queue of 64 frames, and large ones."""

    async def main() -> None:
        server = serve(Shape(), Shape, endpoint(tmp_path))
        there, peer = remote(Shape, endpoint(tmp_path))
        answers = await asyncio.gather(*(there.move(Point(n, bytes(20_000)), 0) for n in range(1000)))
        assert [a.x for a in answers] == list(range(1000))
        peer.close(), server.close()

    asyncio.run(main())


def test_only_the_one_that_is_expected_is_heard(tmp_path: Path) -> None:
    async def main() -> None:
        heard: list[str] = []

        async def handler(_identity: bytes, method: str, _params: msgspec.Raw) -> object:
            heard.append(method)
            return None

        server = BusPeer(handler, broken=lambda _identity, why: heard.append(why), only=b"token").bind(
            endpoint(tmp_path)
        )
        stranger = BusPeer().connect(endpoint(tmp_path))
        with pytest.raises(DeadlineMissed):
            await stranger.call("register", None, 0.1)
        garbage = Link.connect(endpoint(tmp_path), lambda _identity, _data: None)
        garbage.send(b"nonsense")
        with pytest.raises(DeadlineMissed):
            await stranger.call("register", None, 0.1)
        assert heard == []
        stranger.close(), garbage.close(), server.close()

    asyncio.run(main())


def test_what_a_handler_raises_travels_bounded(tmp_path: Path) -> None:
    async def main() -> None:
        async def handler(_identity: bytes, _method: str, _params: msgspec.Raw) -> object:
            raise ProtocolError("x" * 5_000_000)

        server = BusPeer(handler).bind(endpoint(tmp_path))
        peer = BusPeer().connect(endpoint(tmp_path))
        with pytest.raises(envelope.CallFailed) as refused:
            await peer.call("anything", None, 5)
        assert len(str(refused.value)) == envelope.MAX_TEXT
        peer.close(), server.close()

    asyncio.run(main())


def test_a_link_whose_other_side_is_gone_refuses_frames(tmp_path: Path) -> None:
    async def main() -> None:
        server = BusPeer().bind(endpoint(tmp_path))
        with pytest.raises(LinkOverflow, match="gone"):
            server.notify("tip", 1, identity=b"nobody")
        server.close()
        with pytest.raises(LinkOverflow, match="closed"):
            server.notify("tip", 1, identity=b"nobody")

    asyncio.run(main())


@pytest.mark.parametrize("bad", ["", "file:///x", "ipc://", "ipc:///" + "x" * 107])
def test_endpoints_that_cannot_be_used_are_refused(bad: str) -> None:
    async def main() -> None:
        with pytest.raises(EndpointRefused):
            BusPeer().bind(bad)

    asyncio.run(main())


def test_a_taken_endpoint_is_not_taken_over(tmp_path: Path) -> None:
    async def main() -> None:
        first = BusPeer().bind(endpoint(tmp_path))
        await asyncio.sleep(0)
        with pytest.raises(EndpointRefused, match="in use"):
            BusPeer().bind(endpoint(tmp_path))
        first.close()

    asyncio.run(main())
