"""Does no stranger keep others from opening a channel with an asset, however many node ids it has?"""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace as Told
from typing import Any

import pytest
from lnpd_sdk.hooks import InitialStates

from lnpd.testing import until
from nia.genesis import ChainNet
from rgb_node import acceptor
from rgb_node.acceptor import (
    EXPECTED_SECONDS,
    MAX_EXPECTED,
    MAX_UNUSED,
    MAX_UNUSED_EACH,
    STRANGERS,
    UNUSED_SECONDS,
    Acceptor,
    Unused,
)
from rgb_node.shelf import Funding, Outpoint, Shelf
from rgb_node.wire import MAX_PIECE, Piece, Terms
from tests.plugins.rgb_node.stand_in import PEER, USDX, StandIn

TERMS, FUNDING_SAT = Terms(USDX, 5), 1_000_000
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
    """The openings that are proposed to a node, whose time is the test's."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.node, self.wallet, self.now = StandIn(), Wallet(), 1_000.0
        self.acceptor = Acceptor(self.wallet, Shelf(folder), ChainNet.REGTEST)  # type: ignore[arg-type]
        patch.setattr(acceptor, "time", Told(monotonic=lambda: self.now))  # the loop keeps its own

    async def asks(self, peer: str) -> str:
        return await self.acceptor.proposed(self.node, peer, FUNDING_SAT, TERMS)  # type: ignore[arg-type]

    async def sends(self, peer: str, piece: Piece) -> str:
        """What it is told, if anything."""
        before = len(self.node.sent)
        await self.acceptor.heard_piece(self.node, peer, piece)  # type: ignore[arg-type]
        return "".join(fields["reason"].decode() for fields in self.node.sent[before:])


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Hall], Any]], None]:
    def tell(story: Callable[[Hall], Any]) -> None:
        async def main() -> None:
            hall = Hall(tmp_path, monkeypatch)
            await hall.acceptor._shelf.accept(hall.node, USDX)  # type: ignore[arg-type]
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
            hall.acceptor.parted(first)
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
        monkeypatch.setattr(acceptor, "read_funding", lambda *_args: found)
        (peer,) = strangers(1)
        whole = b"a consignment"
        piece = Piece(sha256(whole).digest(), 0, 0, 1, whole)
        assert await hall.asks(peer) == ""
        assert await hall.sends(peer, piece) == ""
        await until(lambda: hall.wallet.judging, "a judgement")
        hall.now += EXPECTED_SECONDS
        assert await hall.sends(peer, piece) == "", "asked again"
        assert "no opening of yours" in await hall.sends(peer, Piece(bytes(32), 0, 0, 1, b"another"))
        assert await hall.asks(PEER) == "" and peer in hall.acceptor._expected, "its time is the judge's"
        hall.acceptor.parted(peer)
        await until(lambda: not hall.wallet.judging, "its end")
        assert peer not in hall.acceptor._expected

    told(story)


def unused(hall: Hall, peer: str, count: int, named: bool = True) -> list[Outpoint]:
    """So many consignments of a peer's that were accepted."""
    number = len(hall.acceptor._unused)
    found = [Outpoint(f"{each:064x}", 0) for each in range(number, number + count)]
    hall.acceptor._unused |= dict.fromkeys(found, Unused(peer, hall.now + UNUSED_SECONDS, named))
    return found


def test_consignments_without_channels_are_few_and_of_many(told: Tell) -> None:
    async def story(hall: Hall) -> None:
        most = MAX_UNUSED_EACH // STRANGERS
        for stranger in strangers(MAX_UNUSED // MAX_UNUSED_EACH):
            unused(hall, stranger, most - 1)
            assert await hall.asks(stranger) == ""
            unused(hall, stranger, 1)
            assert MANY in await hall.asks(stranger)
            hall.acceptor.parted(stranger)
        assert MANY in await hall.asks(strangers(100)[-1])
        assert await hall.asks(PEER) == ""
        hall.now += UNUSED_SECONDS
        assert await hall.asks(strangers(100)[-1]) == "" and not hall.acceptor._unused

    told(story)


@pytest.mark.parametrize("how", ["its peer goes away", "its peer begins anew"])
def test_a_consignment_goes_unless_funding_created_named_it(how: str, told: Tell) -> None:
    """The node may be about to have its channel then, whatever became of the connection."""
    row = Funding(PEER, False, USDX, bytes(32), 0, 7, FUNDING_SAT)

    async def story(hall: Hall) -> None:
        node, shelf = hall.node, hall.acceptor._shelf
        (left,), (named,) = unused(hall, PEER, 1, named=False), unused(hall, PEER, 1, named=False)
        for each in (left, named):
            await shelf.put_funding(node, each, row, b"what proves it")  # type: ignore[arg-type]
        terms = {"funding_sat": FUNDING_SAT, "push_msat": 0, "feerate_per_kw": 2_500}
        assert isinstance(await hall.acceptor.begun(node, PEER, named, terms), InitialStates)  # type: ignore[arg-type]
        (other,) = strangers(1)
        assert "no consignment" in str(await hall.acceptor.begun(node, other, left, terms))  # type: ignore[arg-type]
        if how == "its peer goes away":
            hall.acceptor.parted(PEER)
            await hall.acceptor.tidy(node)  # type: ignore[arg-type]
        else:
            assert await hall.asks(PEER) == ""
        assert list(await shelf.fundings(node)) == [named]  # type: ignore[arg-type]
        assert "no consignment" in str(await hall.acceptor.begun(node, PEER, left, terms))  # type: ignore[arg-type]
        hall.now += UNUSED_SECONDS
        await hall.acceptor.tidy(node)  # type: ignore[arg-type]
        assert not await shelf.fundings(node)  # type: ignore[arg-type]

    told(story)


@pytest.mark.parametrize(
    ("state", "closing_txid", "is_kept"), [("normal", "", True), ("closed", "ab" * 32, True), ("closed", "", False)]
)
def test_a_consignment_stays_as_long_as_its_channel_may_need_it(
    state: str, closing_txid: str, is_kept: bool, told: Tell
) -> None:
    """Also what an earlier process accepted. A channel that closed with nothing on the chain was never funded."""

    async def story(hall: Hall) -> None:
        node, shelf, outpoint = hall.node, hall.acceptor._shelf, Outpoint("cd" * 32, 1)
        row = Funding(PEER, False, USDX, bytes(32), 0, 7, FUNDING_SAT)
        await shelf.put_funding(node, outpoint, row, b"what proves it")  # type: ignore[arg-type]
        node.all = [{"funding": str(outpoint), "state": state, "closing_txid": closing_txid}]
        await hall.acceptor.tidy(node)  # type: ignore[arg-type]
        assert (outpoint in await shelf.fundings(node)) == is_kept  # type: ignore[arg-type]
        assert not hall.acceptor._unused

    told(story)


def test_a_piece_of_another_transfer_costs_the_place_nothing(told: Tell) -> None:
    """A peer that errs may send the right one yet, within its time."""

    async def story(hall: Hall) -> None:
        (peer,) = strangers(1)
        assert await hall.asks(peer) == ""
        assert await hall.sends(peer, Piece(bytes(32), 0, 0, 2, bytes(MAX_PIECE))) == ""
        assert "of another transfer" in await hall.sends(peer, Piece(bytes(32), 1, 1, 2, b"x"))
        assert peer in hall.acceptor._expected

    told(story)
