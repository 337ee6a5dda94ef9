"""Is a chain in another process the same chain: its answers, its errors, its hints, and after it was started again?"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lnpd.chain.embedded import EmbeddedChain
from lnpd.chain.interface import (
    BlockRef,
    NewTip,
    Outcome,
    SeenUnconfirmed,
    WatchOutpoint,
    WatchScript,
    WatchTxid,
)
from lnpd.errors import ChainUnreachable, EndpointRefused, FaucetDry, UnknownBlock
from lnpd.services.chain import service as chain_service
from lnpd.services.chain.process import READY
from lnpd.services.chain.service import ChainServer, RemoteChain, serve_chain
from lnpd.tx.transaction import parse
from tests.chain.purse import P2WPKH, p2wsh, pay
from tests.services.chain.chains import a_spend, offer, told

TARGET = p2wsh(b"\x52")


@asynccontextmanager
async def served(directory: Path) -> AsyncIterator[tuple[EmbeddedChain, ChainServer, str]]:
    """A chain and its server."""
    chain = await EmbeddedChain.open(directory / "chain")
    endpoint = f"ipc://{directory}/c"
    server = serve_chain(chain, endpoint)
    try:
        yield chain, server, endpoint
    finally:
        await server.close()
        await chain.close()


def test_every_answer_is_the_chains_own(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as (chain, _, endpoint):
            remote, view = RemoteChain(endpoint), chain.view()
            start = await remote.best_block()
            coin = await remote.output(await remote.fund(P2WPKH, 500_000))
            assert coin is not None and coin == await chain.output(coin.outpoint)
            tx = pay(coin, to=TARGET)
            watches = [WatchScript(P2WPKH), WatchTxid(tx.txid), WatchOutpoint(coin.outpoint)]
            await remote.watch(watches)
            await view.watch(watches)
            assert (await remote.broadcast((tx.serialise(),))).outcome is Outcome.ACCEPTED
            assert (await remote.broadcast((tx.serialise(),))).outcome is Outcome.KNOWN
            assert (await remote.broadcast((b"",))).outcome is Outcome.REFUSED
            assert await remote.blocks_since(start) == await view.blocks_since(start)
            assert len((await remote.blocks_since(start)).mempool) == 3
            (block,) = await remote.mine()
            for question in (
                "best_block",
                "tip",
                "feerate",
                "block_at",
                "blocks_since",
                "scan",
                "unspent",
                "transaction",
            ):
                arguments = {
                    "feerate": (6,),
                    "block_at": (block.height,),
                    "blocks_since": (start,),
                    "scan": (watches, 0),
                    "unspent": (TARGET,),
                    "transaction": (tx.txid,),
                }.get(question, ())
                answer = await getattr(remote, question)(*arguments)
                assert answer == await getattr(view, question)(*arguments) and answer, question
            assert await remote.transaction(bytes(32)) is None and await remote.block_at(10_000) is None
            await remote.unwatch(watches)
            assert all(not each.matches for each in (await remote.blocks_since(start)).connected)
            assert len(await remote.reorganise(1, 2, (tx.serialise(),))) == 2
            await remote.set_feerate(777)
            assert await remote.feerate(1) == 777
            await remote.close()

    told(story)


def test_errors_travel_by_their_class(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as (_, _, endpoint):
            remote = RemoteChain(endpoint)
            with pytest.raises(UnknownBlock):
                await remote.blocks_since(BlockRef(5, bytes(32)))
            with pytest.raises(FaucetDry):
                await remote.fund(b"\x61", 1_000_000)
            with pytest.raises(EndpointRefused):
                RemoteChain("http://example")
            await remote.close()

    told(story)


def test_each_client_has_its_own_watches_and_hears_hints(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as (chain, _, endpoint):
            one, two = RemoteChain(endpoint), RemoteChain(endpoint)
            tx = await a_spend(chain)
            start = await one.best_block()
            await one.watch([WatchTxid(tx.txid)])
            heard, heard_too = one.events(), two.events()
            assert await anext(heard) == await anext(heard_too) == NewTip(start), "each is told where it stands"
            await offer(two, tx)
            (block,) = await two.mine()
            first = await anext(heard)
            assert isinstance(first, SeenUnconfirmed) and first.match.txid == tx.txid
            assert await anext(heard) == await anext(heard_too) == NewTip(block)
            assert len((await one.blocks_since(start)).connected[0].matches) == 1
            assert (await two.blocks_since(start)).connected[0].matches == ()
            await one.close()
            with pytest.raises(StopAsyncIteration):
                await anext(heard)
            await two.close()

    told(story)


def test_a_server_that_was_started_again_is_told_every_watch_before_it_is_asked(tmp_path: Path) -> None:
    async def story() -> None:
        endpoint = f"ipc://{tmp_path}/c"
        remote = RemoteChain(endpoint, deadline_seconds=20)
        async with served(tmp_path) as (chain, _, _):
            tx = await a_spend(chain)
            start = await remote.best_block()
            await remote.watch([WatchTxid(tx.txid)])
            heard = remote.events()
            assert await anext(heard) == NewTip(start)
        async with served(tmp_path) as (chain, _, _):
            await offer(chain, tx)
            (block,) = await chain.mine()
            questions = (remote.blocks_since(start) for _ in range(5))
            for delta in await asyncio.gather(*questions):  # at once: none may meet a view that lacks the watch
                assert [len(each.matches) for each in delta.connected] == [1]
            assert await anext(heard) == NewTip(block), "and whoever listens hears where the chain stands"
            await remote.watch([WatchScript(TARGET)])
            await remote.close()

    told(story)


def test_a_client_that_was_forgotten_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_service, "MAX_CLIENTS", 2)

    async def story() -> None:
        async with served(tmp_path) as (chain, _, endpoint):
            clients = [RemoteChain(endpoint) for _ in range(4)]
            tx = await a_spend(chain)
            start = await chain.best_block()
            for client in clients:
                await client.watch([WatchTxid(tx.txid)])
            await offer(chain, tx)
            await chain.mine()
            for client in clients * 2:
                assert len((await client.blocks_since(start)).connected[0].matches) == 1
            for client in clients:
                await client.close()

    told(story)


def test_who_does_not_answer_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        remote = RemoteChain(f"ipc://{tmp_path}/nobody", deadline_seconds=0.05)
        with pytest.raises(ChainUnreachable):
            await remote.best_block()
        with pytest.raises(ChainUnreachable):
            await remote.watch([WatchScript(TARGET)])
        await remote.close()

    told(story)


def test_the_chain_as_a_program(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/c"
    program = [sys.executable, "-m", "lnpd.services.chain.process", "--endpoint", endpoint]
    arguments = ["--directory", str(tmp_path / "chain")]
    with subprocess.Popen([*program, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == f"{READY} {endpoint}\n"
        second = subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=60)
        assert second.returncode == 1 and "open" in second.stderr and second.stderr.count("\n") == 1

        async def story() -> None:
            remote = RemoteChain(endpoint)
            tx = await a_spend(remote)
            await offer(remote, tx)
            await remote.mine()
            found = await remote.transaction(tx.txid)
            assert found is not None and parse(found.transaction) == tx
            await remote.close()

        told(story)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_the_program_ends_with_whoever_started_it(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "lnpd.services.chain.process", "--endpoint", f"ipc://{tmp_path}/c", "--until-eof"]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*program, "--directory", str(tmp_path / "chain")], text=True, **streams) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(60) == 0
