"""What becomes of the money when a node is started from an older copy of its whole folder?"""

import asyncio
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from lnpd.chain.interface import Outpoint
from lnpd.channel.state import Failed, OnChain
from lnpd.errors import StateUnproven
from lnpd.rpc.answers import Channel as ChannelRow
from lnpd.services.node.node import Node
from lnpd.testing import Network, shown, until, until_asked
from tests.e2e.line import Hearing, held
from tests.e2e.test_forwarding_worst_days import answer
from tests.e2e.test_restore import bring_back_words, secrets_of

EXPIRED_BLOCKS = 60  # more than an invoice's CLTV delta, the grace after it, and what the peer has to show itself


async def again(network: Network, node: Node) -> Node:
    """A node that is started from its folder, with the address that it had."""
    restarted = network._made(node.config)
    await restarted.start()
    network.nodes.append(restarted)
    return restarted


@pytest.mark.parametrize("apart", [False, True], ids=["one process", "processes"])
def test_a_restored_old_copy_broadcasts_nothing_and_loses_nothing(tmp_path: Path, apart: bool) -> None:
    async def main() -> None:
        async with Network(tmp_path, apart=apart) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000, push_sat=200_000)
            folder, copy = network.folder / "alice", network.folder / "copy"
            fixed = replace(alice.config, listen=alice.peers.listening())
            hearing = Hearing(bob, hold=True)
            offered = asyncio.create_task(
                alice.api.pay((await bob.api.invoice(9_000_000, "x", 3600)).invoice, None, 20)
            )
            await held(hearing)
            offered.cancel()
            await network.stop(alice)
            shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("run"))
            alice.config = fixed
            alice = await again(network, alice)
            await network.active(channel, alice, bob)
            await answer(bob, hearing)
            row = await until_asked(lambda: settled(alice, channel), "the end of the HTLC")
            funding = row.funding
            assert not (await alice.api.info()).warnings
            for _ in range(2):
                await bob.api.pay((await alice.api.invoice(50_000_000, "later", 3600)).invoice, None, 20)
            await network.stop(alice)
            bob = await network.restart(bob)
            at = bob.config.listen
            await network.stop(bob)
            shutil.rmtree(folder)
            shutil.copytree(copy, folder)

            alice = await again(network, alice)
            with pytest.raises(StateUnproven, match=f"lnp close {channel[:12]} --force --not-restored"):
                await alice.api.close(channel, True, None)
            for _ in range(4):  # the copy's HTLC, which ended long ago, expires meanwhile
                await network.mine(EXPIRED_BLOCKS // 4)
                assert await unspent(network, funding)
            (said,) = [each for each in (await alice.api.info()).warnings if "is of a copy of the database" in each]
            assert "nothing is broadcast for it before that, whatever is due" in said

            bob.config = replace(bob.config, listen=at)
            bob = await again(network, bob)
            driver = await until(lambda: alice.channels.driver_of(channel), "alice's channel")
            phase = await until(lambda: isinstance(driver.channel.phase, Failed) and driver.channel.phase, "the alarm")
            assert isinstance(phase, Failed)
            assert not phase.may_broadcast
            await network.spent(funding)
            await network.mine(1)
            spent = await until_asked(lambda: closed_by(alice, channel), "bob's commitment")
            assert spent == await closed_by(bob, channel)

            async def swept() -> bool:
                await network.mine(1)
                return (await alice.wallet.balance()).confirmed_sat > 100_000 + 880_000

            await until_asked(swept, "alice's to_remote, with what she was paid after the copy")

    asyncio.run(main())


def test_the_wallet_of_an_old_copy_finds_what_came_and_went_since(tmp_path: Path) -> None:
    """Coins that came to addresses given out later, coins that were spent, their change, and a channel's funding; the
    channel itself only the words know of."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await network.fund(alice, 500_000)
            await network.fund(alice, 300_000)
            folder, copy = network.folder / "alice", network.folder / "copy"
            await network.stop(alice)
            shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("run"))
            alice = await again(network, alice)
            addresses = [await alice.wallet.new_address() for _ in range(18)]  # only the last of them is paid
            await network.chain.fund(alice.wallet.scripts.script_of(addresses[-1]), 70_000)
            await network.followed()
            await alice.api.send(await bob.wallet.new_address(), 450_000, 1_000)
            await network.mine(1)
            unknown = await network.channel(alice, bob, 250_000)
            lost_keys = secrets_of(alice, unknown)
            await network.mine(2)
            whole = (await alice.api.funds()).coins
            assert {coin.state for coin in whole} == {"confirmed"}
            await network.stop(alice)
            shutil.rmtree(folder)
            shutil.copytree(copy, folder)

            alice = await again(network, alice)
            assert {(c.outpoint, c.amount_sat) for c in (await alice.api.funds()).coins} == {
                (c.outpoint, c.amount_sat) for c in whole
            }
            assert await alice.wallet.new_address() not in addresses
            fresh = await network.channel(alice, bob, 200_000)
            assert not set(secrets_of(alice, fresh)) & set(lost_keys)
            closed = bob.channels.driver_of(unknown)
            await until(
                lambda: isinstance(closed.channel.phase, Failed | OnChain), "bob hears that nobody knows that channel"
            )
            await alice.api.close(fresh, False, None)
            await network.mine(3)
            before_sat = (await alice.wallet.balance()).confirmed_sat
            await network.stop(alice)
            alice = await bring_back_words(network, alice)

            async def found() -> bool:
                await network.mine(1)
                return (await alice.wallet.balance()).confirmed_sat > before_sat + 230_000

            await until_asked(found, "what was hers in the channel that the copy did not know")

    asyncio.run(main())


async def settled(node: Node, channel: str) -> ChannelRow | None:
    row = await shown(node, channel)
    return row if row is not None and not row.htlcs else None


async def unspent(network: Network, outpoint: str) -> bool:
    txid, _, index = outpoint.partition(":")
    output = await network.chain.output(Outpoint(bytes.fromhex(txid)[::-1], int(index)))
    return output is not None and output.spent_by is None


async def closed_by(node: Node, channel: str) -> str:
    row = await shown(node, channel)
    return row.closing_txid if row is not None else ""
