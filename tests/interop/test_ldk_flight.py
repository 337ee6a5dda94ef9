"""Do we and LDK keep one account with many HTLCs in flight, over fee updates and lost connections?"""

import asyncio
from pathlib import Path

import pytest

from contrib.ldk.driver import Row
from lnpd.channel.events import Fail, Fulfill
from lnpd.errors import LnpdError
from lnpd.rpc.answers import Paid
from lnpd.services.node.node import Node
from lnpd.testing import shown, until, until_asked
from lnpd.tx.states import htlcs_of
from tests.e2e.closing import driver_of, ears, estimate
from tests.interop.ldk import Ldk, World, a_world, preimage_of

HOUR = 3600
EACH_MSAT = 3_000_000
ENDS = ("PaymentClaimable", "PaymentClaimed", "PaymentSent")


async def bills(peer: Ldk, count: int) -> list[str]:
    """Invoices of LDK's."""
    made = await asyncio.gather(*(peer("invoice", msat=EACH_MSAT) for _ in range(count)))
    return [row["invoice"] for row in made]


async def invoices(ours: Node, count: int) -> list[str]:
    """Invoices of ours."""
    return [(await ours.api.invoice(EACH_MSAT, f"number {number}", HOUR)).invoice for number in range(count)]


@pytest.mark.parametrize("anchors", [False, True], ids=["static_remotekey", "anchors"])
def test_a_hundred_htlcs_each_way(tmp_path: Path, anchors: bool) -> None:
    """100 of ours and 100 of LDK's are held at once; then half of each are claimed, and half fail."""

    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours"), await world.ldk("ldk", anchors=anchors, hold=True)
            ears(ours)
            channel = await world.open(peer, ours, 3_000_000, push_sat=1_500_000)
            waiting = [asyncio.create_task(ours.api.pay(bill, None, 60)) for bill in await bills(peer, 100)]
            sent = [await peer("pay", invoice=each) for each in await invoices(ours, 100)]

            async def held() -> bool:
                row, theirs = await shown(ours, channel), await peer.channel(channel)
                heard = len(peer.heard("PaymentClaimable"))
                quiet = not driver_of(ours).channel.log
                return bool(quiet and heard == 100 and row and len(row.htlcs) == theirs["htlcs"] == 200)

            await until_asked(held, "a hundred HTLCs each way, held")
            for number, row in enumerate(peer.heard("PaymentClaimable")):
                await peer("claim" if number % 2 else "fail", payment_hash=row["payment_hash"])
            ours_held = {htlc.payment_hash.hex(): htlc.id for htlc in htlcs_of(driver_of(ours).channel.base.states)}
            for number, row in enumerate(sent):
                identity, payment_hash = ours_held[row["payment_hash"]], row["payment_hash"]
                known = await preimage_of(ours, payment_hash)
                await driver_of(ours).command(Fulfill(identity, known) if number % 2 else Fail(identity, bytes(256)))
            ended = await asyncio.gather(*waiting, return_exceptions=True)
            assert sum(isinstance(each, LnpdError) for each in ended) == 50, ended
            for number, row in enumerate(sent):
                await peer.event("PaymentSent" if number % 2 else "PaymentFailed", payment_hash=row["payment_hash"])
            assert await world.settled(ours, peer, channel) == 1_500_000_000  # 50 went each way

    asyncio.run(main())


@pytest.mark.parametrize("anchors", [False, True], ids=["static_remotekey", "anchors"])
@pytest.mark.parametrize("we_open", [True, False], ids=["we open", "LDK opens"])
def test_the_opener_changes_the_feerate(tmp_path: Path, we_open: bool, anchors: bool) -> None:
    """Ours by itself, as the chain's estimates rise and fall; LDK's at a tick of its clock."""

    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours"), await world.ldk("ldk", anchors=anchors, hold=True)
            opener, acceptor = (ours, peer) if we_open else (peer, ours)
            channel = await world.open(opener, acceptor, push_sat=500_000)
            (bill,) = await bills(peer, 1)
            waiting = asyncio.create_task(ours.api.pay(bill, None, 60))
            held = await peer.event("PaymentClaimable")
            for per_kw in (2_600, 1_300, 2_500):  # LDK goes down by half at least, and we up to the double
                if we_open:
                    await estimate(world.network, per_kw)
                    await world.mine()
                else:
                    await peer("set", name="per_kw", value=per_kw)
                    await peer("tick")
                await at(per_kw, peer, channel)
                (invoice,) = await invoices(ours, 1)
                await peer.paid(invoice)
            await peer("claim", payment_hash=held["payment_hash"])
            await waiting
            assert await world.settled(ours, peer, channel) == 500_000_000 + 2 * EACH_MSAT

    asyncio.run(main())


@pytest.mark.parametrize("anchors", [False, True], ids=["static_remotekey", "anchors"])
def test_ldk_keeps_our_channel_while_fees_rise(tmp_path: Path, anchors: bool) -> None:
    """It closes one whose feerate is below the least that it saw in a day; we raise it, LDK being away at first."""

    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours"), await world.ldk("ldk", anchors=anchors)
            channel = await world.open(ours, peer, push_sat=500_000)
            await peer("disconnect", peer=ours.node_id.hex())
            await until(lambda: not ours.channels.links, "the end of the connection")
            await peer("set", name="least_per_kw", value=3_000)
            await estimate(world.network, 4_000)
            await world.mine()
            await world.connect(ours, peer)
            await at(4_000, peer, channel)
            for _ in range(6):
                await world.mine(25)
            assert not peer.heard("ChannelClosed"), peer.heard("ChannelClosed")
            (invoice,) = await invoices(ours, 1)
            await peer.paid(invoice)

    asyncio.run(main())


async def at(per_kw: int, peer: Ldk, channel: str) -> None:
    """Returns once a channel has this feerate at LDK's."""

    async def agreed() -> bool:
        return bool((await peer.channel(channel)).get("per_kw") == per_kw)

    await until_asked(agreed, f"{per_kw} per kw")


async def under_way(world: World, ours: Node, peer: Ldk, count: int) -> tuple[list[asyncio.Task[Paid]], list[str]]:
    """Payments both ways that have begun: our tasks, and the hashes of LDK's."""
    before = len(await ours.api.payments())
    theirs, own = await bills(peer, count), await invoices(ours, count)
    paying = [asyncio.create_task(ours.api.pay(bill, None, 60)) for bill in theirs]
    sent = await asyncio.gather(*(peer("pay", invoice=each) for each in own))

    async def begun() -> bool:
        return len(await ours.api.payments()) == before + count

    await until_asked(begun, "all payments of ours")
    return paying, [row["payment_hash"] for row in sent]


@pytest.mark.parametrize("anchors", [False, True], ids=["static_remotekey", "anchors"])
def test_lost_connections_amid_payments_both_ways(tmp_path: Path, anchors: bool) -> None:
    """By either, and each time a little later in the exchange."""

    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours"), await world.ldk("ldk", anchors=anchors)
            channel = await world.open(peer, ours, 3_000_000, push_sat=1_500_000)
            paid = 0
            for number in range(6):
                before = len(peer.events)
                paying, sent = await under_way(world, ours, peer, 5)

                def over(before: int = before, number: int = number) -> bool:
                    return sum(row["event"] in ENDS for row in peer.events[before:]) >= number

                await until(over, f"{number} events")
                if number % 2:
                    await peer("disconnect", peer=ours.node_id.hex())
                else:
                    await ours.api.disconnect(peer.node_id)
                await world.reconnected(ours, peer, channel)
                for payment_hash in sent:
                    await peer.event("PaymentSent", payment_hash=payment_hash)
                paid += len(await asyncio.gather(*paying))
                assert await world.settled(ours, peer, channel) == 1_500_000_000
            assert paid == 30

    asyncio.run(main())


@pytest.mark.parametrize("anchors", [False, True], ids=["static_remotekey", "anchors"])
def test_ldk_restarts_amid_payments_both_ways(tmp_path: Path, anchors: bool) -> None:
    """After a power cut, each time a little later in the exchange."""

    async def main() -> None:
        async with a_world(tmp_path) as world:
            ours, peer = await world.network.node("ours"), await world.ldk("ldk", anchors=anchors, keep=True)
            channel = await world.open(peer, ours, 3_000_000, push_sat=1_500_000)
            for number in range(3):
                before = peer.events
                seen = len(before)
                paying, sent = await under_way(world, ours, peer, 5)
                wanted = 4 * number

                def over(before: list[Row] = before, seen: int = seen, wanted: int = wanted) -> bool:
                    return sum(row["event"] in ENDS for row in before[seen:]) >= wanted

                await until(over, f"{wanted} events")
                peer = await world.restart(peer)
                await world.reconnected(ours, peer, channel)
                told = {row["payment_hash"] for row in before if row["event"] == "PaymentSent"}
                for payment_hash in set(sent) - told:
                    await peer.event("PaymentSent", payment_hash=payment_hash)
                assert len(await asyncio.gather(*paying)) == 5
                assert await world.settled(ours, peer, channel) == 1_500_000_000

    asyncio.run(main())
