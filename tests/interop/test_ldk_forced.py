"""Who has every satoshi when we or LDK force-close a channel with HTLCs in flight both ways?

Of two HTLCs each way one is claimed with its preimage, after the commitment is in the chain, and one times out.
"""

import asyncio
from pathlib import Path

import pytest

from lnpd.channel.events import Fulfill
from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.services.payments.ledger import invoice_of
from lnpd.testing import shown, until, until_asked
from lnpd.tx.states import htlcs_of
from tests.e2e.closing import confirmed_sat, driver_of, ears, spender
from tests.interop.ldk import Ldk, World, a_world

CAPACITY_SAT, PUSH_SAT = 2_000_000, 1_000_000
OUT_SAT, IN_SAT = (40_000, 30_000), (20_000, 25_000)  # of each pair the first is claimed
FEES_SAT = 25_000  # no side pays more in all: its transactions, and the commitment's if it opened
MOST_BLOCKS = 500
Paying = asyncio.Task[object]


async def wallet_sat(world: World, peer: Ldk) -> int:
    """What LDK's wallet has."""
    coins = await asyncio.to_thread(world.bitcoind.call, "listunspent", 0, wallet=peer.name)
    return sum(round(coin["amount"] * 100_000_000) for coin in coins)


async def four_htlcs(world: World, ours: Node, peer: Ldk, channel: str) -> tuple[list[Paying], list[str]]:
    """Two ways, two each: our payments, and the hashes of LDK's. Nobody answers them."""
    bills = [(await peer("invoice", msat=1000 * sat))["invoice"] for sat in OUT_SAT]
    paying: list[Paying] = [asyncio.create_task(ours.api.pay(bill, None, 600)) for bill in bills]
    hashes = []
    for sat in IN_SAT:
        invoice = await ours.api.invoice(1000 * sat, "held", 3600)
        hashes.append((await peer("pay", invoice=invoice.invoice))["payment_hash"])
        # LDK 0.1 takes back HTLCs of one expiry in one transaction, and still tries to when one of them is ours.
        await world.mine(1)

    async def committed() -> bool:
        row, theirs = await shown(ours, channel), await peer.channel(channel)
        heard = len(peer.heard("PaymentClaimable"))
        return bool(row and len(row.htlcs) == theirs["htlcs"] == 4 and heard == 2 and not driver_of(ours).channel.log)

    await until_asked(committed, "four HTLCs")
    return paying, hashes


async def closed(world: World, ours: Node, peer: Ldk, channel: str, by_us: bool) -> None:
    """One of the two has broadcast its commitment, before the other one hears of it."""
    funding = driver_of(ours).channel.fundings[0]
    await ours.api.disconnect(peer.node_id)
    await until(lambda: driver_of(ours).channel.link == "down", "the end of the connection")
    if by_us:
        await ours.api.close(channel, True, None)
    else:
        await peer("close", channel=channel, force=True)
    tx = await until_asked(lambda: spender(world.network, funding.txid, funding.vout), "a commitment")
    graph = await driver_of(ours).fills.commitment(tx.txid)
    assert graph is not None
    assert (graph.holder == driver_of(ours).channel.us) is by_us


async def reveal(ours: Node, payment_hash: str) -> None:
    """We use the preimage of an HTLC that came to us."""
    row = await ours.store.read(lambda read: read.invoice(bytes.fromhex(payment_hash)))
    assert row is not None
    htlcs = htlcs_of(driver_of(ours).channel.base.states)
    (identity,) = [htlc.id for htlc in htlcs if htlc.payment_hash.hex() == payment_hash]
    await driver_of(ours).command(Fulfill(identity, invoice_of(row).preimage))


async def finish(world: World, ours: Node, peer: Ldk) -> None:
    """Blocks go by until neither side has anything to wait for."""
    for _ in range(MOST_BLOCKS // 5):
        if not ours.channels.drivers and not await peer("balances") and not await peer("unswept"):
            await world.mine(1)
            return
        await world.mine(5)
    raise AssertionError(f"not settled: {await ours.api.channels(True)}, {await peer('balances')}")


@pytest.mark.parametrize("anchors", [False, True], ids=["static_remotekey", "anchors"])
@pytest.mark.parametrize("by_us", [True, False], ids=["we close", "LDK closes"])
def test_a_forced_close_amid_four_htlcs(tmp_path: Path, anchors: bool, by_us: bool) -> None:
    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours"), await world.ldk("ldk", anchors=anchors, hold=True)
            await world.network.fund(ours, 300_000)  # for the fees of anchors
            channel = await world.open(peer, ours, CAPACITY_SAT, push_sat=PUSH_SAT)
            ears(ours)
            before_sat = await confirmed_sat(ours), await wallet_sat(world, peer)
            paying, (shown_hash, late_hash) = await four_htlcs(world, ours, peer, channel)
            await closed(world, ours, peer, channel, by_us)
            await world.mine(1)
            await peer.event("ChannelClosed", channel=channel)
            (first,) = peer.heard("PaymentClaimable", msat=1000 * OUT_SAT[0])
            await peer("claim", payment_hash=first["payment_hash"])
            await reveal(ours, shown_hash)
            await finish(world, ours, peer)
            ended = await asyncio.gather(*paying, return_exceptions=True)
            assert [isinstance(each, LnpdError) for each in ended] == [False, True], ended
            await peer.event("PaymentSent", payment_hash=shown_hash)
            await peer.event("PaymentFailed", payment_hash=late_hash)
            gained_sat = await confirmed_sat(ours) - before_sat[0], await wallet_sat(world, peer) - before_sat[1]
            due_sat = PUSH_SAT - OUT_SAT[0] + IN_SAT[0], CAPACITY_SAT - PUSH_SAT + OUT_SAT[0] - IN_SAT[0]
            for gained, due in zip(gained_sat, due_sat, strict=True):
                assert due - FEES_SAT < gained <= due, (gained_sat, due_sat)

    asyncio.run(main())
