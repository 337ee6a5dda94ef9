"""Does no stranger keep others from opening a channel with an asset, however many node ids it has?"""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace as Told
from typing import Any

import pytest
from lnpd_sdk.hooks import InitialStates

from lnpd.channel.state import Policy
from lnpd.testing import until
from nia.genesis import ChainNet
from rgb_node import openings
from rgb_node.openings import (
    EXPECTED_SECONDS,
    MAX_EXPECTED,
    MAX_UNUSED,
    MAX_UNUSED_EACH,
    STRANGERS,
    UNUSED_SECONDS,
    Openings,
    Unused,
)
from rgb_node.shelf import Funding, Outpoint, Shelf
from rgb_node.wire import MAX_PIECE, Piece, Terms
from tests.plugins.rgb_node.stand_in import PEER, USDX, StandIn

TERMS, FUNDING_SAT = Terms(USDX, 5), 1_000_000
# What an opener needs for a commitment with 16 HTLCs of its peer's, at the highest feerate.
LEAST_SAT = Policy().max_dust_limit_sat + (724 + 172 + 16 * 172) * 10
FULL, MANY = "being opened here", "begun here and not opened"


class Wallet:
    """An engine that knows no asset, and whose judge takes for ever."""

    def __init__(self) -> None:
        self.judging = 0

    async def assets(self) -> tuple[()]:
        return ()

    async def transfers(self) -> tuple[()]:
        return ()

    async def validate(self, *_args: object) -> None:
        self.judging += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.judging -= 1


class Hall:
    """Openings of a node, whose time is the test's."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.node, self.wallet, self.now = StandIn(), Wallet(), 1_000.0
        self.openings = Openings(self.wallet, Shelf(folder), ChainNet.REGTEST)  # type: ignore[arg-type]
        patch.setattr(openings, "time", Told(monotonic=lambda: self.now))  # the loop keeps its own

    async def asks(self, peer: str) -> str:
        return await self.openings.proposed(self.node, peer, FUNDING_SAT, TERMS)  # type: ignore[arg-type]

    async def sends(self, peer: str, piece: Piece) -> str:
        """What it is told, if anything."""
        before = len(self.node.sent)
        await self.openings.heard_piece(self.node, peer, piece)  # type: ignore[arg-type]
        return "".join(fields["reason"].decode() for fields in self.node.sent[before:])


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Hall], Any]], None]:
    def tell(story: Callable[[Hall], Any]) -> None:
        async def main() -> None:
            hall = Hall(tmp_path, monkeypatch)
            await hall.openings._shelf.accept(hall.node, USDX)  # type: ignore[arg-type]
            await story(hall)

        asyncio.run(main())

    return tell


def strangers(count: int) -> list[str]:
    return [sha256(b"%d" % number).hexdigest() + "02" for number in range(count)]


Tell = Callable[[Callable[[Hall], Any]], None]


def test_strangers_never_fill_all_places(told: Tell) -> None:
    async def story(hall: Hall) -> None:
        said = await asyncio.gather(*map(hall.asks, strangers(100)))
        assert said.count("") == MAX_EXPECTED // STRANGERS and all(FULL in each for each in said if each)
        assert await hall.asks(PEER) == "", "who has a channel here"
        assert FULL in await hall.asks(strangers(101)[-1])

    told(story)


@pytest.mark.parametrize("how", ["it goes away", "it sends nothing", "it begins anew"])
def test_a_place_is_free_again(how: str, told: Tell) -> None:
    async def story(hall: Hall) -> None:
        *inside, first, late = strangers(MAX_EXPECTED // STRANGERS + 1)
        for each in (*inside, first):
            assert await hall.asks(each) == ""
        assert FULL in await hall.asks(late)
        if how == "it goes away":
            hall.openings.parted(first)
        elif how == "it sends nothing":
            hall.now += EXPECTED_SECONDS
        else:
            assert await hall.asks(first) == "", "in the place that it has"
            assert FULL in await hall.asks(late)
            return
        assert await hall.asks(late) == ""
        assert "no opening of yours" in await hall.sends(first, Piece(bytes(32), 0, 0, 1, b"late"))

    told(story)


def test_what_is_judged_ends_with_its_peer(told: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    output = Told(value_sat=FUNDING_SAT, script=b"")
    found = Told(witness=Told(outputs=[output], txid=lambda: bytes(32)), op_id=b"", index=0)

    async def story(hall: Hall) -> None:
        monkeypatch.setattr(hall.openings, "_read", lambda *_args: found)
        (peer,) = strangers(1)
        whole = b"a consignment"
        piece = Piece(sha256(whole).digest(), 0, 0, 1, whole)
        assert await hall.asks(peer) == ""
        assert await hall.sends(peer, piece) == ""
        await until(lambda: hall.wallet.judging, "a judgement")
        hall.now += EXPECTED_SECONDS
        assert await hall.sends(peer, piece) == "", "asked again"
        assert "no opening of yours" in await hall.sends(peer, Piece(bytes(32), 0, 0, 1, b"another"))
        assert await hall.asks(PEER) == "" and peer in hall.openings._expected, "its time is the judge's"
        hall.openings.parted(peer)
        await until(lambda: not hall.wallet.judging, "its end")
        assert peer not in hall.openings._expected

    told(story)


def test_consignments_without_channels_are_few_and_of_many(told: Tell) -> None:
    async def story(hall: Hall) -> None:
        def accepted(peer: str, count: int) -> None:
            number = len(hall.openings._accepted)
            for each in range(number, number + count):
                hall.openings._accepted[Outpoint(f"{each:064x}", 0)] = Unused(peer, hall.now + UNUSED_SECONDS)

        for stranger in strangers(MAX_UNUSED // MAX_UNUSED_EACH // STRANGERS):
            accepted(stranger, MAX_UNUSED_EACH - 1)
            assert await hall.asks(stranger) == ""
            accepted(stranger, 1)
            assert MANY in await hall.asks(stranger)
            hall.openings.parted(stranger)
        assert MANY in await hall.asks(strangers(100)[-1])
        assert await hall.asks(PEER) == ""
        hall.now += UNUSED_SECONDS
        assert await hall.asks(strangers(100)[-1]) == "" and not hall.openings._accepted

    told(story)


def test_a_piece_of_another_transfer_costs_the_place_nothing(told: Tell) -> None:
    """A peer that errs may send the right one yet, within its time."""

    async def story(hall: Hall) -> None:
        (peer,) = strangers(1)
        assert await hall.asks(peer) == ""
        assert await hall.sends(peer, Piece(bytes(32), 0, 0, 2, bytes(MAX_PIECE))) == ""
        assert "of another transfer" in await hall.sends(peer, Piece(bytes(32), 1, 1, 2, b"x"))
        assert peer in hall.openings._expected

    told(story)


def test_a_channel_begins_where_the_opener_has_an_output_whatever_its_peer_calls_dust(told: Tell) -> None:
    """Which dust limit the peer has is told to no plugin: it may be the highest that lnpd grants."""
    outpoint = Outpoint("ab" * 32, 0)

    async def story(hall: Hall) -> None:
        for more_sat, word in ((0, ""), (-1, "its opener needs")):
            funding_sat = LEAST_SAT + more_sat
            row = Funding(PEER, True, USDX, bytes(32), 0, 7, funding_sat)
            await hall.openings._shelf.put_funding(hall.node, outpoint, row, b"")  # type: ignore[arg-type]
            terms = {"funding_sat": funding_sat, "push_msat": 0, "feerate_per_kw": 2_500}
            said = await hall.openings.begun(hall.node, PEER, True, outpoint, terms)  # type: ignore[arg-type]
            assert isinstance(said, InitialStates) if not word else word in str(said)

    told(story)
