"""Does a server that is slow, broken or lying do any harm beyond an error with a name?"""

import asyncio
import itertools
from pathlib import Path

import pytest

from lnpd.chain.bitcoind.address import CHAINS, BitcoindAddress, Login
from lnpd.chain.bitcoind.answers import BlockchainInfo, Hash
from lnpd.chain.bitcoind.backend import BitcoindChain
from lnpd.chain.bitcoind.blocks import Blocks
from lnpd.chain.bitcoind.pool import Pool
from lnpd.chain.bitcoind.rpc import Ask, Rpc
from lnpd.chain.bitcoind.start import OLDEST, ready
from lnpd.chain.bitcoind.watched import Watched
from lnpd.chain.interface import WatchTxid
from lnpd.errors import (
    BitcoindBusy,
    BitcoindFault,
    BitcoindMisbehaves,
    BitcoindTooOld,
    BitcoindUnreachable,
    ChainError,
    LoginRefused,
)
from tests.chain.false_server import OK, TX, Server, replying, told, whole

BROKEN: dict[str, tuple[bytes, type[ChainError], str]] = {
    "nothing": (b"", BitcoindUnreachable, "cannot be reached"),
    "garbage": (b"\x00\xff" * 50 + b"\r\n\r\n", BitcoindMisbehaves, "does not speak HTTP"),
    "another protocol": (b"SSH-2.0-OpenSSH_9\r\n\r\n", BitcoindMisbehaves, "does not speak HTTP"),
    "no length": (b"HTTP/1.1 200 OK\r\n\r\n{}", BitcoindMisbehaves, "does not speak HTTP"),
    "a length of words": (OK + b"many\r\n\r\n", BitcoindMisbehaves, "does not speak HTTP"),
    "a negative length": (OK + b"-5\r\n\r\n", BitcoindMisbehaves, "does not speak HTTP"),
    "a huge length": (OK + b"99999999999\r\n\r\n", BitcoindMisbehaves, "are the limit"),
    "too long for this question": (OK + b"5000000\r\n\r\n", BitcoindMisbehaves, "4000000 are the limit"),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 9_000, BitcoindMisbehaves, "bytes of headers"),
    "cut short": (OK + b"50\r\nConnection: close\r\n\r\n{", BitcoindUnreachable, "cannot be reached"),
    "no JSON": (whole(b"<html>"), BitcoindMisbehaves, "no JSON-RPC"),
    "no UTF-8": (whole(b'{"result":"\xff","error":null,"id":0}'), BitcoindMisbehaves, "bitcoind"),
    "empty": (whole(b""), BitcoindMisbehaves, "no JSON-RPC"),
    "a list": (whole(b"[]"), BitcoindMisbehaves, "no JSON-RPC"),
    "deep": (whole(b'{"result":' + b"[" * 100_000 + b"]" * 100_000 + b',"id":0}'), BitcoindMisbehaves, "bitcoind"),
    "another's answer": (whole(b'{"result":"' + b"0" * 64 + b'","id":1}'), BitcoindMisbehaves, "not asked"),
    "another type": (whole(b'{"result":5,"id":0}'), BitcoindMisbehaves, "cannot be read"),
    "a short hash": (whole(b'{"result":"00","id":0}'), BitcoindMisbehaves, "cannot be read"),
    "no result": (whole(b'{"id":0}'), BitcoindMisbehaves, "cannot be read"),
    "an error of words": (whole(b'{"error":"x","id":0}'), BitcoindMisbehaves, "no JSON-RPC"),
    "an error": (whole(b'{"error":{"code":-7,"message":"a\\n b"},"id":0}', "500 E"), BitcoindFault, "a b"),
    "warming up": (whole(b'{"error":{"code":-28,"message":"Loading"},"id":0}', "500 E"), BitcoindBusy, "Loading"),
    "too busy": (whole(b"Work queue depth exceeded", "503 Service Unavailable"), BitcoindBusy, "rpcworkqueue"),
    "wrong password": (whole(b"", "401 Unauthorized"), LoginRefused, "this user and password"),
    "forbidden": (whole(b"", "403 Forbidden"), LoginRefused, "403"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_answer_has_an_error_of_its_own(case: str) -> None:
    answer, error, words = BROKEN[case]

    async def story(_: Server, rpc: Rpc) -> None:
        with pytest.raises(error, match=words) as raised:
            await rpc.call(Hash, "getbestblockhash")
        assert len(str(raised.value)) < 500 and "\n" not in str(raised.value)

    told(lambda _: answer, story)


def test_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(_: Server, rpc: Rpc) -> None:
        with pytest.raises(BitcoindUnreachable, match=r"did not answer within 0\.1 s"):
            await rpc.call(Hash, "getbestblockhash", seconds=0.1)

    told(lambda _: None, story)


def test_nobody_there_is_said_and_left_alone_for_a_while() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        rpc = Rpc(BitcoindAddress("127.0.0.1", port, Login("u", "p")))
        began = asyncio.get_running_loop().time()
        for _ in range(3):
            with pytest.raises(BitcoindUnreachable, match="cannot be reached"):
                await rpc.call(Hash, "getbestblockhash")
        assert 0.7 < asyncio.get_running_loop().time() - began < 10
        await rpc.close()
        with pytest.raises(BitcoindUnreachable, match="closed"):
            await rpc.call(Hash, "getbestblockhash")

    asyncio.run(main())


def test_a_connection_is_kept_and_replaced_once_it_is_closed() -> None:
    closing = iter((False, False, True, False, False))

    def answer(body: bytes) -> bytes:
        end = next(closing)
        result = b'{"result":"' + b"0" * 64 + b'","error":null,"id":0}'
        return whole(result, more="Connection: close\r\n" if end else "")

    async def story(server: Server, rpc: Rpc) -> None:
        for _ in range(5):
            assert await rpc.call(Hash, "getbestblockhash") == "0" * 64
        assert (server.requests, server.connections) == (5, 2)

    told(answer, story)


def test_a_cookie_is_read_again_when_it_is_refused(tmp_path: Path) -> None:
    cookie = tmp_path / "cookie"
    cookie.write_text("__cookie__:old")
    seen: list[bytes] = []

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            login = head.split(b"Basic ")[1].split(b"\r\n")[0]
            seen.append(login)
            good = login == b"X19jb29raWVfXzpuZXc="  # __cookie__:new
            body = b'{"result":"' + b"0" * 64 + b'","id":0}'
            writer.write(whole(body if good else b"", "200 OK" if good else "401 No", "Connection: close\r\n"))
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            rpc = Rpc(BitcoindAddress("127.0.0.1", server.sockets[0].getsockname()[1], Login(cookie=cookie)))
            with pytest.raises(LoginRefused, match="cookie"):
                await rpc.call(Hash, "getbestblockhash")
            cookie.write_text("__cookie__:new")
            assert await rpc.call(Hash, "getbestblockhash") == "0" * 64
            cookie.write_text("__cookie__:worse")
            assert await rpc.call(Hash, "getbestblockhash") == "0" * 64, "it is not read without need"
            await rpc.close()
        assert len(seen) == 3

    asyncio.run(asyncio.wait_for(main(), 30))


@pytest.mark.parametrize("answer", [b"[]", b'[{"id":0,"result":1}]', b'[{"id":0},{"id":0}]', b'[{"id":5},{"id":1}]'])
def test_several_questions_need_as_many_answers(answer: bytes) -> None:
    async def story(_: Server, rpc: Rpc) -> None:
        with pytest.raises(BitcoindMisbehaves, match="of 2 questions"):
            await rpc.ask((Ask("a"), Ask("b")))

    told(lambda _: whole(answer), story)


GENESIS_HASH = bytes.fromhex("06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f")
GENESIS = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f617fc81bc3"
    "888a51323a9fb8aa4b1e5e4adae5494dffff7f20020000000101000000010000000000000000000000000000000000000000000000000000"
    "000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e2062"
    "72696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe554827"
    "1967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5f"
    "ac00000000"
)


@pytest.mark.parametrize(
    "text",
    ["", "zz", "00" * 80, GENESIS[:-1].hex(), GENESIS.hex() + "00", (GENESIS[:-4] + b"\1\0\0\0").hex(),
     (b"\2" + GENESIS[1:]).hex()],
)  # fmt: skip
def test_another_block_than_was_asked_for_is_refused(text: str) -> None:
    async def story(_: Server, rpc: Rpc) -> None:
        with pytest.raises(BitcoindMisbehaves):
            await Blocks(rpc).block(GENESIS_HASH)

    told(replying({"getblock": text}), story)


def test_a_block_is_read() -> None:
    async def story(server: Server, rpc: Rpc) -> None:
        blocks = Blocks(rpc)
        assert (await blocks.block(GENESIS_HASH)).hash == GENESIS_HASH
        await blocks.digest(GENESIS_HASH)
        assert server.requests == 1

    told(replying({"getblock": GENESIS.hex()}), story)


def test_another_transaction_than_was_asked_for_is_refused() -> None:
    answers = {
        "getbestblockhash": "00" * 32,
        "getrawmempool": {"txids": ["11" * 32], "mempool_sequence": 1},
        "getrawtransaction": TX.serialise().hex(),
    }

    async def story(_: Server, rpc: Rpc) -> None:
        with pytest.raises(BitcoindMisbehaves, match="gives"):
            await Pool(rpc, Watched([WatchTxid(TX.txid)])).settle()

    told(replying(answers), story)


def test_a_chain_that_never_stands_still_is_given_up() -> None:
    count = iter(range(10_000))
    answers = {
        "getbestblockhash": lambda: f"{next(count):064x}",
        "getrawmempool": lambda *_: {"txids": [], "mempool_sequence": 1},
    }

    async def story(_: Server, rpc: Rpc) -> None:
        with pytest.raises(BitcoindBusy, match="stand still"):
            await Pool(rpc, Watched()).settle()

    told(replying(answers), story)


INFO = {"chain": "regtest", "blocks": 1, "headers": 1, "bestblockhash": "00" * 32, "initialblockdownload": False}


def test_an_old_bitcoind_is_refused_and_a_starting_one_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    lacking = {**INFO, "headers": 60}  # it was away for less than a day: that is no initial download to it
    busy = [ValueError(-28, "Loading block index..."), ValueError(-28, "Verifying blocks...")]
    starting = itertools.chain((*busy, lacking), itertools.repeat(INFO))

    async def story(server: Server, rpc: Rpc) -> None:
        with pytest.raises(BitcoindTooOld, match="/Satoshi:23/ is too old: lnpd needs Bitcoin Core 24"):
            await BitcoindChain.open(rpc.address, "regtest")

    told(
        replying(
            {
                "getblockchaininfo": lambda: next(starting),
                "getnetworkinfo": {"version": 230_000, "subversion": "/Satoshi:23/"},
            }
        ),
        story,
    )
    assert "bitcoind is starting: Loading block index" in caplog.text and "bitcoind is ready" in caplog.text
    assert "downloading: bitcoind is at block 1 of 60" in caplog.text


@pytest.mark.parametrize(
    ("lacked", "network", "is_initial", "says"),
    [
        (0, "signet", False, ""),
        (2, "signet", False, ""),
        (3, "signet", False, "waits no longer"),
        (3, "regtest", True, "waits no longer"),
        (3, "signet", True, "is ready"),
        (0, "signet", True, "is ready"),
    ],
)
def test_a_block_that_nobody_has_keeps_no_node_from_starting(
    lacked: int, network: str, is_initial: bool, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A first download is waited for however long it takes: here, five answers."""
    chain = CHAINS[network].name
    here = {**INFO, "chain": chain, "headers": 1 + lacked, "initialblockdownload": is_initial}
    answers = itertools.chain((here,) * 5, itertools.repeat({**INFO, "chain": chain}))

    async def story(_: Server, rpc: Rpc) -> None:
        await ready(rpc, network, ask_again_seconds=0.001, patience_seconds=0)

    told(replying({"getblockchaininfo": lambda: next(answers), "getnetworkinfo": {"version": OLDEST}}), story)
    assert (says in caplog.text) if says else not caplog.text


def test_fields_that_nobody_named_are_passed_over() -> None:
    async def story(_: Server, rpc: Rpc) -> None:
        assert (await rpc.call(BlockchainInfo, "getblockchaininfo")).chain == "regtest"

    told(replying({"getblockchaininfo": {**INFO, "new": {"a": [1, 2.5e300]}}}), story)
