"""What comes back when a node has lost its data directory, and has its words and the backup of its channels?"""

import asyncio
import shutil
from pathlib import Path

import pytest

from lnpd.chain.interface import Outpoint
from lnpd.channel.state import Channel, Failed, OnChain
from lnpd.crypto.hd import TEST_COIN
from lnpd.services.backup.restoring import check_backup, restore
from lnpd.services.node.node import Node
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.seed import create_seed, open_seed
from lnpd.testing import Network, shown, until, until_asked

COMMITMENT_FEE_SAT = 20_000  # of an opener
SWEEP_FEE_SAT = 2_000
KINDS = ("", "static_remotekey")


async def bring_back(network: Network, node: Node, backup: Path) -> Node:
    """A node that lost its directory, from its seed and a backup, at the address that it had."""
    seed = open_seed(node.config.seed_path, None, plain=True)
    shutil.rmtree(node.config.directory)
    node.config.directory.mkdir(mode=0o700)
    keys = Keys(seed.master(TEST_COIN))
    content = check_backup(backup, keys, "regtest", node.config.directory)
    await restore(node.config.directory, keys, content)
    create_seed(node.config.seed_path, seed, None, plain=True)
    again = network._made(node.config)
    await again.start()
    network.nodes.append(again)
    return again


async def total_sat(node: Node) -> int:
    balance = await node.wallet.balance()
    return balance.confirmed_sat + balance.unconfirmed_sat + balance.pending_sat


def channel_of(node: Node, channel: str) -> Channel:
    return node.channels.driver_of(channel).channel


async def spender(network: Network, outpoint: str) -> bytes:
    txid, _, index = outpoint.partition(":")
    output = await network.chain.output(Outpoint(bytes.fromhex(txid)[::-1], int(index)))
    return output.spent_by if output is not None and output.spent_by is not None else b""


@pytest.mark.parametrize("kind", KINDS, ids=["anchors", "static_remotekey"])
@pytest.mark.parametrize("loser", ["opener", "acceptor"])
@pytest.mark.parametrize("paid", [0, 3], ids=["unused", "used"])
def test_what_the_peer_owes_comes_back(tmp_path: Path, kind: str, loser: str, paid: int) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            backup = tmp_path / "elsewhere.backup"
            lost = {"backup_file": backup}
            alice = await network.node("alice", **(lost if loser == "opener" else {}))
            bob = await network.node("bob", **(lost if loser == "acceptor" else {}))
            name = await network.channel(alice, bob, 1_000_000, push_sat=300_000, kind=kind)
            for _ in range(paid):
                await bob.api.pay((await alice.api.invoice(10_000_000, "x", 3600)).invoice, None, 20)
            loss, peer = (alice, bob) if loser == "opener" else (bob, alice)
            await until(lambda: not channel_of(loss, name).log, "the last payment's end")
            before = await total_sat(loss)
            ours_sat = channel_of(loss, name).base.balances_msat[channel_of(loss, name).us] // 1000
            row = await shown(loss, name)
            assert row is not None
            peer = await network.restart(peer)  # it knows no better than its store, too, until somebody speaks
            loss.config = network.config(loss.config.alias, listen=loss.peers.listening(), **lost)
            await network.stop(loss)
            again = await bring_back(network, loss, backup)

            driver = again.channels.driver_of(name)
            assert driver.channel.from_backup
            await until(lambda: isinstance(channel_of(peer, name).phase, Failed), "the peer's close")
            await network.spent(row.funding)
            await network.mine(1)
            phase = await until(
                lambda: isinstance(driver.channel.phase, OnChain) and driver.channel.phase, "the peer's commitment"
            )
            assert isinstance(phase, OnChain) and phase.spend == "future"
            assert "restored from a backup" in phase.reason and "lost database" in phase.reason
            (to_remote,) = (r for r in phase.resolutions if r.kind == "to_remote")
            assert 0 <= ours_sat - to_remote.value_sat <= COMMITMENT_FEE_SAT

            async def swept() -> bool:
                await network.mine(1)
                return (await total_sat(again)) >= before + to_remote.value_sat - SWEEP_FEE_SAT

            await until_asked(swept, "all that was ours")
            statuses = again.watcher.status(driver.channel.key.encode())
            assert statuses
            assert not [s for s in statuses if s.key.startswith("commitment")]

    asyncio.run(main())
