"""Do we and LDK open channels to each other, pay both ways, and close them together?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.errors import PaymentFailed
from lnpd.services.node.node import Node
from tests.interop.ldk import Ldk, Refused, World, a_world

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
    funding = (await peer.channel(channel))["funding"]
    if by_us:
        closed = await ours.api.close(channel, False, None)
        assert closed.how == "mutual"
    else:
        await peer("close", channel=channel)
    ended = await peer.event("ChannelClosed", channel=channel)
    assert ended["why"].endswith("InitiatedCooperativeClosure"), ended
    await world.network.spent(funding)
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


def test_invoices_of_every_kind(tmp_path: Path) -> None:
    """Without an amount, paid twice, failed by whoever is paid: each side reads what the other one says."""

    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours"), await world.ldk("ldk")
            channel = await world.open(ours, peer, push_sat=300_000)
            bill = await peer("invoice")
            assert (await ours.api.pay(bill["invoice"], 7_000_000, 20)).amount_msat == 7_000_000
            asked = await ours.api.invoice(None, "give what you want \N{SNOWMAN}", HOUR)
            await peer.paid(asked.invoice, msat=9_000_000)

            with pytest.raises(Refused, match="DuplicatePayment"):
                await peer("pay", invoice=asked.invoice, msat=9_000_000)
            another = await world.ldk("another", coins_sat=0)
            await world.open(ours, another, push_sat=300_000)
            other = await another("pay", invoice=asked.invoice, msat=1_000_000)
            failed = await another.event("PaymentFailed", payment_hash=other["payment_hash"])
            assert failed["why"] == "RecipientRejected", failed  # it was paid already

            await peer("set", name="hold", value=True)
            bill = await peer("invoice", msat=5_000_000)
            paying = asyncio.create_task(ours.api.pay(bill["invoice"], None, 20))
            await peer.event("PaymentClaimable", payment_hash=bill["payment_hash"])
            await peer("fail", payment_hash=bill["payment_hash"])
            with pytest.raises(PaymentFailed, match="incorrect_or_unknown_payment_details"):
                await paying
            assert await world.settled(ours, peer, channel) == 700_000_000 - 7_000_000 + 9_000_000

    asyncio.run(main())
