"""Does a plugin pay within its limit, whatever fails in between, and get paid?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.hooks import HoldHtlc, ResolveHtlc
from lnpd_sdk.node import Node as Asked
from lnpd_sdk.plugin import Plugin

from lnpd.services.node.node import Node
from lnpd.services.payments.held import every_held
from lnpd.services.payments.ledger import invoice_of
from lnpd.services.payments.unasked import KEYSEND
from lnpd.services.plugins.offers.pace import Pace
from lnpd.store.codec import encode
from lnpd.testing import Network, until_asked
from tests.crash.power import Died, Power, electrify
from tests.services.plugins.offers.desk import desk, joined

SHOP = {"grants": (("shop", "pay:1000"), ("shop", "invoice"))}


async def shop(node: Node, name: str = "shop") -> Asked:
    plugin = Plugin(name, "1", capabilities=("pay:1000", "invoice"))
    await node.plugins.add_in_process(plugin)
    assert plugin.node is not None
    return plugin.node


async def refused(code: str, words: str, node: Asked, invoice: str, **more: int) -> None:
    with pytest.raises(CallFailed, match=words) as error:
        await node.pay(invoice, **more)  # type: ignore[arg-type]  # integers only
    assert error.value.code == code


async def standing(node: Node) -> tuple[int, int]:
    """What the shop has paid, and may be paying, in msat."""
    spent, kept_msat = await node.payments.limited.standing("shop")
    return spent.msat, kept_msat


async def bill(node: Node, sat: int) -> str:
    return (await node.api.invoice(1000 * sat, "a bill", 3600)).invoice


async def forget(node: Node) -> None:
    """The newest invoice is no longer to be paid: its HTLC will be failed."""
    (row, *_) = await node.store.read(lambda read: read.invoices())
    await node.store.write(lambda write: write.set_invoice(row.payment_hash, "gone", encode(invoice_of(row))))


async def holds(node: Node, count: int) -> bool:
    """Whether so many HTLCs wait for a plugin."""
    return len(await node.store.read(every_held)) == count


async def calls(node: Node, count: int) -> bool:
    """Whether so many calls wait for one payment."""
    return sum(node.payments.limited._callers.values()) == count


def test_a_limit_counts_what_was_paid_and_outlives_the_node(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **SHOP), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000, push_sat=100_000)
            node = await shop(alice)
            first = await bill(bob, 600)
            paid = await node.pay(first, max_fee_msat=0)
            assert (paid.amount_msat, paid.fee_msat) == (600_000, 0)
            assert (await node.pay(first)).preimage == paid.preimage  # once, and nothing is set aside for it again
            await refused("PayLimitReached", "--grant shop=pay:SAT", node, await bill(bob, 401), max_fee_msat=0)
            await refused("PayLimitReached", "420000 msat", node, await bill(bob, 400))  # with what it may cost
            lost = await bill(bob, 400)
            await forget(bob)
            await refused("PaymentFailed", "incorrect_or_unknown", node, lost, max_fee_msat=0)
            assert await standing(alice) == (600_000, 0)
            theirs = await bill(bob, 1)
            await alice.api.pay(theirs, None, 30)
            await refused("PaymentInFlight", "not by shop", node, theirs)
            assert [(row.state, row.amount_msat) for row in await node.payments()] == [
                ("failed", 400_000),
                ("paid", 600_000),
            ]
            alice = await network.restart(alice)
            await network.active(channel, alice, bob)
            node = await shop(alice)
            await refused("PayLimitReached", "600000 msat are paid", node, await bill(bob, 401), max_fee_msat=0)
            await node.pay(await bill(bob, 400), max_fee_msat=0)
            assert await standing(alice) == (1_000_000, 0)
            invoice = await node.invoice("a coffee", 21_000)
            assert (await bob.api.pay(invoice.invoice, None, 30)).payment_hash == invoice.payment_hash
            (newest,) = await node.payments(limit=1)
            assert len(older := await node.payments(before=newest.sequence)) == 2 and newest not in older
            judged = await node.invoice("a note", 21_000, judged=True, metadata=b"note")
            (own,) = await node.own_invoices()
            assert (own.payment_hash, own.state, own.metadata) == (judged.payment_hash, "open", b"note".hex())
            assert await node.own_invoices(paid=True) == ()

    asyncio.run(main())


async def taker(node: Node) -> list[dict[str, str]]:
    """Takes what nobody asked for, if its record 65537 says so; the records of all that came."""
    plugin, came = Plugin("taker", "1", capabilities=("messages", "hook:htlc_accepted")), list[dict[str, str]]()
    plugin.messages(f"tlv_stream,payload\ntype,{KEYSEND},keysend_preimage\ndata,32*byte,preimage")

    @plugin.hook("htlc_accepted", has_invoice=False)
    async def accepted(_node: Asked, records: dict[str, str], **_more: object) -> ResolveHtlc | None:
        came.append(records)
        return ResolveHtlc(records[str(KEYSEND)]) if records["65537"] == "01" else None

    await node.plugins.add_in_process(plugin)
    return came


def test_a_node_is_paid_that_asked_for_nothing(tmp_path: Path) -> None:
    """Once for each preimage, within the same limit, also over a restart."""
    yes, no, one, two = {65537: b"\x01"}, {65537: b"\x00"}, b"\x01" * 32, b"\x02" * 32

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", **SHOP)
            bob = await network.node("bob", grants=(("taker", "messages"), ("taker", "hook:htlc_accepted")))
            channel = await network.channel(alice, bob, 1_000_000, push_sat=100_000)
            node, came, payee = await shop(alice), await taker(bob), bob.node_id.hex()
            first = await node.pay_node(payee, 600_000, one, yes, max_fee_msat=0)
            assert (first.preimage, first.amount_msat, first.fee_msat) == (one.hex(), 600_000, 0)
            assert came == [{"65537": "01", str(KEYSEND): one.hex()}]
            assert await node.pay_node(payee, 600_000, one, yes) == first
            assert len(came) == 1
            for amount_msat, preimage, records, code in (
                (600_001, one, yes, "PreimageUsed"),
                (1, two, {65538: b""}, "RecordsUnfit"),
                (401_000, two, yes, "PayLimitReached"),
                (400_000, two, no, "PaymentFailed"),
            ):
                with pytest.raises(CallFailed) as error:
                    await node.pay_node(payee, amount_msat, preimage, records, max_fee_msat=0)
                assert error.value.code == code
                assert await standing(alice) == (600_000, 0)
            alice = await network.restart(alice)
            await network.active(channel, alice, bob)
            node = await shop(alice)
            assert (await node.pay_node(payee, 600_000, one, yes)).preimage == one.hex()
            second = await node.pay_node(payee, 400_000, two, yes, max_fee_msat=0)  # what failed is made again
            assert [len(came), second.amount_msat, *await standing(alice)] == [3, 400_000, 1_000_000, 0]
            mine = await node.invoice("a coffee", 1)
            (row,) = await alice.store.read(lambda read: read.invoices())
            with pytest.raises(CallFailed, match=f"{mine.payment_hash} is an invoice of ours"):
                await node.pay_node(payee, 1, invoice_of(row).preimage)

    asyncio.run(main())


def test_who_asks_again_while_a_payment_fails_is_held_to_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was set aside is free again between the second call's look and its offer: a payee can choose the moment."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", **SHOP)
            bob = await network.node("bob", grants=(("holder", "hook:htlc_accepted"),))
            await network.channel(alice, bob, 1_000_000)
            node, holder, held = await shop(alice), Plugin("holder", "1"), list[str]()

            @holder.hook("htlc_accepted")
            async def hold(_node: Asked, htlc: str, **_fields: object) -> HoldHtlc:
                held.append(htlc)
                return HoldHtlc()

            await bob.plugins.add_in_process(holder)
            invoice, outgoing = await bill(bob, 600), alice.payments.limited._outgoing
            first = asyncio.create_task(node.pay(invoice, max_fee_msat=0))
            await until_asked(lambda: holds(bob, 1), "the HTLC")
            send = outgoing.send

            async def late(*given: Any) -> Any:
                await asyncio.wait({first})
                return await send(*given)

            monkeypatch.setattr(outgoing, "send", late)
            again = asyncio.create_task(node.pay(invoice, max_fee_msat=0))
            await until_asked(lambda: calls(alice, 2), "the second call")
            assert holder.node is not None
            await holder.node.fail(held[0], "temporary_node_failure")
            await until_asked(lambda: holds(bob, 1), "the second HTLC")
            monkeypatch.undo()
            assert len(held) == 2 and await standing(alice) == (0, 600_000)
            await refused("PayLimitReached", "600000 msat are paid or on", node, await bill(bob, 401), max_fee_msat=0)
            await holder.node.settle(held[1])
            await again
            assert await standing(alice) == (600_000, 0)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("point", "msat"), [("plugin-pay-reserved", {0}), ("payment-offered", {0, 600_000}), ("payment-paid", {600_000})]
)
def test_a_power_cut_loses_nothing_of_the_count(tmp_path: Path, point: str, msat: set[int]) -> None:
    """`msat`: what may be counted after it; of an offered HTLC perhaps nothing, if it had not left."""

    async def main() -> None:
        electrify()
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **SHOP), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000, push_sat=100_000)
            options = {**SHOP, "listen": alice.peers.listening()}
            await network.stop(alice)
            power = Power(lambda moment, points: moment == "after_commit" and point in points)
            power.node = Node(network.config("alice", **options), chain=alice.shared_chain, fault=power.fault)
            await power.run(power.node.start())
            await network.active(channel, power.node, bob)
            first = await bill(bob, 600)
            with pytest.raises(Died):  # asked as the service asks: a plugin in this process would lose its power too
                await power.run(power.node.payments.limited.pay("shop", 1_000, first, None, 0, (), 25))
            await power.bury()
            alice = await network.node("alice", **options)
            assert sum(await standing(alice)) in msat
            await network.active(channel, alice, bob)
            node = await shop(alice)

            async def ended() -> bool:
                return all(row.state != "pending" for row in await node.payments())

            await until_asked(ended, "the payment's end")
            await node.pay(first, max_fee_msat=0)
            assert await standing(alice) == (600_000, 0)
            await refused("PayLimitReached", "600000 msat", node, await bill(bob, 401), max_fee_msat=0)

    asyncio.run(main())


def test_without_grants_it_neither_pays_nor_is_paid(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as host:
            node = await joined(host, "shop", "pay:5", "invoice")
            with pytest.raises(CallFailed, match="--grant shop=pay:SAT"):
                await node.pay("lnbcrt1")
            with pytest.raises(CallFailed, match="--grant shop=invoice"):
                await node.invoice("a coffee")
            other = await joined(host, "other")
            with pytest.raises(CallFailed, match="let its manifest ask for pay:SAT"):
                await other.pay("lnbcrt1")

    asyncio.run(main())


def test_what_is_asked_too_often_is_refused(tmp_path: Path) -> None:
    now = [0.0]
    pace = Pace(2, 60.0, ValueError, clock=lambda: now[0])  # type: ignore[arg-type]  # any error does

    async def main() -> None:
        async with desk(tmp_path) as host:
            await joined(host, "shop")
            (plugin,) = host.plugins
            pace.take(plugin)
            now[0] = 30.0
            pace.take(plugin)
            with pytest.raises(ValueError, match="2 times in 60 seconds"):
                pace.take(plugin)
            now[0] = 60.0
            pace.take(plugin)

    asyncio.run(main())
