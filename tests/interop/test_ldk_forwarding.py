"""Do payments pass through us between two LDK nodes, and through LDK between two of ours?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.testing import until_asked
from tests.interop.ldk import Ldk, World, a_world

AMOUNT_MSAT = 20_000_000
HOUR = 3600


async def may_be_hinted(peer: Ldk, channel: str) -> None:
    """LDK has our channel_update, without which its invoices do not name this way to it."""

    async def told() -> bool:
        return bool((await peer.channel(channel))["relay"])

    await until_asked(told, "LDK has our relay policy")


async def line(world: World, **settings: bool) -> tuple[Ldk, Node, Ldk, str, str]:
    """payer (LDK) - ours - payee (LDK), by two channels."""
    ours = await world.network.node("ours")
    payer, payee = await world.ldk("payer", **settings), await world.ldk("payee", coins_sat=0, **settings)
    first = await world.open(payer, ours, 1_000_000, push_sat=300_000)
    second = await world.open(ours, payee, 1_000_000)
    await may_be_hinted(payee, second)
    return payer, ours, payee, first, second


@pytest.mark.parametrize(
    ("anchors", "hidden"), [(False, False), (True, True)], ids=["static_remotekey", "anchors, hidden"]
)
def test_ldk_pays_ldk_through_us(tmp_path: Path, anchors: bool, hidden: bool) -> None:
    async def main() -> None:
        async with a_world(tmp_path) as world:
            payer, ours, payee, first, second = await line(world, anchors=anchors, scid_privacy=hidden)
            for peer, channel in ((payer, first), (payee, second)):
                assert (22 in (await peer.channel(channel))["type"]) is anchors
            bill = await payee("invoice", msat=AMOUNT_MSAT)
            paid = await payer.paid(bill["invoice"])
            (passed,) = await ours.api.forwards()
            assert (passed.state, passed.fee_msat) == ("fulfilled", paid["fee_msat"])
            assert paid["fee_msat"] > 0
            assert await world.settled(ours, payer, first) == 300_000_000 + AMOUNT_MSAT + passed.fee_msat
            assert await world.settled(ours, payee, second) == 1_000_000_000 - AMOUNT_MSAT

            await payee("set", name="hold", value=True)
            held = await payee("invoice", msat=AMOUNT_MSAT)
            started = await payer("pay", invoice=held["invoice"])
            await payee.event("PaymentClaimable", payment_hash=started["payment_hash"])
            await ours.api.disconnect(payer.node_id)  # the way back is lost for a while
            await payee("claim", payment_hash=started["payment_hash"])
            await world.reconnected(ours, payer, first)
            await payer.event("PaymentSent", payment_hash=started["payment_hash"])

            failing = await payee("invoice", msat=AMOUNT_MSAT)
            started = await payer("pay", invoice=failing["invoice"])
            await payee.event("PaymentClaimable", payment_hash=started["payment_hash"])
            await payee("fail", payment_hash=started["payment_hash"])
            failed = await payer.event("PaymentFailed", payment_hash=started["payment_hash"])
            assert failed["why"] == "RecipientRejected", failed  # LDK can read what came from the payee through us

    asyncio.run(main())


def test_ldk_hears_that_we_cannot_forward_now(tmp_path: Path) -> None:
    """The payee is away: temporary_channel_failure, which LDK does not hold against the channel for ever."""

    async def main() -> None:
        async with a_world(tmp_path) as world:
            payer, ours, payee, _first, second = await line(world)
            bill = await payee("invoice", msat=AMOUNT_MSAT)
            await ours.api.disconnect(payee.node_id)
            started = await payer("pay", invoice=bill["invoice"])
            failed = await payer.event("PaymentPathFailed", payment_hash=started["payment_hash"])
            assert not failed["permanent"]
            await world.reconnected(ours, payee, second)
            again = await payee("invoice", msat=AMOUNT_MSAT)
            await payer.paid(again["invoice"])

    asyncio.run(main())


@pytest.mark.parametrize("anchors", [False, True], ids=["static_remotekey", "anchors"])
def test_we_pay_us_through_ldk(tmp_path: Path, anchors: bool) -> None:
    async def main() -> None:
        async with a_world(tmp_path) as world:
            alice, bob = await world.network.node("alice"), await world.network.node("bob")
            middle = await world.ldk("middle", anchors=anchors)
            first = await world.open(alice, middle, 2_000_000)
            second = await world.open(middle, bob, 1_000_000)

            async def told() -> bool:
                relayed = [await node.api.relay(channel) for node, channel in ((alice, first), (bob, second))]
                return all(row.theirs for row in relayed)

            await until_asked(told, "what LDK asks for forwarding")
            invoice = await bob.api.invoice(AMOUNT_MSAT, "by its hint", HOUR)
            paid = await alice.api.pay(invoice.invoice, None, 20)
            assert paid.fee_msat > 0
            assert (await middle.event("PaymentForwarded"))["fee_msat"] == paid.fee_msat
            assert await world.settled(bob, middle, second) == AMOUNT_MSAT

            given = await bob.api.invoice(AMOUNT_MSAT, "by a route", HOUR)
            route = (middle.node_id, bob.node_id.hex())
            again = await alice.api.pay(given.invoice, None, 20, route)
            assert again.fee_msat == paid.fee_msat
            await world.settled(alice, middle, first)

            asked = await bob.api.relay(second)
            assert asked.theirs is not None
            terms = asked.theirs.fee_base_msat, asked.theirs.fee_proportional_millionths, asked.theirs.cltv_expiry_delta
            last = ":".join(map(str, (asked.short_channel_ids[0], *terms)))
            refused = await bob.api.invoice(990_000_000, "more than LDK has", HOUR)
            with pytest.raises(LnpdError, match="temporary_channel_failure"):
                await alice.api.pay(refused.invoice, None, 20, (middle.node_id, f"{bob.node_id.hex()}@{last}"))

    asyncio.run(main())
