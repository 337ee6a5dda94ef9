"""Does an Electrum server that is slow, broken or lying do any harm beyond an error with a name?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lnpd.chain.electrum import client, view
from lnpd.chain.electrum.backend import ElectrumChain
from lnpd.chain.interface import BlockRef, NewTip, Outcome, Outpoint, WatchOutpoint, WatchScript, WatchTxid
from lnpd.errors import (
    ChainError,
    ChainIsAnother,
    ElectrumBusy,
    ElectrumMisbehaves,
    ElectrumUnreachable,
    UnknownBlock,
)
from lnpd.tx.transaction import Tx, TxIn, TxOut, hash256
from tests.chain.false_electrum import BITS, GENESIS, PAYMENT, SCRIPT, FalseServer, coinbase, grow, mined, serving, told
from tests.chain.false_electrum import told_chain as the_chain

CHAIN = the_chain()
TIP = BlockRef(20, hash256(CHAIN[-1]))
OTHER = Tx((TxIn(b"\x06" * 32, 1),), (TxOut(1_000, SCRIPT),)).with_witness(0, (b"\x51",))
WATCHES = (WatchScript(SCRIPT), WatchTxid(PAYMENT.txid), WatchOutpoint(Outpoint(b"\x05" * 32, 1)))


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(client, "FIRST_PAUSE_SECONDS", 0.01)


def test_the_truth_is_believed() -> None:
    async def story() -> None:
        async with serving(FalseServer(CHAIN)) as chain:
            assert await chain.best_block() == TIP
            (block,) = (await chain.scan(WATCHES, 0)).connected
            assert (block.block.height, {(match.watch, match.position) for match in block.matches}) == (
                15,
                {(watch, 1) for watch in WATCHES},
            )
            (coin,) = await chain.unspent(SCRIPT)
            assert (coin.outpoint, coin.height, coin.value_sat) == (Outpoint(PAYMENT.txid, 0), 15, 1_000)
            assert await chain.feerate(6) == 2_500

    told(story)


BROKEN_AT_START: dict[str, tuple[dict[str, Any], type[ChainError], str]] = {
    "garbage": ({"server.version": b"\x00\xff\n"}, ElectrumMisbehaves, "no message"),
    "HTTP": ({"server.version": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, ElectrumMisbehaves, "no message"),
    "a line without an end": ({"server.version": b"x" * 10_000_000}, ElectrumMisbehaves, "too long"),
    "a list": ({"server.version": b"[]\n"}, ElectrumMisbehaves, "no message"),
    "deep": ({"server.version": b"[" * 100_000 + b"\n"}, ElectrumMisbehaves, "no message"),
    "another type": ({"server.version": 5}, ElectrumMisbehaves, "what cannot be"),
    "an old protocol": ({"server.version": ["Old", "1.2"]}, ElectrumMisbehaves, "nobody offered"),
    "a new protocol": ({"server.version": ["New", "2.0"]}, ElectrumMisbehaves, "nobody offered"),
    "a protocol of words": ({"server.version": ["New", "one.two"]}, ElectrumMisbehaves, "one.two"),
    "a refusal": ({"server.version": ValueError("go away")}, ChainError, "go away"),
    "another chain": ({"blockchain.block.header": mined(GENESIS, [bytes(32)], 1).hex()}, ChainIsAnother, "regtest"),
    "a short header": ({"blockchain.headers.subscribe": {"height": 3, "hex": "00"}}, ElectrumMisbehaves, "cannot be"),
    "a negative height": (
        {"blockchain.headers.subscribe": {"height": -3, "hex": "00" * 80}}, ElectrumMisbehaves, "cannot be",
    ),
    "no headers": ({"blockchain.block.headers": {"hex": "", "count": 0}}, ElectrumBusy, "block 20"),
    "too many headers": ({"blockchain.block.headers": {"hex": "00" * 80, "count": 2}}, ElectrumMisbehaves, "80 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN_AT_START)
def test_a_broken_answer_has_an_error_of_its_own(case: str) -> None:
    lies, error, words = BROKEN_AT_START[case]

    async def story() -> None:
        with pytest.raises(error, match=words) as raised:
            async with serving(FalseServer(CHAIN, lies)):
                pass
        assert len(str(raised.value)) < 700

    told(story)


FALSE_HEADERS = {
    "lacks work": mined(CHAIN[-1], [bytes(32)], 1_400_000_000, work=False),
    "a target of its own": mined(CHAIN[-1], [bytes(32)], 1_400_000_000, bits=BITS - 1),
    "does not follow": mined(CHAIN[3], [bytes(32)], 1_400_000_000),
}


@pytest.mark.parametrize("words", FALSE_HEADERS)
def test_a_header_that_breaks_a_rule_is_refused(words: str) -> None:
    async def story() -> None:
        server = FalseServer(CHAIN)
        async with serving(server) as chain:
            server.chain = [*CHAIN, FALSE_HEADERS[words]]
            with pytest.raises(ElectrumMisbehaves, match=words):
                await chain.best_block()
            server.chain = grow(CHAIN, 1)
            server.lies = {}
            while True:  # the observer may have found the lie first: then the server is left for a moment
                try:
                    assert (await chain.best_block()).height == 21
                    return
                except ElectrumUnreachable:
                    await _moment()

    told(story)


def test_less_work_is_not_the_best_chain() -> None:
    async def story() -> None:
        server = FalseServer(CHAIN)
        async with serving(server) as chain:
            server.chain = grow(CHAIN[:10], 5, salt=1)
            assert await chain.best_block() == TIP
            with pytest.raises(ElectrumBusy, match="block 14"):
                await chain.scan(WATCHES, 0)

    told(story)


def test_more_work_is() -> None:
    async def story() -> None:
        server = FalseServer(CHAIN)
        async with serving(server) as chain:
            heard = chain.events()
            server.chain = grow(CHAIN[:18], 9, salt=1)
            new = BlockRef(26, hash256(server.chain[-1]))
            assert await chain.best_block() == new
            assert await anext(heard) == NewTip(new)
            delta = await chain.blocks_since(TIP)
            assert [block.height for block in delta.disconnected] == [20, 19, 18]
            assert [each.block.height for each in delta.connected] == list(range(18, 27)) and delta.end == new
            with pytest.raises(UnknownBlock):
                await chain.blocks_since(BlockRef(19, bytes(32)))

    told(story)


COINBASE = coinbase(15)
LIES: dict[str, tuple[dict[str, Any], type[ChainError], str]] = {
    "another transaction": (
        {"blockchain.transaction.get": OTHER.serialise().hex()}, ElectrumMisbehaves, "another transaction",
    ),
    "no transaction": ({"blockchain.transaction.get": "00ff"}, ElectrumMisbehaves, "that is none"),
    "odd hex": ({"blockchain.transaction.get": "0"}, ElectrumMisbehaves, "cannot be"),
    "a false branch": (
        {"blockchain.transaction.get_merkle": {"merkle": ["11" * 32], "pos": 1}}, ElectrumMisbehaves, "does not prove",
    ),
    "a false position": (
        {"blockchain.transaction.get_merkle": {"merkle": [COINBASE.txid[::-1].hex()], "pos": 0}},
        ElectrumMisbehaves, "does not prove",
    ),
    "a position beyond the branch": (
        {"blockchain.transaction.get_merkle": {"merkle": [COINBASE.txid[::-1].hex()], "pos": 3}},
        ElectrumMisbehaves, "below the root",
    ),
    "a long branch": (
        {"blockchain.transaction.get_merkle": {"merkle": ["11" * 32] * 26, "pos": 1}}, ElectrumMisbehaves, "cannot be",
    ),
    "another block": (
        {"blockchain.scripthash.get_history": [{"tx_hash": PAYMENT.txid[::-1].hex(), "height": 16}]},
        ElectrumMisbehaves, "does not prove",
    ),
    "a block to come": (
        {"blockchain.scripthash.get_history": [{"tx_hash": PAYMENT.txid[::-1].hex(), "height": 21}]},
        ElectrumBusy, "does not announce",
    ),
    "a transaction that it has not": (
        {"blockchain.scripthash.get_history": [{"tx_hash": "12" * 32, "height": 15}],
         "blockchain.transaction.get_merkle": {"merkle": [], "pos": 0}}, ElectrumMisbehaves, "does not prove",
    ),
    "a history of words": ({"blockchain.scripthash.get_history": "none"}, ElectrumMisbehaves, "cannot be"),
    "a status of words": ({"blockchain.scripthash.subscribe": "none"}, ElectrumMisbehaves, "cannot be"),
}  # fmt: skip


@pytest.mark.parametrize("case", LIES)
def test_what_is_not_proven_is_not_believed(case: str) -> None:
    lies, error, words = LIES[case]

    async def story() -> None:
        async with serving(FalseServer(CHAIN, lies)) as chain:
            with pytest.raises(error, match=words):
                await chain.scan(WATCHES[:1], 0)

    told(story)


FALSE_COINS = {
    "another value": {"tx_pos": 0, "height": 15, "value": 1_001},
    "an output that is not there": {"tx_pos": 1, "height": 15, "value": 1_000},
    "another height": {"tx_pos": 0, "height": 16, "value": 1_000},
}


@pytest.mark.parametrize("case", FALSE_COINS)
def test_a_coin_that_is_not_is_not_believed(case: str) -> None:
    async def story() -> None:
        listed = [{"tx_hash": PAYMENT.txid[::-1].hex(), **FALSE_COINS[case]}]
        async with serving(FalseServer(CHAIN, {"blockchain.scripthash.listunspent": listed})) as chain:
            with pytest.raises(ElectrumMisbehaves):
                await chain.unspent(SCRIPT)

    told(story)


def test_refusals_are_unwrapped() -> None:
    words = "the transaction was rejected by network rules.\n\nmin relay fee not met, 1 < 2\n[0200]"
    lies: dict[str, Any] = {"blockchain.transaction.broadcast": ValueError(words)}

    async def story() -> None:
        async with serving(server := FalseServer(CHAIN, lies)) as chain:
            result = await chain.broadcast((OTHER.serialise(),))
            assert (result.outcome, result.reason) == (Outcome.REFUSED, "min relay fee not met, 1 < 2")
            assert (await chain.broadcast((PAYMENT.serialise(),))).outcome is Outcome.KNOWN
            child = Tx((TxIn(OTHER.txid, 0),), (TxOut(900, SCRIPT),)).with_witness(0, (b"\x51",))
            result = await chain.broadcast((OTHER.serialise(), child.serialise()))
            assert "packages need an Electrum server of protocol 1.6" in result.reason
            for busy in ("excessive resource usage", "internal server error"):
                server.lies["blockchain.transaction.broadcast"] = ValueError(busy)
                with pytest.raises(ChainError, match=busy):
                    await chain.broadcast((OTHER.serialise(),))
            server.lies["blockchain.transaction.broadcast"] = "00" * 32
            with pytest.raises(ElectrumMisbehaves, match="and took"):
                await chain.broadcast((OTHER.serialise(),))

    told(story)


def test_the_next_server_takes_over_from_one_that_lies_or_is_gone() -> None:
    async def story() -> None:
        first, second = FalseServer(CHAIN), FalseServer(CHAIN)
        async with serving(first, second) as chain:
            assert (first.connections, second.connections) == (1, 0)
            first.lies = LIES["another transaction"][0]
            with pytest.raises(ElectrumMisbehaves):
                await chain.scan(WATCHES[:1], 0)
            assert len((await chain.scan(WATCHES[:1], 0)).connected) == 1
            assert second.connections == 1
            first.lies = {}
            await second.stop()
            await _until_it_answers(chain)
            assert first.connections == 2

    told(story)


def test_a_server_that_comes_again_is_used_again() -> None:
    async def story() -> None:
        server = FalseServer(CHAIN)
        async with serving(server) as chain:
            await server.stop()
            with pytest.raises(ElectrumUnreachable):
                while True:
                    await chain.best_block()
            await server.start()
            await _until_it_answers(chain)
            assert await chain.best_block() == TIP

    told(story)


def test_headers_are_kept_and_a_damaged_file_is_cut(tmp_path: Path) -> None:
    async def story() -> None:
        server = FalseServer(CHAIN)
        async with serving(server, directory=tmp_path):
            pass
        server.chain = grow(CHAIN[:18], 9, salt=1)
        async with serving(server, directory=tmp_path):
            pass
        path = tmp_path / "headers"
        assert path.stat().st_size == (21 + 9) * 80
        with path.open("ab") as file:
            file.write(b"\x07" * 130)
        never_asked = {"blockchain.block.headers": ValueError("asked")}
        server.lies = never_asked
        async with serving(server, directory=tmp_path) as chain:
            assert path.stat().st_size == (21 + 9) * 80
            delta = await chain.blocks_since(TIP)
            assert [block.height for block in delta.disconnected] == [20, 19, 18], "known from the file alone"
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
        server.lies = {}
        async with serving(server, directory=tmp_path) as chain:
            assert (await chain.best_block()).height == 26

    told(story)


async def _until_it_answers(chain: ElectrumChain) -> None:
    while True:
        try:
            await chain.best_block()
            return
        except ElectrumUnreachable:
            await _moment()


async def _moment() -> None:
    await asyncio.sleep(0.02)
