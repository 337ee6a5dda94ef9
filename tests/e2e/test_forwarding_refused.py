"""Does a forward cost us nothing when an extension of the incoming channel refuses our own removal?"""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.types import Phase, ProviderBase, ProviderSpec, Reject, Update, View

from lnpd.channel.actions import HtlcReceived, Told
from lnpd.channel.events import Fail, Fulfill, TransactionConfirmed, TransactionUnconfirmed
from lnpd.channel.state import Channel, Normal, OnChain
from lnpd.errors import PaymentFailed
from lnpd.services.chain.rows import StoredFact
from lnpd.services.node.node import Node
from lnpd.services.payments.ledger import invoice_of
from lnpd.services.recipients import Effects, Recipient
from lnpd.store.codec import encode
from lnpd.testing import Network, until, until_asked
from lnpd.tx.transaction import Tx
from tests.e2e.line import Hearing, balances_msat, held, in_a_row, run, terms_known

KIND, SENT_MSAT, FEE_MSAT = "tollgate/static_remotekey", 40_000_000, 1_400


class Tollgate(ProviderBase):
    """It has no grant, and lets nobody claim while it is shut."""

    shut: ClassVar = False
    spec = ProviderSpec("tollgate", (1,), (Phase("validate"),), observes=("htlc",))

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        refused = self.shut and update.provider == "htlc" and update.kind == "fulfill"
        return Reject("the gate is shut") if refused else None


class Bobs(Tollgate):
    """The one that is shut for a while."""


def gate(kind: type[Tollgate]) -> Plugin:
    plugin = Plugin("tollgate", version="1")
    plugin.channel_type(ChannelTypeSpec(KIND, "static_remotekey", (("tollgate", 1),)))
    plugin.provider(kind)
    return plugin


async def gated(network: Network, *names: str) -> tuple[list[Node], list[str]]:
    """Nodes in a row; the first two have a gate in their channel."""
    nodes = [await network.node(name) for name in names]
    for node, kind in zip(nodes, (Tollgate, Bobs), strict=False):
        await node.plugins.add_in_process(gate(kind))
    kinds = (KIND, "")
    channels = [
        await network.channel(*pair, 1_000_000, push_sat=250_000, kind=kind)
        for pair, kind in zip(pairwise(nodes), kinds, strict=False)
    ]
    await terms_known(nodes, channels)
    return nodes, channels


@pytest.mark.parametrize("relents", [True, False], ids=["relents", "never"])
def test_a_refused_removal_freezes_by_name_and_its_decision_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relents: bool
) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), channels = await gated(network, "alice", "bob", "carol")
        driver = bob.channels.driver_of(channels[0])
        monkeypatch.setattr(Bobs, "shut", True)
        invoice = await carol.api.invoice(SENT_MSAT, "tea", 3600)
        paying = asyncio.create_task(alice.api.pay(invoice.invoice, None, 60))
        await until(lambda: driver.frozen, "the freeze")
        await until(lambda: driver.channel.decisions, "the decision is stored")
        assert "tollgate" in driver.frozen
        if relents:
            monkeypatch.setattr(Bobs, "shut", False)
            bob = await network.restart(bob)
            await bob.plugins.add_in_process(gate(Bobs))
            await paying
            (ab, bc) = await balances_msat((alice, bob, carol), channels)
            assert (ab[1], bc[1]) == (250_000_000 + SENT_MSAT + FEE_MSAT, 250_000_000 + SENT_MSAT)
        else:
            paying.cancel()
            (row,) = await bob.api.forwards()
            await network.mine(row.incoming_expiry_height - 18 - bob.watcher.height)
            await until(lambda: not isinstance(driver.channel.phase, Normal), "the deadline's close")

    run(story, tmp_path)


def test_what_the_chain_did_is_handled_though_a_provider_errs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A funding that is deep again sends what was decided meanwhile, and that asks every provider."""

    async def story(network: Network) -> None:
        (alice, bob), (name,) = await gated(network, "alice", "bob")
        driver, store = bob.channels.driver_of(name), bob.store
        hearing = Hearing(bob, hold=True)
        invoice = await bob.api.invoice(SENT_MSAT, "tea", 3600)
        paying = asyncio.create_task(alice.api.pay(invoice.invoice, None, 60))
        await held(hearing)
        paying.cancel()
        key, txid = driver.channel.key.encode(), driver.channel.fundings[0].txid
        kept = await store.read(lambda read: read.record(key, "funding", txid.hex().encode()))
        assert kept is not None
        await driver.command(TransactionUnconfirmed(txid))
        payment = await store.read(lambda read: read.invoice(bytes.fromhex(invoice.payment_hash)))
        assert payment is not None
        await driver.command(Fulfill(0, invoice_of(payment).preimage))
        assert driver.channel.funding_undone and driver.channel.live
        monkeypatch.setattr(Bobs, "shut", True)
        deep = TransactionConfirmed(msgspec.msgpack.decode(kept, type=Tx), 150, 1, 100)
        await store.write(lambda write: write.add_inbox(key, "deep", encode(StoredFact(deep))))
        await bob.channels.deliver(key)
        await driver.settled()
        assert driver.frozen
        assert not driver.channel.funding_undone
        assert [decision.id for decision in driver.channel.decisions] == [0]
        assert "deep" not in [row.key for row in await store.read(lambda read: read.inbox(key))]

    run(story, tmp_path)


class Ear:
    """It keeps what a node received; `fails` answers for it."""

    def __init__(self, node: Node, fails: bool = False) -> None:
        self.inner: Recipient = node.channels.parts.recipients["payments"]
        self.received: list[tuple[Channel, HtlcReceived]] = []
        self._fails = fails
        node.channels.parts.recipients["payments"] = self

    async def told(self, channel: Channel, message: Told) -> Effects:
        if isinstance(message, HtlcReceived):
            self.received.append((channel, message))
            if self._fails:
                return Effects(events=(Fail(message.id, bytes(292)),))
        return await self.inner.told(channel, message)


@pytest.mark.parametrize("pays", [True, False], ids=["fulfilled", "failed"])
def test_what_is_told_again_after_its_circuit_ended_is_answered_again(tmp_path: Path, pays: bool) -> None:
    async def story(network: Network) -> None:
        (alice, bob, carol), _ = await in_a_row(network, "alice", "bob", "carol")
        ear = Ear(bob)
        if not pays:
            Ear(carol, fails=True)
        invoice = await carol.api.invoice(SENT_MSAT, "tea", 3600)
        paying = alice.api.pay(invoice.invoice, None, 100)
        if pays:
            await paying
        else:
            with pytest.raises(PaymentFailed):
                await paying
        channel, message = ear.received[0]
        (answer,) = (await ear.inner.told(channel, message)).events
        assert isinstance(answer, Fulfill if pays else Fail)
        assert answer.id == message.id

    run(story, tmp_path)


def test_what_pays_us_nothing_any_more_is_not_offered(tmp_path: Path) -> None:
    """The incoming channel is on chain, and has no output for its HTLC: a preimage would cost us, and bring nothing."""

    async def story(network: Network) -> None:
        (alice, bob, carol), channels = await in_a_row(network, "alice", "bob", "carol")
        hearing = Hearing(bob, hold=True)
        invoice = await carol.api.invoice(200_000, "a sip", 3600)
        paying = asyncio.create_task(alice.api.pay(invoice.invoice, None, 60))
        await held(hearing)
        paying.cancel()
        driver = bob.channels.driver_of(channels[0])
        await alice.api.close(channels[0], True, None)
        await network.mine(1)
        await until(lambda: isinstance(driver.channel.phase, OnChain), "bob sees the close")
        channel, message = hearing.held[0]
        effects = await hearing.inner.told(channel, message)
        await bob.store.write(lambda write: [put(write) for put in effects.writes])
        for after in effects.after:
            after()

        async def ended() -> str:
            (row,) = await bob.api.forwards()
            return row.state if row.state in ("failed", "fulfilled") else ""

        assert await until_asked(ended, "the circuit ends") == "failed"
        assert bob.channels.driver_of(channels[1]).channel.next_ids == ()

    run(story, tmp_path)
