"""Do plugins of several peers come to the end of each round, although messages are lost and some come early?"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from lnpd_sdk import envelope, sessions
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.questions import PeerMessage
from lnpd_sdk.services.messages import Outgoing
from lnpd_sdk.sessions import SessionFailed, Sessions

IDENTITY = b"\7" * 32
Lost = Callable[[str, str, dict[str, Any]], bool]


class Party:
    """A plugin of one node, joined with the others' as wire messages would join them."""

    def __init__(self, name: str, net: dict[str, "Party"], lost: Lost) -> None:
        self.name, self.plugin, self._net, self._lost = name, Plugin("cosigner", "1"), net, lost
        self.sessions = Sessions(self.plugin, number=44101)
        self.plugin.attach(self.call)
        self.tasks: set[asyncio.Task[object]] = set()
        net[name] = self

    async def call(self, method: str, params: object) -> Any:
        assert method == "send" and isinstance(params, Outgoing)
        if params.node_id not in self._net:
            raise CallFailed("PeerNotConnected", "no connection")
        if not self._lost(self.name, params.node_id, params.fields):
            message = PeerMessage(self.name, params.name, envelope.raw(params.fields))
            there = self._net[params.node_id].plugin.answer("peer_message", envelope.encode(message))
            self.tasks.add(asyncio.ensure_future(there))
        return envelope.raw(None)

    async def sign(self, others: set[str], rounds: int = 2, seconds: float = 10) -> list[dict[str, bytes]]:
        async with self.sessions.open(self.plugin.node, IDENTITY, others, deadline_seconds=seconds) as session:
            return [await session.round(f"{self.name} {number}".encode()) for number in range(rounds)]


def three(lost: Lost = lambda *_: False) -> list[Party]:
    net: dict[str, Party] = {}
    return [Party(name, net, lost) for name in "abc"]


def expected(name: str) -> list[dict[str, bytes]]:
    return [{other: f"{other} {number}".encode() for other in "abc" if other != name} for number in range(2)]


@pytest.mark.parametrize("every", [1_000, 3, 2])
def test_all_have_each_round_although_messages_are_lost(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    monkeypatch.setattr(sessions, "AGAIN_SECONDS", 0.01)
    chance = random.Random(every)

    def lost(*_: object) -> bool:
        return chance.random() < 1 / every

    async def main() -> None:
        parties = three(lost)
        first = asyncio.create_task(parties[0].sign({"b", "c"}))
        await asyncio.sleep(0)  # its blob is there before the others open the session
        found = await asyncio.gather(first, parties[1].sign({"a", "c"}), parties[2].sign({"a", "b"}))
        assert [*found] == [expected(name) for name in "abc"]
        with pytest.raises(SessionFailed, match="opened before"):
            await parties[0].sign({"b"})

    asyncio.run(main())


def test_a_peer_that_does_not_come_ends_it_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "AGAIN_SECONDS", 0.01)

    async def main() -> None:
        parties = three()
        with pytest.raises(SessionFailed, match=r"within 0\.1 seconds"):
            await asyncio.gather(parties[0].sign({"b", "gone"}, seconds=0.1), parties[1].sign({"a"}, rounds=1))

    asyncio.run(main())


def test_it_is_bounded_and_strangers_have_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "AGAIN_SECONDS", 0.01)

    async def main() -> None:
        one, two, stranger = three()
        for peers, identity in (((), IDENTITY), ({str(n) for n in range(17)}, IDENTITY), ({"b"}, b"short")):
            with pytest.raises(SessionFailed):
                async with one.sessions.open(one.plugin.node, identity, peers):
                    pass
        async with one.sessions.open(one.plugin.node, IDENTITY, {"b"}) as session:
            with pytest.raises(SessionFailed, match="16 rounds"):
                await session.round(bytes(sessions.MAX_BLOB_BYTES + 1))
            flood = asyncio.create_task(stranger.sign({"a"}, seconds=0.05))
            first, _ = await asyncio.gather(session.round(b"mine"), two.sign({"a"}, rounds=1))
            assert first == {"b": b"b 0"}
            with pytest.raises(SessionFailed):
                await flood
        for number in range(200):
            await one.sessions._hear(
                one.plugin.node, "x", {"identity": number.to_bytes(32, "big"), "round": 0, "again": 1, "blob": b""}
            )
        assert len(one.sessions._kept) == sessions.MAX_SESSIONS

    asyncio.run(main())
