"""Do we and LDK open channels to each other, pay both ways, and close them together?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.services.node.node import Node
from tests.interop.ldk import Ldk, World, a_world

KINDS = {"static_remotekey": False, "anchors_zero_fee_htlc_tx": True}
HOUR = 3600


async def pay_both_ways(world: World, ours: Node, peer: Ldk, channel: str) -> int:
    """30,000 sat from us to them and 10,000 back; what is ours then, in msat."""
    before_msat = await world.settled(ours, peer, channel)
    bill = await peer("invoice", msat=30_000_000, final_cltv=144)  # as long as Electrum wants it
    paid = await ours.api.pay(bill["invoice"], None, 20)
    assert (paid.amount_msat, paid.fee_msat, paid.payment_hash) == (30_000_000, 0, bill["payment_hash"])
    await peer.event("PaymentClaimed", payment_hash=bill["payment_hash"], msat=30_000_000)
    asked = await ours.api.invoice(10_000_000, "back", HOUR)
    sent = await peer.paid(asked.invoice)
    assert (sent["payment_hash"], sent["fee_msat"]) == (asked.payment_hash, 0)
    after_msat = await world.settled(ours, peer, channel)
    assert after_msat == before_msat - 20_000_000
    return after_msat


async def close(world: World, ours: Node, peer: Ldk, channel: str, by_us: bool) -> None:
    """A mutual close by one of the two; LDK's output comes back to its wallet."""
    if by_us:
        closed = await ours.api.close(channel, False, None)
        assert closed.how == "mutual"
    else:
        await peer("close", channel=channel)
    ended = await peer.event("ChannelClosed", channel=channel)
    assert ended["why"].endswith("InitiatedCooperativeClosure"), ended
    await world.mine(6)
    await peer.event("Swept")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("we_open", [True, False], ids=["we open", "LDK opens"])
def test_open_pay_and_close(tmp_path: Path, kind: str, we_open: bool) -> None:
    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours"), await world.ldk("ldk", anchors=KINDS[kind])
            if we_open:
                channel = await world.open(ours, peer, push_sat=200_000, kind=kind)
            else:
                channel = await world.open(peer, ours, push_sat=200_000)
            mine = (800_000_000 if we_open else 200_000_000) - 20_000_000
            assert await pay_both_ways(world, ours, peer, channel) == mine
            before_sat = (await ours.wallet.balance()).confirmed_sat
            await close(world, ours, peer, channel, by_us=not we_open)
            gained = (await ours.wallet.balance()).confirmed_sat - before_sat
            assert mine // 1000 - 2_000 * we_open <= gained <= mine // 1000

    asyncio.run(main())
