"""Is every token in the right wallet after payments both ways, a close by agreement, one by force, and a theft?"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from lnpd_sdk.types import PerParty

from lnpd.channel.events import Add
from lnpd.channel.feerates import proposed_per_kw
from lnpd.channel.state import Channel
from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.testing import Network, until
from lnpd.tx.transaction import parse
from rgb_channel.records import TOKENS_HTLC, encode_tokens
from rgb_channel.state import HIGHEST_PER_KW, read
from tests.e2e.closing import (
    ONION,
    broadcast_commitment,
    driver_of,
    ears,
    estimate,
    finish,
    full_blocks,
    know,
    preimage,
)
from tests.e2e.thief import loot
from tests.plugins.rgb_channel.chain import GRANTED, KIND, Holder, counted

Side = tuple[Node, Holder]
USUAL_PER_KW, DEAR_PER_KW = 2_500, 8_000


@contextmanager
def silent(*nodes: Node) -> Iterator[None]:
    """These nodes answer no HTLC meanwhile."""
    before = [node.channels.parts.recipients["payments"] for node in nodes]
    for node in nodes:
        ears(node)
    yield
    for node, recipient in zip(nodes, before, strict=True):
        node.channels.parts.recipients["payments"] = recipient


async def side(network: Network, name: str) -> Side:
    node, holder = await network.node(name, **GRANTED), Holder()
    await node.plugins.add_in_process(holder.plugin)
    return node, holder


async def opened(network: Network, alice: Node, bob: Node, push_sat: int = 400_000) -> Channel:
    await network.channel(alice, bob, 1_000_000, push_sat=push_sat, kind=KIND)
    return driver_of(alice).channel


def tokens(*nodes: Node) -> PerParty:
    """What each party has, by both nodes."""
    (found,) = {dict(driver_of(node).channel.base.states)["rgb"] for node in nodes}
    state = read(found)
    assert state is not None
    return state.settled


async def at_rest(*nodes: Node) -> None:
    """Returns once nothing is pending between them."""
    await until(lambda: not any(driver_of(each).channel.log for each in nodes), "the end of all updates")


async def pay(payer: Side, payee: Node, amount_sat: int, amount: int) -> None:
    """An invoice is paid by an HTLC with tokens."""
    node, holder = payer
    holder.tokens = amount
    invoice = await payee.api.invoice(1000 * amount_sat, "with tokens", 3600)
    try:
        await node.api.pay(invoice.invoice, None, 20)
    finally:
        holder.tokens = 0
    await at_rest(node, payee)


async def offer(node: Node, peer: Node, number: int, amount_sat: int, expiry: int, amount: int) -> int:
    """An HTLC with tokens that stays; its id."""
    tlvs = ((TOKENS_HTLC, encode_tokens(amount)),) if amount else ()
    add = Add(1000 * amount_sat, sha256(preimage(number)).digest(), expiry, ONION, tlvs=tlvs)
    channel = await driver_of(node).command(add)
    identity = max(p.update.id for p in channel.log if p.update.proposer == channel.us and p.update.kind == "add")
    await at_rest(node, peer)
    return identity


async def agreed(network: Network, alice: Side, bob: Side) -> None:
    """Payments both ways, some that cannot be, and a close by agreement."""
    channel = await opened(network, alice[0], bob[0])
    await pay(alice, bob[0], 20_000, 1_200)
    await pay(bob, alice[0], 15_000, 300)
    await pay(bob, alice[0], 2_000, 0)
    assert tokens(alice[0], bob[0]) == (4_100, 1_600)
    for amount_sat, amount in ((20_000, 4_101), (9_000, 1)):
        with pytest.raises(LnpdError, match="tokens"):
            await pay(alice, bob[0], amount_sat, amount)
    assert tokens(alice[0], bob[0]) == (4_100, 1_600)
    await alice[0].api.close(channel.id.hex(), False, None)
    await finish(network, alice[0], bob[0])
    await until(lambda: not alice[0].channels.drivers and not bob[0].channels.drivers, "the end of the channel")
    for holder in (alice[1], bob[1]):
        found, purposes = await counted(network, holder, channel, alice[0], bob[0])
        assert found == (4_100, 1_600) and purposes == {"close": 1}


async def forced(network: Network, alice: Side, bob: Side) -> None:
    """A forced close with HTLCs in flight: by preimage on the chain, by timeout, and one of sats alone."""
    channel = await opened(network, alice[0], bob[0])
    with silent(alice[0], bob[0]):
        height = await network.followed()
        taken = await offer(alice[0], bob[0], 1, 40_000, height + 60, 1_000)
        await offer(alice[0], bob[0], 2, 30_000, height + 40, 200)
        redeemed = await offer(bob[0], alice[0], 3, 25_000, height + 60, 50)
        await offer(bob[0], alice[0], 4, 26_000, height + 44, 7)
        await offer(alice[0], bob[0], 5, 21_000, height + 40, 0)
        assert tokens(alice[0], bob[0]) == (5_000, 700), "what is in flight is its offerer's yet"
        await broadcast_commitment(network, alice[0])
        await network.mine()
        await know(bob[0], taken, 1)
        await know(alice[0], redeemed, 3)
        await finish(network, alice[0], bob[0])
    for holder in (alice[1], bob[1]):
        found, purposes = await counted(network, holder, channel, alice[0], bob[0])
        assert found == (5_000 - 1_000 + 50, 700 + 1_000 - 50)
        assert purposes == {
            "commitment": 1,
            "second_stage": 2,  # alice's: a timeout, and a preimage
            "claim": 2 + 2 + 2,  # both mains, what came of these, and bob's own of his preimage and his timeout
            "plain second_stage": 1,
            "plain claim": 1,
        }


async def punished(network: Network, alice: Side, bob: Side) -> None:
    """Alice broadcasts a revoked commitment and its HTLC transaction: bob has all tokens."""
    channel = await opened(network, alice[0], bob[0])
    with silent(alice[0], bob[0]):
        height = await network.followed()
        await offer(alice[0], bob[0], 1, 40_000, height + 60, 1_000)
        mine = await offer(bob[0], alice[0], 2, 30_000, height + 60, 200)
        stale = await loot(alice[0])
        await know(alice[0], mine, 2)
        await at_rest(alice[0], bob[0])
        assert tokens(alice[0], bob[0]) == (5_200, 500)
        known = preimage(2)
        (success,) = [each for each in stale.claims([known], [sha256(known).digest()]) if each.late]
        txs = stale.commitment.serialise(), stale.second_stage([success]).serialise()
        await alice[0].plugins.stop()
        await network.stop(alice[0])
        await network.chain.mine_only(txs, 1)  # type: ignore[union-attr]  # the embedded one
        await network.followed()
        await finish(network, bob[0])
    found, purposes = await counted(network, bob[1], channel, alice[0], bob[0])
    assert found == (0, 5_700)
    assert purposes == {"commitment": 1, "second_stage": 1, "claim": 4}


async def dear(network: Network, alice: Side, bob: Side) -> None:
    """Feerates rise beyond what the asset's channels take: theirs goes as far as it may."""
    channel = await opened(network, alice[0], bob[0])
    for estimate_per_kw, least in ((3_500, 3_500), (60_000, 7_000), (60_000, HIGHEST_PER_KW * 31 // 32)):
        await estimate(network, estimate_per_kw)
        await network.mine()
        await until(lambda least=least: proposed_per_kw(driver_of(alice[0]).channel) >= least, "a higher feerate")  # type: ignore[misc]  # mypy: a default argument
    await at_rest(alice[0], bob[0])
    assert proposed_per_kw(driver_of(bob[0]).channel) <= HIGHEST_PER_KW
    await estimate(network, USUAL_PER_KW)
    await alice[0].api.close(channel.id.hex(), False, None)
    await finish(network, alice[0], bob[0])


async def priced_out(network: Network, alice: Side, bob: Side, small_sat: int, poor: bool) -> None:
    """Bob broadcasts a revoked commitment in which he has tokens and few sats, when a sweep costs more than those."""
    channel = await opened(network, alice[0], bob[0], push_sat=small_sat)
    stale = await loot(bob[0])
    await pay(alice, bob[0], 20_000, 0)
    if poor:
        await alice[0].wallet.send(await bob[0].wallet.new_address(), None, 253)
        await network.mine()
    await bob[0].plugins.stop()
    await network.stop(bob[0])
    await estimate(network, DEAR_PER_KW)
    await full_blocks(network, 1, stale.commitment)
    await estimate(network, 2 * DEAR_PER_KW)  # replaced once, too
    await full_blocks(network)
    await finish(network, alice[0])
    held = [coin.vout for coin in await alice[0].wallet.coins() if coin.held_for]
    assert held == [1, 1], "what a sweep brings home, and no change of the wallet's"
    found, purposes = await counted(network, alice[1], channel, alice[0], bob[0])
    assert found == (5_700, 0)
    assert purposes == {"commitment": 1, "claim": 2} | ({} if poor else {"with coins of the wallet": 1})


def test_no_token_is_lost_or_made(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await side(network, "alice"), await side(network, "bob")
            for story in (dear, agreed, forced, punished):
                await story(network, alice, bob)

    asyncio.run(main())


def test_a_thief_makes_the_wallet_pay_for_no_output_without_tokens(tmp_path: Path) -> None:
    """Of ten small HTLCs each cost it 11,739 sat, until it had none for what does hold tokens."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await side(network, "alice"), await side(network, "bob")
            channel = await opened(network, alice[0], bob[0])
            with silent(alice[0], bob[0]):
                height = await network.followed()
                hashes = [await offer(bob[0], alice[0], n, 3_500, height + 60, 0) for n in (1, 2, 3)]
                stale = await loot(bob[0])
                await know(alice[0], hashes[-1], 3)
                await at_rest(alice[0], bob[0])
            await bob[0].plugins.stop()
            await network.stop(bob[0])
            before = await alice[0].wallet.balance()
            await estimate(network, DEAR_PER_KW)
            await full_blocks(network, 1, stale.commitment)
            await estimate(network, USUAL_PER_KW)
            await finish(network, alice[0])
            assert (await alice[0].wallet.balance()).confirmed_sat >= before.confirmed_sat
            found, purposes = await counted(network, alice[1], channel, alice[0], bob[0])
            assert found == (5_700, 0) and "with coins of the wallet" not in purposes

    asyncio.run(main())


@pytest.mark.parametrize(("small_sat", "poor"), [(400, False), (5_000, True)], ids=["by the wallet", "by itself"])
def test_a_thief_is_punished_although_it_costs_more_than_the_satoshi(
    tmp_path: Path, small_sat: int, poor: bool
) -> None:
    """No fee can be paid from 400 sat at all; of 5,000 as much as there is, where the wallet has nothing."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await side(network, "alice"), await side(network, "bob")
            await priced_out(network, alice, bob, small_sat, poor)

    asyncio.run(main())


def test_what_pays_the_fee_of_a_sweep_does_not_lead_to_its_coin(tmp_path: Path) -> None:
    """Though it came from the same channel: what it did with tokens says nothing about this one's."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            (alice, holder), bob = await side(network, "alice"), await side(network, "bob")
            channel = await opened(network, alice, bob[0], push_sat=400)
            stale = await loot(bob[0])
            await pay((alice, holder), bob[0], 20_000, 0)
            await alice.wallet.send(await bob[0].wallet.new_address(), None, 253)
            await network.stop(bob[0])
            await full_blocks(network, 1, stale.commitment)
            await network.mine()
            assert holder.plugin.node is not None
            (main,) = await holder.plugin.node.held_coins()
            await alice.api.coins_release(f"{main.txid}:{main.vout}", True)
            await finish(network, alice)
            (coin,) = await holder.plugin.node.held_coins()
            assert [parse(raw).txid for raw in coin.transactions] == [
                stale.commitment.txid,
                bytes.fromhex(coin.txid)[::-1],
            ]
            penalty = parse(coin.transactions[-1])
            assert penalty.inputs[1].txid[::-1].hex() == main.txid
            stranger = penalty.outputs[coin.vout].script_pubkey
            await network.chain.fund(stranger, 1_000)
            await network.mine()
            assert [len(each.transactions) for each in await holder.plugin.node.held_coins()] == [2, 0]
            assert channel.id.hex() == coin.channel_id

    asyncio.run(main())
