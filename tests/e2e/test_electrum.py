"""Do nodes without a bitcoind of their own open, pay, restart and close by an Electrum server, also by force?

And do they punish a theft that the server kept back for a while?
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lnpd.chain.electrum.ledger import Item, Ledger
from lnpd.channel.state import OnChain
from lnpd.config import Developer
from lnpd.testing import Network, Node, until, until_asked
from tests.e2e.closing import driver_of, ears, offer
from tests.e2e.test_forced_closes import told
from tests.e2e.test_old_copy import again
from tests.e2e.thief import loot
from tests.interop.bitcoind import a_bitcoind
from tests.interop.electrum import ElectrumServer, an_electrum_server

KINDS = ["anchors_zero_fee_htlc_tx", "static_remotekey"]
LIMIT_SECONDS = 400
POLL_SECONDS = 2.0  # the server tells what is new; each look asks it for every script


@asynccontextmanager
async def a_network(directory: Path) -> AsyncIterator[tuple[Network, ElectrumServer]]:
    """A network on a bitcoind, and a server upon it."""
    async with (
        a_bitcoind(directory, "-txindex=1") as bitcoind,
        an_electrum_server(directory, bitcoind) as server,
        Network(directory / "n", bitcoind=bitcoind.directory) as network,
    ):
        yield network, server


async def a_node(network: Network, server: ElectrumServer, name: str) -> Node:
    """A node that knows the chain from the server alone."""
    patient = Developer(poll_seconds=POLL_SECONDS)
    return await network.node(name, bitcoind_directory=None, electrum=(f"tcp://{server.tcp}",), developer=patient)


@pytest.mark.parametrize("kind", KINDS)
def test_open_pay_restart_and_close(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with a_network(tmp_path) as (network, server):
            alice, bob = await a_node(network, server, "alice"), await a_node(network, server, "bob")
            channel = await network.channel(alice, bob, 1_000_000, kind=kind)
            invoice = await bob.api.invoice(50_000_000, "coffee", 3600)
            assert (await alice.api.pay(invoice.invoice, None, 20)).amount_msat == 50_000_000
            bob = await network.restart(bob)
            await network.active(channel, alice, bob)
            closed = await alice.api.close(channel, False, None)
            await network.seen(closed.txid)
            before = (await bob.wallet.balance()).confirmed_sat
            await network.mine(1)

            async def arrived() -> bool:
                return (await bob.wallet.balance()).confirmed_sat - before == 50_000

            await until_asked(arrived, "bob's coins")
            await network.mine(100)
            await until(lambda: not alice.channels.drivers and not bob.channels.drivers, "the channels are settled")

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


@pytest.mark.parametrize(("kind", "closer"), list(zip(KINDS, ["alice", "bob"], strict=True)))
def test_a_forced_close_with_htlcs_both_ways(tmp_path: Path, kind: str, closer: str) -> None:
    """Alice has the server alone, bob the bitcoind; each output is claimed, and every satoshi counted."""

    async def main() -> None:
        async with a_network(tmp_path) as (network, server):
            alice, bob = await a_node(network, server, "alice"), await network.node("bob")
            await told(network, alice, bob, kind, closer)

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


@pytest.mark.parametrize("shown", ["soon", "after a restart"])
def test_a_theft_that_the_server_hides_is_punished_once_it_is_shown(
    tmp_path: Path, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden: set[bytes] = set()
    honest = Ledger.histories

    async def histories(ledger: Ledger, scripts: Iterable[bytes]) -> dict[bytes, tuple[Item, ...]]:
        found = await honest(ledger, scripts)
        return {script: tuple(i for i in items if i.txid not in hidden) for script, items in found.items()}

    monkeypatch.setattr(Ledger, "histories", histories)

    async def main() -> None:
        async with a_network(tmp_path) as (network, server):
            alice, bob = await network.node("alice"), await a_node(network, server, "bob")
            await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind="static_remotekey")
            ears(alice), ears(bob)
            stolen = await loot(alice)
            height = (await network.chain.best_block()).height
            await offer(alice, bob, 1, 100_000, height + 400)
            await network.stop(alice)
            hidden.add(stolen.commitment.txid)
            await network.chain.mine_only((stolen.commitment.serialise(),), 1)
            await network.mine(2)
            assert not isinstance(driver_of(bob).channel.phase, OnChain)
            if shown == "after a restart":
                await network.stop(bob)
                hidden.clear()
                bob = await again(network, bob)
            hidden.clear()
            await bob.wallet.sync()  # whoever asks first, everybody hears
            await network.mine(1)
            driver = driver_of(bob)
            phase = await until(lambda: isinstance(driver.channel.phase, OnChain) and driver.channel.phase, "the theft")
            assert isinstance(phase, OnChain)
            assert phase.spend == "revoked"
            owner = driver.channel.key.encode()
            await until(
                lambda: any(each.txids and not each.refused for each in bob.watcher.status(owner)), "the penalty"
            )

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))
