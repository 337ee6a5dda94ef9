"""What can somebody send who is nobody: before the handshake is over, or right after it?

    handshakes(...)    each act cut, altered, replayed, stalled, run together with the next; the first frames likewise
    messages(...)      a peer that speaks BOLT 8 says true, changed and invented messages about other people's channels

A round ends in a pong, or in the node's hanging up; which of them is known for each way of beginning.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

from lnpd.crypto import secp
from lnpd.crypto.noise import ACT_BYTES, Handshake, Transport
from lnpd.peer.liveness import Timeouts
from lnpd.services.node.node import Node
from lnpd.wire.catalogue import CORE
from lnpd.wire.message import encode
from lnpd.wire.messages import Init, Ping, Pong
from tests.fuzz.mutations import invented, mutated
from tests.fuzz.witness import PATIENCE_SECONDS, Growth

FEATURES = bytes.fromhex("08a8a0a8aa51a1")
INIT = encode(Init(globalfeatures=b"", features=FEATURES))
PING = encode(Ping(num_pong_bytes=7, ignored=b""))
HANDSHAKE_SECONDS = 5.0
AT_ONCE = 32


class Stranger:
    """A connection of somebody whose key nobody knows."""

    def __init__(self, node: Node, chance: Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.node, self.chance, self.reader, self.writer = node, chance, reader, writer
        self.secret = chance.randbytes(31) + b"\1"
        self.shake = Handshake(secp.public_key(self.secret), chance.randbytes(31) + b"\1", node.node_id)
        self.transport: Transport | None = None

    @classmethod
    async def of(cls, node: Node, chance: Random) -> "Stranger":
        """Connected, from one of many addresses, and no more."""
        at, source = node.peers.listening()[0], f"127.0.0.{chance.randint(1, 250)}"
        return cls(node, chance, *await asyncio.open_connection(at.host, at.port, local_addr=(source, 0)))

    def write(self, data: bytes) -> None:
        """Bytes."""
        self.writer.write(data)

    async def act_three(self) -> bytes:
        """The third act, after the first two."""
        self.write(self.shake.write())
        return await self.answer()

    async def answer(self) -> bytes:
        """The third act, after the second was read."""
        act = await self.reader.readexactly(ACT_BYTES[1])
        self.shake.read(act, secp.ecdh(self.secret, act[1:34]))
        third = self.shake.write()
        self.transport = self.shake.transport()
        return third

    async def greet(self) -> None:
        """The handshake, and `init`."""
        self.write(await self.act_three())
        self.say(INIT)

    def sealed(self, *messages: bytes) -> bytes:
        """Messages, or what is none, as they go over the wire."""
        assert self.transport is not None
        return self.transport.encrypt(*messages)

    def say(self, *messages: bytes) -> None:
        """Sends messages, or what is none."""
        self.write(self.sealed(*messages))

    async def end(self) -> str:
        """ "pong", or "gone" if the node hung up."""
        with suppress(ConnectionError):
            while data := await self.reader.read(1 << 16):
                for message in self.transport.feed(data) if self.transport else ():
                    if message[:2] == Pong.NUMBER.to_bytes(2, "big") and len(message) == 4 + 7:
                        return "pong"
        return "gone"

    def leave(self) -> None:
        """Gone without a word."""
        self.writer.transport.abort()


def altered(chance: Random, data: bytes) -> bytes:
    """One byte is another."""
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ chance.randrange(1, 256)]) + data[at + 1 :]


# Ways to begin. Each returns how it has to end: "pong", "gone", or "either".

KEPT: dict[str, bytes] = {}  # acts of earlier strangers, to be replayed


async def act_one_altered(one: Stranger) -> str:
    one.write(altered(one.chance, one.shake.write()))
    return "gone"


async def anything(one: Stranger) -> str:
    one.write(one.chance.randbytes(one.chance.randrange(ACT_BYTES[0], 70_000)))
    return "gone"


async def act_one_cut(one: Stranger) -> str:
    one.write(one.shake.write()[: one.chance.randrange(ACT_BYTES[0])])
    if one.chance.randrange(2):
        one.writer.write_eof()
    return "gone"


async def act_one_replayed(one: Stranger) -> str:
    act = one.shake.write()
    one.write(KEPT.setdefault("one", act))
    if KEPT["one"] is not act:
        await one.reader.readexactly(ACT_BYTES[1])
        one.write(one.chance.randbytes(ACT_BYTES[2]))  # whoever replays an act cannot know the next
    return "gone"


async def act_one_and_more(one: Stranger) -> str:
    one.write(one.shake.write() + one.chance.randbytes(one.chance.choice((1, ACT_BYTES[2], 70_000))))
    return "gone"


async def act_three_altered(one: Stranger) -> str:
    one.write(altered(one.chance, await one.act_three()))
    return "gone"


async def act_three_replayed(one: Stranger) -> str:
    act = await one.act_three()
    one.write(KEPT.setdefault("three", act))
    one.say(INIT, PING)
    return "pong" if KEPT["three"] is act else "gone"


async def act_three_cut(one: Stranger) -> str:
    one.write((await one.act_three())[: one.chance.randrange(ACT_BYTES[2])])
    return "gone"


async def run_together(one: Stranger) -> str:
    one.write(await one.act_three() + one.sealed(INIT) + one.sealed(PING))
    return "pong"


async def byte_by_byte(one: Stranger) -> str:
    for byte in one.shake.write():
        one.write(bytes([byte]))
        await asyncio.sleep(0)
    for byte in await one.answer() + one.sealed(INIT, PING):
        one.write(bytes([byte]))
        await asyncio.sleep(0)
    return "pong"


async def stalled(one: Stranger) -> str:
    act = await one.act_three()
    if one.chance.randrange(2):
        one.write(act)  # and no init
    return "gone"


async def no_init(one: Stranger) -> str:
    one.write(await one.act_three())
    one.say(PING)
    return "gone"


async def init_twice(one: Stranger) -> str:
    one.write(await one.act_three())
    one.say(INIT, INIT)
    return "gone"


async def init_mutated(one: Stranger) -> str:
    one.write(await one.act_three())
    one.say(*mutated(one.chance, INIT), PING)
    return "either"


async def frame_altered(one: Stranger) -> str:
    one.write(await one.act_three() + altered(one.chance, one.sealed(INIT, PING)))
    one.say(PING)
    return "gone"


async def frame_too_short(one: Stranger) -> str:
    await one.greet()
    one.say(one.chance.randbytes(one.chance.randrange(2)), PING)
    return "gone"


async def frame_largest(one: Stranger) -> str:
    await one.greet()
    odd = (one.chance.choice((32769, 65535)) | 1).to_bytes(2, "big")
    one.say(odd + bytes(65533), PING)
    return "pong"


async def frame_cut(one: Stranger) -> str:
    await one.greet()
    whole = one.sealed(bytes(2) + bytes(60_000))
    one.write(whole[: one.chance.randrange(1, len(whole))])
    one.writer.write_eof()
    return "gone"


Way = Callable[[Stranger], Awaitable[str]]
WAYS: tuple[Way, ...] = (
    *(act_one_altered, anything, act_one_cut, act_one_replayed, act_one_and_more),
    *(act_three_altered, act_three_replayed, act_three_cut, run_together, byte_by_byte, stalled),
    *(no_init, init_twice, init_mutated, frame_altered, frame_too_short, frame_largest, frame_cut),
)


async def handshakes(node: Node, chance: Random, rounds: int) -> Counter[str]:
    """Each way in turn, a few at once. AssertionError names one that ends otherwise than it must."""
    node.peers._settings.timeouts = Timeouts(handshake_seconds=HANDSHAKE_SECONDS, init_seconds=HANDSHAKE_SECONDS)
    ends: Counter[str] = Counter()
    growth = Growth(rounds)
    waiting: set[asyncio.Task[None]] = set()
    KEPT.clear()

    async def one(way: Way) -> None:
        stranger = await Stranger.of(node, chance)
        wanted = "gone"
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    wanted = await way(stranger)
                ended = await stranger.end()
        except TimeoutError:
            raise AssertionError(f"{way.__name__}: the node neither answers nor hangs up") from None
        finally:
            stranger.leave()
        assert wanted in (ended, "either"), f"{way.__name__} ends in {ended}, not in {wanted}"
        ends[f"{way.__name__}: {ended}"] += 1
        growth.count()

    for number in range(rounds):
        waiting.add(asyncio.create_task(one(WAYS[number % len(WAYS)])))
        if len(waiting) >= AT_ONCE:  # below what may be half open, so that nobody is hung up on for the others
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    await asyncio.gather(*waiting)
    print(f"handshakes: {dict(ends)}, {growth.check() >> 10} KiB more")
    return ends


async def messages(node: Node, chance: Random, channel_id: bytes, rounds: int) -> Counter[str]:
    """A stranger in each round, with some messages about a channel that is not his."""
    ends: Counter[str] = Counter()
    growth = Growth(rounds)
    rows = tuple(CORE.numbers.values())
    for _ in range(rounds):
        one = await Stranger.of(node, chance)
        said: list[bytes] = []
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    await one.greet()
                    for _ in range(chance.randint(1, 4)):
                        whole = invented(chance, chance.choice(rows), (channel_id, bytes(32), chance.randbytes(32)))
                        said += (whole,) if chance.randrange(2) else mutated(chance, whole)
                    one.say(*said, PING)
                ends[await one.end()] += 1
        except TimeoutError:
            raise AssertionError(f"neither answered nor hung up on: {[m.hex() for m in said]}") from None
        finally:
            one.leave()
        growth.count()
    print(f"messages of strangers: {dict(ends)}, {growth.check() >> 10} KiB more")
    return ends
