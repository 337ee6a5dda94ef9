"""Does the Electrum backend live with a real server that shows certificates, goes away, and comes again?"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lnpd.chain.electrum.backend import ElectrumChain
from lnpd.chain.interface import NewTip, Output, SeenUnconfirmed, WatchTxid
from lnpd.errors import CertificateChanged, ChainIsAnother, ElectrumUnreachable
from tests.chain.purse import P2WPKH
from tests.chain.worlds import a_world, spend_of
from tests.interop.electrum import ElectrumHand, ElectrumServer


def told(directory: Path, story: Callable[[ElectrumServer, ElectrumHand], Awaitable[None]]) -> None:
    async def main() -> None:
        async with a_world("electrum", directory) as world:
            assert isinstance(world.hand, ElectrumHand) and isinstance(world.server, ElectrumServer)
            await story(world.server, world.hand)

    asyncio.run(asyncio.wait_for(main(), 90))


async def restarted(server: ElectrumServer, views: list[ElectrumChain]) -> None:
    """Starts it again, and waits until it is used again."""
    server.start()
    await server.answers()
    for view in views:
        await answers(view)


async def answers(view: ElectrumChain) -> None:
    while True:
        try:
            await view.best_block()
            return
        except ElectrumUnreachable:
            await asyncio.sleep(0.05)


def test_a_certificate_is_pinned_at_the_first_meeting(tmp_path: Path) -> None:
    async def story(server: ElectrumServer, hand: ElectrumHand) -> None:
        for _ in range(2):
            view = await server.view(directory=tmp_path / "kept", tls=True)
            assert await view.best_block() == await hand.best_block()
            assert (view.server, view.servers) == (str(view._client._addresses[0]), 1)
            await view.close()
            assert not view.server
        await asyncio.to_thread(server.kill)
        server.renew_certificate()
        await restarted(server, [])
        with pytest.raises(CertificateChanged, match="it had another one"):
            await server.view(directory=tmp_path / "kept", tls=True)
        await (await server.view(directory=tmp_path / "new", tls=True)).close()

    told(tmp_path, story)


def test_a_certificate_that_an_authority_vouched_for_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(server: ElectrumServer, _: ElectrumHand) -> None:
        with monkeypatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", str(server.directory / "cert.pem"))
            await (await server.view(directory=tmp_path / "kept", tls=True)).close()
        with pytest.raises(CertificateChanged, match="an authority vouched for"):
            await server.view(directory=tmp_path / "kept", tls=True)

    told(tmp_path, story)


def test_a_server_of_another_network_is_refused(tmp_path: Path) -> None:
    async def story(server: ElectrumServer, _: ElectrumHand) -> None:
        with pytest.raises(ChainIsAnother, match="follows regtest, and lnpd was started for signet"):
            await ElectrumChain.open([server.tcp], "signet")

    told(tmp_path, story)


def test_what_happened_while_the_server_was_away_is_told(tmp_path: Path) -> None:
    async def story(server: ElectrumServer, hand: ElectrumHand) -> None:
        view = await server.view(directory=tmp_path / "kept")
        tx = spend_of(await funded(hand))
        await view.watch([WatchTxid(tx.txid)])
        start = await view.best_block()
        heard = view.events()
        await asyncio.to_thread(server.kill)
        assert not await asyncio.to_thread(hand.bitcoind.call, "getrawmempool")
        await asyncio.to_thread(hand.bitcoind.call, "sendrawtransaction", tx.serialise().hex())
        (block,) = await hand.miner.mine()
        await restarted(server, [view, hand])
        await hand.settled()
        delta = await view.blocks_since(start)
        assert [(each.block, [m.txid for m in each.matches]) for each in delta.connected] == [(block, [tx.txid])]
        assert await asyncio.wait_for(anext(heard), 20) == NewTip(block)
        await view.close()

    told(tmp_path, story)


def test_a_transaction_that_nobody_knew_is_seen_when_it_comes(tmp_path: Path) -> None:
    """Its script is not known before: the clock finds it."""

    async def story(server: ElectrumServer, hand: ElectrumHand) -> None:
        view = await server.view()
        tx = spend_of(await funded(hand))
        await view.watch([WatchTxid(tx.txid)])
        heard = view.events()
        await hand.broadcast((tx.serialise(),))
        while not isinstance(seen := await asyncio.wait_for(anext(heard), 20), SeenUnconfirmed):
            pass
        assert seen.match.txid == tx.txid
        await view.close()

    told(tmp_path, story)


async def funded(hand: ElectrumHand) -> Output:
    """A confirmed coin of ours."""
    coin = await hand.output(await hand.fund(P2WPKH, 1_000_000))
    assert coin is not None
    return coin
