"""Is what comes home from a channel held for its plugin, whatever closes it, and spent by nobody else?"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.plugin import Node as Asked
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.services.holding import HeldCoin

from lnpd.errors import CoinHeld, CoinNotHeld, CommandRefused, InsufficientFunds
from lnpd.services.node.node import Node
from lnpd.services.wallet.psbt import to_psbt, unsigned
from lnpd.testing import Network
from lnpd.tx.transaction import TxOut, parse
from tests.e2e.closing import driver_of, ears, finish, know, offer
from tests.e2e.thief import loot
from tests.plugins.stamp import KIND, sealed_again, stamp

SCRIPT = b"\x00\x14" + b"\x07" * 20
GRANTS = {"grants": (("stamp", "spend:1000000"), ("other", "spend:1000000"))}


async def joined(node: Node) -> Asked:
    plugin = stamp("spend:1000000")
    await node.plugins.add_in_process(plugin)
    assert plugin.node is not None
    return plugin.node


async def both(network: Network) -> tuple[Node, Node, Asked, Asked]:
    """Alice and bob with a channel, and both plugins."""
    alice, bob = await network.node("alice", **GRANTS), await network.node("bob", **GRANTS)
    plugins = await joined(alice), await joined(bob)
    await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=KIND)
    return alice, bob, *plugins


async def whole(network: Network, node: Node, plugin: Asked, kinds: Sequence[str]) -> tuple[HeldCoin, ...]:
    """The held coins, each with what led to it: every transaction of it is in the chain as it is told, spends the one
    before, and carries what the plugin derives again."""
    coins = await plugin.held_coins()
    found = []
    for coin in coins:
        path = [parse(raw) for raw in coin.transactions]
        (row,) = await plugin.channels(closed=True)
        assert coin.channel_id == row["channel_id"]
        kept = await plugin.kept_commitment(coin.channel_id, path[0].txid[::-1].hex())
        sealed_again(kept)
        carriers = set(kept.carriers)
        before = bytes.fromhex(str(row["funding"])[:64])[::-1]
        for tx in path:
            known = await network.chain.transaction(tx.txid)
            assert known is not None and known.transaction == tx.serialise()
            assert [each.txid for each in tx.inputs] == [before] and tx.inputs[0].witness
            assert next(o.script_pubkey for o in tx.outputs if not o.value_sat) in carriers
            before = tx.txid
        assert (path[-1].txid[::-1].hex(), path[-1].outputs[coin.vout]) == (
            coin.txid,
            TxOut(coin.value_sat, coin.script_pubkey),
        )
        found.append(len(path))
    assert sorted(found) == sorted(map(len, kinds)), found
    balance = await node.wallet.balance()
    assert balance.held_sat == sum(coin.value_sat for coin in coins)
    return coins


async def untouchable(node: Node, coins: Sequence[HeldCoin]) -> None:
    """Nothing of the wallet spends them."""
    held = {(bytes.fromhex(coin.txid)[::-1], coin.vout) for coin in coins}
    ledger = await node.wallet.ledger()
    assert held == {(c.txid, c.vout) for c in ledger.coins() if c.held_for == "stamp"} and held
    assert not held & {(c.txid, c.vout) for c in (*ledger.spendable(), *ledger.fee_coins({}))}
    assert not ledger.are_free(held) and not ledger.are_fee_coins(held, {})
    has_sat = sum(c.value_sat for c in ledger.spendable())
    with pytest.raises(InsufficientFunds, match="are held for plugins"):
        await node.wallet.fund("more than there is", TxOut(has_sat + 1_000, SCRIPT), 253)
    shown = await node.api.funds()
    assert {c.outpoint for c in shown.coins if c.state == "held" and c.reserved_for == "stamp"} == {
        f"{coin.txid}:{coin.vout}" for coin in coins
    }
    assert shown.held_sat == sum(coin.value_sat for coin in coins)


async def spending(node: Node, coin: HeldCoin) -> bytes:
    """A PSBT that pays all of it but a fee to a stranger."""
    point = (bytes.fromhex(coin.txid)[::-1], coin.vout)
    coins = [each for each in await node.wallet.coins() if (each.txid, each.vout) == point]
    return to_psbt(unsigned(coins, (TxOut(coin.value_sat - 500, SCRIPT),)), coins, node.wallet.scripts)


def test_a_mutual_close_is_held_and_the_plugin_alone_signs_it_away(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, plugin, peer = await both(network)
            identity = driver_of(alice).channel.id.hex()
            with pytest.raises(CommandRefused, match="held for stamp"):
                await alice.api.close(identity, False, await bob.wallet.new_address())
            closed = await alice.api.close(identity, False, None)
            await network.seen(closed.txid)
            await alice.wallet.sync()
            (waiting,) = await plugin.held_coins()
            assert waiting.height == 0 and len(waiting.transactions) == 1
            await finish(network, alice, bob)
            (coin,) = await whole(network, alice, plugin, ["m"])
            (theirs,) = await whole(network, bob, peer, ["m"])
            await untouchable(alice, (coin,))
            alice = await network.restart(alice)  # without the plugin
            await untouchable(alice, (coin,))
            other = Plugin("other", "1", capabilities=("spend:1",))
            await alice.plugins.add_in_process(other)
            assert other.node is not None
            psbt = await spending(alice, coin)
            with pytest.raises(CallFailed, match="Input 0 is held for stamp, and not for other") as refused:
                await other.node.send_psbt(psbt)
            assert refused.value.code == "CoinHeld" and await other.node.held_coins() == ()
            with pytest.raises(CallFailed) as refused:
                await other.node.release_held(coin.txid, coin.vout)
            assert refused.value.code == "CoinNotHeld"
            plugin = await joined(alice)
            sent = await plugin.send_psbt(psbt)
            assert sent.cost_sat == coin.value_sat and await plugin.held_coins() == ()
            await network.mine()
            assert (await alice.wallet.balance()).held_sat == 0
            await let_go(bob, peer, theirs)

    asyncio.run(main())


async def let_go(node: Node, plugin: Asked, coin: HeldCoin) -> None:
    """By the user, who is told what it may cost; then it is an ordinary coin, also after a start."""
    outpoint = f"{coin.txid}:{coin.vout}"
    with pytest.raises(CoinHeld, match=f"is held for stamp.*lnp coins release {outpoint} --lose"):
        await node.api.coins_release(outpoint, False)
    assert (await node.api.coins_release(outpoint, True)).state == "confirmed"
    with pytest.raises(CoinNotHeld):
        await node.api.coins_release(outpoint, True)
    assert await plugin.held_coins() == () and (await node.wallet.balance()).held_sat == 0
    assert (await node.wallet.ledger()).spendable()


def test_a_forced_close_with_htlcs_is_held_whole(tmp_path: Path) -> None:
    """Her balance, her HTLC that timed out, and the one whose preimage she has; also when their blocks are undone."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, _, _ = await both(network)
            ears(alice), ears(bob)
            height = (await network.chain.best_block()).height
            await offer(alice, bob, 1, 40_000, height + 40)
            await offer(bob, alice, 2, 20_000, height + 60)
            await network.stop(bob)
            await know(alice, 0, 2)
            await alice.api.close(driver_of(alice).channel.id.hex(), True, None)
            await network.mine()
            alice = await network.restart(alice)
            ears(alice)
            await finish(network, alice)
            plugin = await joined(alice)
            coins = await whole(network, alice, plugin, ["cc", "csc", "csc"])
            await untouchable(alice, coins)
            depth = (await network.chain.best_block()).height - coins[-1].height + 1
            await network.chain.reorganise(depth, depth + 1)  # type: ignore[union-attr]  # the embedded chain
            await network.followed()
            await untouchable(alice, await plugin.held_coins())
            await network.mine()
            assert await plugin.held_coins() == await whole(network, alice, plugin, ["cc", "csc", "csc"])
            await plugin.release_held(coins[0].txid, coins[0].vout)
            assert len(await plugin.held_coins()) == 2
            assert (coins[0].txid, coins[0].vout) in {
                (c.txid[::-1].hex(), c.vout) for c in (await alice.wallet.ledger()).spendable()
            }

    asyncio.run(main())


def test_what_a_thief_loses_is_held(tmp_path: Path) -> None:
    """With her HTLC transaction in the chain before bob is back: he has her balance, his own, both HTLCs."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, _, _ = await both(network)
            ears(alice), ears(bob)
            height = (await network.chain.best_block()).height
            await offer(alice, bob, 1, 40_000, height + 30)
            await offer(bob, alice, 2, 20_000, height + 60)
            stolen = await loot(alice)
            await offer(bob, alice, 3, 1_000, height + 60)
            await network.stop(alice)
            await network.stop(bob)
            await network.chain.mine_only((stolen.commitment.serialise(),), 31)  # type: ignore[union-attr]
            (staged,) = stolen.claims([], [])  # the one that timed out
            await network.chain.mine_only((stolen.second_stage([staged]).serialise(),), 1)  # type: ignore[union-attr]
            bob = await network.node("bob", **GRANTS)
            peer = await joined(bob)
            await finish(network, bob)
            coins = await whole(network, bob, peer, ["cc", "cc", "cc", "csc"])
            await untouchable(bob, coins)

    asyncio.run(main())
