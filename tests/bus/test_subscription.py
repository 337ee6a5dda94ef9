"""Does a subscription hear what is published, know what it missed, and survive its publisher?"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import zmq

from lnpd.bus.subscription import Subscription
from lnpd.errors import EndpointRefused

Message = tuple[str, bytes, bool]


class Publisher:
    """Publishes as bitcoind does: topic, body, number."""

    def __init__(self, endpoint: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(endpoint)

    async def heard(self, topics: int) -> None:
        """Returns once so many topics are subscribed to."""
        for _ in range(topics):
            while not await asyncio.to_thread(self._socket.poll, 50):
                pass
            self._socket.recv()

    def say(self, topic: str, body: bytes, number: int) -> None:
        self._socket.send_multipart([topic.encode(), body, number.to_bytes(4, "little")])

    def raw(self, *parts: bytes) -> None:
        self._socket.send_multipart(parts)

    def close(self) -> None:
        self._socket.close()
        self._context.term()


def told(
    directory: Path, story: Callable[[str, list[Message], Callable[[int], Awaitable[None]]], Awaitable[None]]
) -> None:
    async def main() -> None:
        endpoint, heard = f"ipc://{directory}/p", list[Message]()
        changed = asyncio.Event()

        def receive(topic: str, body: bytes, lost: bool) -> None:
            heard.append((topic, body, lost))
            changed.set()

        async def until(count: int) -> None:
            while len(heard) < count:
                changed.clear()
                await changed.wait()

        subscription = Subscription((endpoint,), ("hashblock", "sequence"), receive)
        try:
            await asyncio.wait_for(story(endpoint, heard, until), 20)
        finally:
            subscription.close()
            subscription.close()

    asyncio.run(main())


def test_gaps_and_new_beginnings_are_told(tmp_path: Path) -> None:
    async def story(endpoint: str, heard: list[Message], until: Callable[[int], Awaitable[None]]) -> None:
        publisher = Publisher(endpoint)
        await publisher.heard(2)
        for topic, number in (("sequence", 7), ("sequence", 8), ("hashblock", 0), ("sequence", 10), ("sequence", 0)):
            publisher.say(topic, b"x", number)
        publisher.say("sequence", b"y", 1)
        await until(6)
        assert [(topic, lost) for topic, _, lost in heard] == [
            ("sequence", False),
            ("sequence", False),
            ("hashblock", False),
            ("sequence", True),
            ("sequence", True),
            ("sequence", False),
        ]
        publisher.close()
        again = Publisher(endpoint)
        await again.heard(2)
        again.say("sequence", b"z", 0)
        await until(7)
        assert heard[-1] == ("sequence", b"z", True)
        again.close()

    told(tmp_path, story)


def test_what_is_no_notification_is_passed_over(tmp_path: Path) -> None:
    async def story(endpoint: str, heard: list[Message], until: Callable[[int], Awaitable[None]]) -> None:
        publisher = Publisher(endpoint)
        await publisher.heard(2)
        publisher.raw(b"sequence", b"x")
        publisher.raw(b"sequence", b"x", b"123")
        publisher.raw(b"sequence", b"x", bytes(4), b"more")
        publisher.raw(b"sequence\xff", b"x", bytes(4))
        publisher.raw(b"sequences", b"x", bytes(4))
        publisher.say("sequence", b"good", 0)
        await until(1)
        assert heard == [("sequence", b"good", False)]
        publisher.close()

    told(tmp_path, story)


def test_wrong_endpoints_are_refused() -> None:
    async def main() -> None:
        for endpoint in ("http://x:1", "tcp://", "tcp://host:port"):
            with pytest.raises(EndpointRefused):
                Subscription((endpoint,), ("sequence",), lambda *_: None)

    asyncio.run(main())
