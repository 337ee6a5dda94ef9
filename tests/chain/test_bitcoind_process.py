"""Does a view of a real bitcoind live through what happens to a bitcoind, and say what it cannot do?"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lnpd.bus.subscription import Subscription
from lnpd.chain.bitcoind.address import BitcoindAddress, Login
from lnpd.chain.bitcoind.backend import BitcoindChain
from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.chain.interface import NewTip, SeenUnconfirmed, WatchOutpoint, WatchScript, WatchTxid
from lnpd.errors import BitcoindUnreachable, BlockPruned, ChainError, ChainIsAnother, LoginRefused
from tests.chain.purse import P2WPKH, output_of, p2wsh, pay
from tests.chain.worlds import spend_of
from tests.interop.bitcoind import LOCAL, Bitcoind, a_bitcoind

TARGET = p2wsh(b"\x52")
LIMIT_SECONDS = 90


def told(directory: Path, story: Callable[[Bitcoind, RegtestBitcoind], Awaitable[None]], *options: str) -> None:
    """Tells a story of a bitcoind with 101 blocks and of a view that only its notifications wake in time."""

    async def main() -> None:
        async with a_bitcoind(directory, *options) as bitcoind:
            view = await bitcoind.view(poll_seconds=None)
            try:
                await view.mine(101)
                await story(bitcoind, view)
            finally:
                await view.close()

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


async def soon(event: Awaitable[object]) -> object:
    """What comes long before a clock would make anybody look."""
    return await asyncio.wait_for(event, 15)


async def logged(caplog: pytest.LogCaptureFixture, words: str) -> None:
    """Returns once something was logged."""
    async with asyncio.timeout(30):
        while words not in caplog.text:
            await asyncio.sleep(0.02)


def test_notifications_wake_it(tmp_path: Path) -> None:
    async def story(bitcoind: Bitcoind, view: RegtestBitcoind) -> None:
        coin = await view.output(await view.fund(P2WPKH, 1_000_000))
        assert coin
        tip = await view.best_block()
        await view.watch([WatchScript(P2WPKH)])
        await view.blocks_since(tip)
        heard = view.events()
        tx = spend_of(coin)
        bitcoind.call("sendrawtransaction", tx.serialise().hex())
        while not isinstance(event := await soon(anext(heard)), SeenUnconfirmed):
            pass
        assert event.match.txid == tx.txid
        bitcoind.call("generatetodescriptor", 1, "raw(51)")
        while (event := await soon(anext(heard))) != NewTip(await view.best_block()):
            pass
        bitcoind.call("invalidateblock", bitcoind.call("getbestblockhash"))
        while event != NewTip(tip):  # no hashblock tells of it, only sequence
            event = await soon(anext(heard))
        delta = await view.blocks_since(tip)
        assert {match.txid for match in delta.mempool} == {tx.txid}
        state = await view.state()
        assert view.is_notified and state.notifies and (state.height, state.pruned_below_height) == (tip.height, 0)

    told(tmp_path, story)


def test_it_outlives_a_restart_with_another_cookie(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(bitcoind: Bitcoind, view: RegtestBitcoind) -> None:
        tip = await view.best_block()
        coin = await view.output(await view.fund(P2WPKH, 1_000_000))
        assert coin
        await view.watch([WatchOutpoint(coin.outpoint)])
        heard, cookie = view.events(), bitcoind.cookie.read_text()
        await asyncio.to_thread(bitcoind.stop)
        with pytest.raises(BitcoindUnreachable, match="cannot be reached"):
            await view.best_block()
        await asyncio.to_thread(bitcoind.start)
        assert bitcoind.cookie.read_text() != cookie
        (block,) = await view.mine()
        while await soon(anext(heard)) != NewTip(block):
            pass
        assert (await view.blocks_since(tip)).end == block
        tx = spend_of(coin)
        await asyncio.sleep(0)
        bitcoind.call("sendrawtransaction", tx.serialise().hex())
        assert [match.txid for match in (await view.blocks_since(block)).mempool] == [tx.txid]
        await asyncio.to_thread(bitcoind.kill)
        with pytest.raises(ChainError):
            await view.blocks_since(block)
        await logged(caplog, "bitcoind does not help")
        await asyncio.to_thread(bitcoind.start)
        assert (await view.block_at(1)) is not None
        await logged(caplog, "bitcoind answers again")

    told(tmp_path, story)


class Deaf:
    """A subscription that never hears anything."""

    def __init__(self, *_: object) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("how", ["off", "silent"])
def test_without_notifications_it_looks_by_the_clock(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with a_bitcoind(tmp_path, notify=how == "silent") as bitcoind:
            subscribe = Deaf if how == "silent" else Subscription
            view = await RegtestBitcoind.open(bitcoind.address, "regtest", subscribe=subscribe, poll_seconds=0.1)
            await view.mine(101)
            coin = await view.output(await view.fund(P2WPKH, 1_000_000))
            assert coin
            await view.watch([WatchOutpoint(coin.outpoint)])
            await view.blocks_since(await view.best_block())
            heard = view.events()
            tx = spend_of(coin)
            bitcoind.call("sendrawtransaction", tx.serialise().hex())
            while not isinstance(event := await soon(anext(heard)), SeenUnconfirmed):
                pass
            assert event.match.txid == tx.txid
            (block,) = await view.mine()
            while await soon(anext(heard)) != NewTip(block):
                pass
            words = {"off": "publishes no zmqpubsequence", "silent": "notifications do not come"}[how]
            await logged(caplog, words)
            assert caplog.text.count(words) == 1
            await view.close()

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


def test_many_transactions_at_once_are_seen_each_once(tmp_path: Path) -> None:
    async def story(bitcoind: Bitcoind, view: RegtestBitcoind) -> None:
        coins = []
        for _ in range(8):
            coin = await view.output(await view.fund(P2WPKH, 1_000_000))
            assert coin
            coins.append(coin)
        await view.watch([WatchScript(TARGET)])
        await view.blocks_since(await view.best_block())
        heard, sent = view.events(), []
        for coin in coins:
            for _ in range(20):  # chains of twenty
                tx = pay(coin, fee_sat=500, to=P2WPKH)
                bitcoind.call("sendrawtransaction", tx.serialise().hex())
                coin = output_of(tx)
            last = pay(coin, fee_sat=500, to=TARGET)
            bitcoind.call("sendrawtransaction", last.serialise().hex())
            sent.append(last.txid)
        seen: list[bytes] = []
        while len(seen) < len(sent):
            if isinstance(event := await soon(anext(heard)), SeenUnconfirmed):
                seen.append(event.match.txid)
        assert sorted(seen) == sorted(sent)
        assert {m.txid for m in (await view.blocks_since(await view.best_block())).mempool} == set(sent)
        (block,) = await view.mine()
        delta = await view.scan([WatchScript(TARGET)], block.height)
        assert len(delta.connected[0].matches) == len(sent) and not delta.mempool

    told(tmp_path, story)


def test_a_wrong_password_and_a_wrong_network_are_refused(tmp_path: Path) -> None:
    async def story(bitcoind: Bitcoind, view: RegtestBitcoind) -> None:
        stranger = BitcoindAddress(LOCAL, bitcoind.rpc_port, Login("alice", "guess"))
        with pytest.raises(LoginRefused, match="this user and password") as refused:
            await BitcoindChain.open(stranger, "regtest")
        assert "guess" not in str(refused.value)
        for network in ("bitcoin", "signet", "testnet"):
            with pytest.raises(ChainIsAnother, match=f"'regtest', and lnpd was started for {network}"):
                await BitcoindChain.open(bitcoind.address, network)

    told(tmp_path, story)


def test_another_signet_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_bitcoind(tmp_path, "-signetchallenge=51", chain="signet") as bitcoind:
            with pytest.raises(ChainIsAnother, match="signet of its own"):
                await BitcoindChain.open(bitcoind.address, "signet")

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


def test_it_waits_for_the_whole_chain_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(source: Bitcoind, view: RegtestBitcoind) -> None:
        hashes = [source.call("getblockhash", height) for height in range(1, 102)]
        async with a_bitcoind(tmp_path / "new") as new:
            for each in hashes:
                new.call("submitheader", source.call("getblockheader", each, False))
            opening = asyncio.create_task(new.view())
            await logged(caplog, "bitcoind is at block 0 of 101")
            assert not opening.done()
            for each in hashes:
                new.call("submitblock", source.call("getblock", each, 0))
            opened = await opening
            assert await opened.best_block() == await view.best_block()
            await logged(caplog, "bitcoind is ready")
            for _ in range(3):
                (block,) = await view.mine()
                new.call("submitheader", source.call("getblockheader", block.hash[::-1].hex(), False))
            assert (await opened.tip()).headers_height == 104 == (await opened.best_block()).height + 3
            await opened.close()

    with caplog.at_level(logging.INFO):
        told(tmp_path, story)


def test_a_pruned_node_is_named_at_the_start_and_a_pruned_block_when_it_is_needed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(bitcoind: Bitcoind, view: RegtestBitcoind) -> None:
        coin = await view.output(await view.fund(P2WPKH, 1_000_000))
        assert coin
        tx = spend_of(coin, to=TARGET)
        await view.broadcast((tx.serialise(),))
        await view.mine(900)
        pruned = bitcoind.call("pruneblockchain", 500)
        assert pruned > 110
        with caplog.at_level(logging.WARNING):
            await (await RegtestBitcoind.open(bitcoind.address, "regtest")).close()
        assert f"bitcoind is pruned and has no block below {pruned + 1}" in caplog.text
        for ask in (view.scan([WatchScript(TARGET)], 0), view.block_at(50)):
            with pytest.raises(BlockPruned, match="bitcoind has pruned block"):
                await ask
        tip = await view.best_block()
        (near,) = (await view.scan([WatchScript(TARGET)], tip.height - 100)).connected or (None,)
        assert near is None
        assert (await view.scan([WatchOutpoint(coin.outpoint)], tip.height - 100)).end == tip
        found = await view.output(output_of(tx).outpoint)
        assert found and found.height == coin.height + 1 if coin.height else False

    told(tmp_path, story, "-prune=1", "-fastprune")


def test_block_filters_find_the_past_without_reading_it(tmp_path: Path) -> None:
    async def story(bitcoind: Bitcoind, view: RegtestBitcoind) -> None:
        coin = await view.output(await view.fund(P2WPKH, 1_000_000))
        assert coin
        tx = spend_of(coin, to=TARGET)
        await view.broadcast((tx.serialise(),))
        (paid,) = await view.mine()
        tip = (await view.mine(500))[-1]
        async with asyncio.timeout(30):
            while not bitcoind.call("getindexinfo")["basic block filter index"]["synced"]:
                await asyncio.sleep(0.05)
        past = await view.scan([WatchScript(TARGET), WatchScript(P2WPKH)], 0)
        assert (past.end, past.more) == (tip, False), "one question for all blocks"
        assert [block.block.height for block in past.connected] == [coin.height, paid.height]
        assert [len(block.matches) for block in past.connected] == [1, 2]
        assert len(view._blocks._digests) < 20, "the others were not read"

    told(tmp_path, story, "-blockfilterindex=1")


@pytest.mark.parametrize("indexed", [True, False])
def test_an_old_transaction_needs_an_index(tmp_path: Path, indexed: bool) -> None:
    async def story(bitcoind: Bitcoind, view: RegtestBitcoind) -> None:
        coin = await view.output(await view.fund(P2WPKH, 1_000_000))
        assert coin
        first = spend_of(coin)
        second = pay(output_of(first))
        for tx in (first, second):
            await view.broadcast((tx.serialise(),))
            await view.mine()
        await view.mine(20)
        unspent = await view.transaction(second.txid)
        assert unspent and unspent.position == 1
        async with asyncio.timeout(30):
            while indexed and not bitcoind.call("getindexinfo")["txindex"]["synced"]:
                await asyncio.sleep(0.05)
        assert (await view.transaction(first.txid) is not None) is indexed
        await view.scan([WatchTxid(first.txid)], 1)
        assert await view.transaction(first.txid) is not None, "it was met"

    told(tmp_path, story, *(["-txindex=1"] if indexed else []))


def test_a_feerate_is_at_least_what_bitcoind_relays(tmp_path: Path) -> None:
    async def story(bitcoind: Bitcoind, view: RegtestBitcoind) -> None:
        assert await view.feerate(6) == 12_650  # 0.0005 BTC per kvB, and room for rounding

    told(tmp_path, story, "-minrelaytxfee=0.0005")
