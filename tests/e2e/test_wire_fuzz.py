"""What does a whole node do with whatever a connected peer, or a stranger who cannot greet, may send?

Each round a peer that speaks BOLT 8 and has said `init` sends messages that are true, torn, stretched, changed or
invented, some about a channel of somebody else, then a ping: the node answers it or hangs up. After all of them it pays
over its channel as before, has logged no failure of its own, and is no larger. By hand: FUZZ_ROUNDS=20000 FUZZ_SEED=7.
"""

import asyncio
import contextlib
import logging
import os
import random
from pathlib import Path

import pytest

from lnpd.crypto import secp
from lnpd.crypto.noise import MAX_MESSAGE_BYTES, Handshake, Transport
from lnpd.errors import LnpdError
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.services.node.node import Node
from lnpd.testing import Network
from lnpd.wire.catalogue import CORE
from lnpd.wire.message import encode
from lnpd.wire.messages import ChannelReestablish, Error, Init, OpenChannel, Ping, Pong, Shutdown, UpdateAddHtlc

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "2000"))
SEED = os.environ.get("FUZZ_SEED", "2026")
PATIENCE_SECONDS = 30
MOST_GROWTH_BYTES = 32 << 20
POINT = secp.public_key(b"\1" * 32)
CAPACITY_SAT = 1_000_000
FEATURES = bytes.fromhex("08a8a0a8aa51a1")


def resident_bytes() -> int:
    """How large this process is."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Stranger:
    """A connection of somebody whose key nobody knows."""

    def __init__(self, chance: random.Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.chance, self.reader, self.writer = chance, reader, writer
        self.transport: Transport | None = None

    @classmethod
    async def of(cls, node: Node, chance: random.Random) -> "Stranger":
        """Connected, and no more."""
        at = node.peers.listening()[0]
        return cls(chance, *await asyncio.open_connection(at.host, at.port))

    async def greet(self, node_id: bytes) -> None:
        """The handshake, and `init`."""
        secret = self.chance.randbytes(31) + b"\1"
        shake = Handshake(secp.public_key(secret), self.chance.randbytes(31) + b"\1", node_id)
        self.writer.write(shake.write())
        act = await self.reader.readexactly(50)
        shake.read(act, secp.ecdh(secret, act[1:34]))
        self.writer.write(shake.write())
        self.transport = shake.transport()
        self.say(encode(Init(globalfeatures=b"", features=FEATURES)))

    def say(self, *messages: bytes) -> None:
        """Sends what may be no message."""
        assert self.transport is not None
        self.writer.write(self.transport.encrypt(*messages))

    async def answered(self) -> str:
        """ "pong", or "gone" if the node hung up."""
        assert self.transport is not None
        while data := await self.reader.read(1 << 16):
            for message in self.transport.feed(data):
                if message[:2] == Pong.NUMBER.to_bytes(2, "big") and len(message) == 4 + 7:
                    return "pong"
        return "gone"

    def leave(self) -> None:
        """Gone without a word."""
        self.writer.transport.abort()


def true_messages(chance: random.Random, channel_id: bytes) -> list[bytes]:
    """Messages that have a form, if no place."""
    opened = OpenChannel(
        chain_hash=CHAIN_HASHES["regtest"],
        temporary_channel_id=chance.randbytes(32),
        funding_satoshis=chance.choice((20_000, 1_000_000, 1 << 40)),
        push_msat=chance.choice((0, 1 << 50)),
        dust_limit_satoshis=chance.choice((354, 1 << 60)),
        max_htlc_value_in_flight_msat=(1 << 64) - 1,
        channel_reserve_satoshis=chance.choice((0, 10_000)),
        htlc_minimum_msat=chance.choice((0, 1 << 63)),
        feerate_per_kw=chance.choice((0, 253, 2500, (1 << 32) - 1)),
        to_self_delay=chance.choice((0, 144, 65535)),
        max_accepted_htlcs=chance.choice((0, 483, 65535)),
        funding_pubkey=POINT,
        revocation_basepoint=POINT,
        payment_basepoint=chance.choice((POINT, b"\5" * 33)),
        delayed_payment_basepoint=POINT,
        htlc_basepoint=POINT,
        first_per_commitment_point=POINT,
        channel_flags=chance.choice((b"\0", b"\1", b"\xff"))[0],
    )
    add = UpdateAddHtlc(
        channel_id=channel_id,
        id=chance.randrange(1 << 64),
        amount_msat=chance.randrange(1 << 64),
        payment_hash=chance.randbytes(32),
        cltv_expiry=chance.randrange(1 << 32),
        onion_routing_packet=chance.randbytes(1366),
    )
    again = ChannelReestablish(
        channel_id=channel_id,
        next_commitment_number=chance.randrange(1 << 48),
        next_revocation_number=chance.randrange(1 << 48),
        your_last_per_commitment_secret=chance.randbytes(32),
        my_current_per_commitment_point=POINT,
    )
    others = (
        Shutdown(channel_id=channel_id, scriptpubkey=chance.randbytes(34)),
        Error(channel_id=bytes(32), data=b"no"),
    )
    return [encode(message) for message in (opened, add, again, *others)]


def junk(chance: random.Random, channel_id: bytes) -> bytes:
    """One message: true, torn, stretched, changed, or of a known number with anything in it."""
    whole = chance.choice(true_messages(chance, channel_id))
    match chance.randrange(5):
        case 0:
            return whole
        case 1:
            return whole[: chance.randrange(len(whole))]
        case 2:
            return (whole + chance.randbytes(chance.choice((1, 40, 60_000))))[:MAX_MESSAGE_BYTES]
        case 3:
            changed = bytearray(whole)
            for _ in range(chance.randint(1, 8)):
                changed[chance.randrange(2, len(changed))] = chance.randrange(256)
            return bytes(changed)
    number = chance.choice((*CORE.numbers, chance.randrange(1 << 16)))
    return number.to_bytes(2, "big") + channel_id[: chance.choice((0, 32))] + chance.randbytes(chance.randrange(200))


def test_a_node_outlives_whatever_a_peer_sends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(SEED)
    ends = {"pong": 0, "gone": 0}

    async def rounds(node: Node, channel_id: bytes, number: int) -> None:
        for _ in range(number):
            stranger = await Stranger.of(node, chance)
            try:
                await stranger.greet(node.node_id)
                stranger.say(*(junk(chance, channel_id) for _ in range(chance.randint(1, 4))))
                stranger.say(encode(Ping(num_pong_bytes=7, ignored=b"")))
                async with asyncio.timeout(PATIENCE_SECONDS):
                    ends[await stranger.answered()] += 1
            except ConnectionError:
                ends["gone"] += 1
            finally:
                stranger.leave()

    asyncio.run(_told(tmp_path, rounds))
    print(f"seed {SEED}: {ROUNDS} peers, {ends['pong']} still connected at the end, {ends['gone']} hung up on")
    assert all(ends.values()), "some are borne, some are not"
    assert not _failures(caplog)


def test_a_node_outlives_whatever_a_stranger_sends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(SEED)

    async def rounds(node: Node, _channel_id: bytes, number: int) -> None:
        for _ in range(number):
            stranger = await Stranger.of(node, chance)
            shake = Handshake(POINT, chance.randbytes(31) + b"\1", node.node_id)
            act = bytearray(shake.write())
            act[chance.randrange(len(act))] ^= chance.randrange(1, 256)
            stranger.writer.write(chance.choice((bytes(act), chance.randbytes(chance.randrange(50, 2000)))))
            async with asyncio.timeout(PATIENCE_SECONDS):
                with contextlib.suppress(ConnectionError):
                    assert not await stranger.reader.read(), "an answer to what is no handshake"
            stranger.leave()

    asyncio.run(_told(tmp_path, rounds))
    assert not _failures(caplog)


async def _told(folder: Path, rounds: object) -> None:
    """The rounds against bob, who has a channel with alice and pays over it before and after them."""
    async with Network(folder) as network:
        alice, bob = await network.node("alice"), await network.node("bob")
        channel = await network.channel(alice, bob, CAPACITY_SAT, push_sat=CAPACITY_SAT // 2)
        await _pays(alice, bob)
        await rounds(bob, bytes.fromhex(channel), ROUNDS // 4)  # type: ignore[operator]
        before = resident_bytes()
        await rounds(bob, bytes.fromhex(channel), ROUNDS - ROUNDS // 4)  # type: ignore[operator]
        grown = resident_bytes() - before
        assert grown < MOST_GROWTH_BYTES, f"{grown} bytes more"
        await network.active(channel, alice, bob)
        await _pays(alice, bob)
        await _pays(bob, alice)


async def _pays(payer: Node, payee: Node) -> None:
    invoice = await payee.api.invoice(2_000_000, "still here", 3600)
    paid = await payer.api.pay(invoice.invoice, None, PATIENCE_SECONDS)
    assert paid.amount_msat == 2_000_000


def _failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record for record in caplog.records if record.levelno >= logging.ERROR]
    return [record.getMessage() for record in found if not isinstance(record.exc_info, LnpdError)]
