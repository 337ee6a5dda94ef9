"""What comes back when a node has lost its data directory, and has its words and the backup of its channels?"""

import asyncio
import shutil
from pathlib import Path

import pytest

from lnpd.chain.interface import Outpoint
from lnpd.channel.state import Channel, Failed, OnChain
from lnpd.crypto.hd import TEST_COIN
from lnpd.errors import CommandRefused, SignerRefused
from lnpd.services.backup.file import BACKUP_NAME, read_backup
from lnpd.services.backup.restoring import check_backup, restore, restore_words, unclaimable
from lnpd.services.node.node import Node
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.seed import create_seed, open_seed
from lnpd.services.signer.service import KeySigner
from lnpd.testing import Network, shown, until, until_asked
from tests.e2e.chains import a_network
from tests.e2e.test_lockbox import pair

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


async def bring_back_words(network: Network, node: Node) -> Node:
    """A node that lost everything but its words."""
    seed = open_seed(node.config.seed_path, None, plain=True)
    shutil.rmtree(node.config.directory)
    node.config.directory.mkdir(mode=0o700)
    await restore_words(node.config.directory, "regtest", 0)
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
@pytest.mark.parametrize(("paid", "chain"), [(0, "embedded"), (3, "bitcoind")], ids=["unused", "used, on bitcoind"])
def test_what_the_peer_owes_comes_back(tmp_path: Path, kind: str, loser: str, paid: int, chain: str) -> None:
    async def main() -> None:
        async with a_network(tmp_path, chain) as network:
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
            assert "restored from a backup" in phase.reason
            assert phase.reason.endswith("Nothing that only the lost database could claim was in it.")
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


@pytest.mark.parametrize("apart", [False, True], ids=["one process", "processes"])
@pytest.mark.parametrize("kind", KINDS, ids=["anchors", "static_remotekey"])
def test_to_remote_comes_back_from_the_words_alone(tmp_path: Path, kind: str, apart: bool) -> None:
    """The peer closes once before and once after the words are restored."""

    async def main() -> None:
        async with Network(tmp_path, apart=apart) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            names = [await network.channel(alice, bob, 1_000_000, push_sat=300_000, kind=kind) for _ in range(2)]
            before = await total_sat(alice)
            rows = [await shown(alice, name) for name in names]
            await network.stop(alice)
            await bob.api.close(names[0], True, None)
            await network.spent(rows[0].funding if rows[0] else "")
            await network.mine(2)
            again = await bring_back_words(network, alice)
            assert not again.channels.drivers

            async def swept(of: int) -> bool:
                await network.mine(1)
                return (await total_sat(again)) >= before + of * (700_000 - COMMITMENT_FEE_SAT)

            await until_asked(lambda: swept(1), "what was closed before")
            await bob.api.close(names[1], True, None)
            await until_asked(lambda: swept(2), "what was closed after")

    asyncio.run(main())


def test_no_key_of_a_lost_channel_is_used_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            backup = tmp_path / "elsewhere.backup"
            alice, bob = await network.node("alice", backup_file=backup), await network.node("bob")
            known = [await network.channel(alice, bob) for _ in range(2)]
            stale = tmp_path / "stale.backup"
            shutil.copy(backup, stale)
            known.append(await network.channel(alice, bob))  # the older file does not know this one
            before = [secrets_of(alice, name) for name in known]
            lost = [alice.channels.driver_of(name).index for name in known]
            alice.config = network.config("alice")
            await network.stop(alice)
            again = await bring_back(network, alice, stale)
            assert sorted(d.index.first for d in again.channels.drivers.values()) == sorted(i.first for i in lost[:2])
            for name in known[:2]:
                await until(lambda name=name: isinstance(channel_of(bob, name).phase, Failed), "the peer's close")  # type: ignore[misc]
            await network.mine(1)
            for index in lost[:2]:
                with pytest.raises(SignerRefused, match="index_used_twice"):
                    await again.signer.reserve_channel(index, "another channel")
            fresh = [secrets_of(again, await network.channel(again, bob)) for _ in range(2)]
            keys = [key for each in (*before, *fresh) for key in each]
            assert len(set(keys)) == len(keys) == 5 * len(OWN_KEYS)

    asyncio.run(main())


def test_no_key_is_used_twice_by_restoring_the_same_file_twice(tmp_path: Path) -> None:
    """What was opened after the first restore is in no file: the second one begins where the first one did."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            stale = tmp_path / "stale.backup"
            alice, bob = await network.node("alice"), await network.node("bob")
            keys = [secrets_of(alice, await network.channel(alice, bob))]
            shutil.copy(alice.config.directory / BACKUP_NAME, stale)
            alice.config = network.config("alice")
            indices = set()
            for _ in range(2):
                await network.stop(alice)
                alice = await bring_back(network, alice, stale)
                assert len(alice.channels.drivers) == 1
                for _ in range(3):
                    name = await network.channel(alice, bob)
                    keys.append(secrets_of(alice, name))
                    indices.add(alice.channels.driver_of(name).index)
            assert len(indices) == 6
            assert len({key for each in keys for key in each}) == 7 * len(OWN_KEYS)

    asyncio.run(main())


OWN_KEYS = ("funding_pubkey", "revocation_basepoint", "delayed_payment_basepoint", "htlc_basepoint")


def secrets_of(node: Node, channel: str) -> tuple[bytes, ...]:
    """The keys that are of one channel alone: the payment basepoint is one of a set that is shared."""
    assert isinstance(node.signer, KeySigner)
    publics = node.signer._keys.channel(node.channels.driver_of(channel).index).publics
    return tuple(getattr(publics, name) for name in OWN_KEYS)


@pytest.mark.parametrize("kind", KINDS, ids=["anchors", "static_remotekey"])
def test_our_own_close_is_claimed_after_its_delay(tmp_path: Path, kind: str) -> None:
    """The data is lost between our forced close and the end of its delay."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            backup = tmp_path / "elsewhere.backup"
            alice, bob = await network.node("alice", backup_file=backup), await network.node("bob")
            name = await network.channel(alice, bob, 1_000_000, push_sat=300_000, kind=kind)
            await bob.api.pay((await alice.api.invoice(10_000_000, "x", 3600)).invoice, None, 20)
            await until(lambda: not channel_of(alice, name).log, "the payment's end")
            row, before = await shown(alice, name), await total_sat(alice)
            await network.stop(bob)  # told of the close it would broadcast its own commitment, which may be the first
            await alice.api.close(name, True, None)
            await network.spent(row.funding if row else "")
            await network.mine(2)
            alice.config = network.config("alice")
            await network.stop(alice)
            again = await bring_back(network, alice, backup)
            driver = again.channels.driver_of(name)
            phase = await until(
                lambda: isinstance(driver.channel.phase, OnChain) and driver.channel.phase, "our commitment"
            )
            assert isinstance(phase, OnChain) and phase.spend == "ours"
            (to_local,) = phase.resolutions
            assert (to_local.kind, to_local.status) == ("to_local", "waiting")
            await network.mine(to_local.older)

            async def swept() -> bool:
                await network.mine(1)
                return (await total_sat(again)) >= before + 710_000 - COMMITMENT_FEE_SAT

            await until_asked(swept, "to_local")
            statuses = again.watcher.status(driver.channel.key.encode())
            assert statuses and not [s for s in statuses if s.key.startswith("commitment")]

    asyncio.run(main())


def test_a_node_with_a_signer_in_a_process_of_its_own_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path, apart=True) as network:
            backup = tmp_path / "elsewhere.backup"
            alice, bob = await network.node("alice", backup_file=backup), await network.node("bob")
            name = await network.channel(alice, bob, 1_000_000, push_sat=300_000)
            before = await total_sat(alice)
            alice.config = network.config("alice")
            await network.stop(alice)
            again = await bring_back(network, alice, backup)

            async def swept() -> bool:
                await network.mine(1)
                return (await total_sat(again)) >= before + 700_000 - COMMITMENT_FEE_SAT

            await until_asked(swept, "all that was ours")
            assert channel_of(again, name).from_backup
            with pytest.raises(CommandRefused):
                await again.api.close(name, True, None)

    asyncio.run(main())


def test_without_its_plugin_a_channel_is_claimed_and_the_extensions_output_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, name = await pair(network, "lockbox/static_remotekey")
            backup, before = tmp_path / "copied.backup", await total_sat(alice)
            shutil.copy(alice.config.directory / BACKUP_NAME, backup)
            alice.config = network.config("alice")  # no plugin
            await network.stop(alice)
            again = await bring_back(network, alice, backup)
            (held,) = read_backup(backup, await again.signer.backup_key()).channels
            assert unclaimable(held)[1:] == ("outputs of the extension lockbox",)
            driver = again.channels.driver_of(name)
            assert not driver.frozen

            async def swept() -> bool:
                await network.mine(1)
                return (await total_sat(again)) >= before + 775_000 - COMMITMENT_FEE_SAT

            await until_asked(swept, "all but what is in the box")
            assert isinstance(driver.channel.phase, OnChain)
            reason = driver.channel.phase.reason
            assert (
                "closed it. 25,000 sat in " in reason and "an output of the extension lockbox: what of it was" in reason
            )
            assert isinstance(channel_of(bob, name).phase, OnChain)

    asyncio.run(main())
