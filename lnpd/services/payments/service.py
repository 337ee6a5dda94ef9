"""How does this node pay and get paid?

Invoices (BOLT 11), payments of one HTLC, and what passes through this node. The channels tell what becomes of an HTLC;
what follows is stored in the channel's own transaction: 4 commits a payment for the payer and 3 for the payee, none of
them ours.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from lnpd.channel.actions import HtlcFailed, HtlcForgotten, HtlcFulfilled, HtlcOffered, HtlcReceived, Told
from lnpd.channel.state import Channel
from lnpd.errors import InvoiceTermsRefused
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.features import PluginFeatures
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.routing.invoice_prefix import NETWORKS
from lnpd.routing.relay import RelayPolicy
from lnpd.rpc import answers
from lnpd.services.interfaces import Signer
from lnpd.services.payments.extras import Extras
from lnpd.services.payments.forwarding import Forwards, is_circuit
from lnpd.services.payments.incoming import (
    DEFAULT_EXPIRY_SECONDS,
    DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA,
    Incoming,
)
from lnpd.services.payments.limited import LimitedPayments
from lnpd.services.payments.news import News, Publisher, Tasks
from lnpd.services.payments.outgoing import Outgoing
from lnpd.services.payments.relay import Relay
from lnpd.services.payments.stuck import Chain, Stuck
from lnpd.services.payments.updates import Updates
from lnpd.services.payments.verdicts import Verdicts
from lnpd.services.payments.view import forward, relayed
from lnpd.services.recipients import Channels, Effects
from lnpd.store.codec import decode
from lnpd.store.rows import ChannelRow
from lnpd.store.store import Store
from lnpd.wire.message import CODEC, Codec

USUAL_POLICY = RelayPolicy()
_PREFIXES = {name: prefix for prefix, name in NETWORKS.items()}


class Payments:
    """The recipient `payments` of all channels.

    node_id: ours. network: bitcoin, testnet, signet or regtest. clock: seconds since 1970. height: of the best block.
    is_current: whether that is so now; while it is not, no HTLC is passed on or accepted.
    publisher: of the events payment_sent, payment_received, payment_failed.
    codec: of the messages and TLV records that are understood now. features: of plugins, now.
    """

    def __init__(
        self,
        store: Store,
        signer: Signer,
        channels: Channels,
        node_id: bytes,
        network: str,
        clock: Callable[[], float],
        height: Callable[[], int],
        is_current: Callable[[], bool],
        hooks: Hooks,
        publisher: Publisher,
        chain: Chain,
        policy: RelayPolicy = USUAL_POLICY,
        codec: Callable[[], Codec] = lambda: CODEC,
        features: Callable[[], PluginFeatures] = PluginFeatures,
    ) -> None:
        self._tasks, self._store, self._channels, self._hooks, self._judges = Tasks(), store, channels, hooks, False
        news, prefix, chain_hash = News(hooks, publisher, self._tasks), _PREFIXES[network], CHAIN_HASHES[network]
        self.relay = Relay(store, signer, channels, node_id, chain_hash, policy, clock, self._tasks)
        self.updates = Updates(store, channels, node_id, chain_hash, clock)
        self._forwards = Forwards(store, channels, self.relay, clock, height, is_current, news, self._tasks)
        extras, hints = Extras(hooks), self.updates.hints
        self._stuck = Stuck(store, channels, chain, self._forwards)
        self._incoming = Incoming(
            store, signer, node_id, prefix, clock, height, is_current, news, self._forwards, hints, codec, features
        )
        self.verdicts = Verdicts(
            store, hooks, channels, news, self._tasks, clock, height, self._incoming.read, self._incoming.usual
        )
        self._outgoing = Outgoing(store, channels, node_id, prefix, clock, height, news, self._tasks, extras, features)
        self.limited = LimitedPayments(store, self._outgoing, node_id, prefix, features)
        # Any: each row takes the message of its key, which no static type of a table can say.
        self._told: dict[type, Callable[[Channel, Any], Awaitable[Effects]]] = {
            HtlcOffered: self._offered,
            HtlcForgotten: self._forgotten,
            HtlcFulfilled: self._fulfilled,
            HtlcFailed: self._failed,
            HtlcReceived: self._received,
        }

    async def told(self, channel: Channel, message: Told) -> Effects:
        """See Recipient. What a channel tells others is none of our business."""
        handler = self._told.get(type(message))
        return await handler(channel, message) if handler else Effects()

    async def _received(self, channel: Channel, told: HtlcReceived) -> Effects:
        if not self._judges:
            return Effects()
        offered = await self._incoming.read(channel, told)
        return offered if isinstance(offered, Effects) else await self.verdicts.judged(channel, offered)

    # An HTLC of ours is of a payment or of a circuit: whose it is, the rows know, in the transaction that asks them.

    async def _offered(self, channel: Channel, told: HtlcOffered) -> Effects:
        service = self._forwards if is_circuit(told) else self._outgoing
        return await service.offered(channel, told)

    async def _forgotten(self, channel: Channel, told: HtlcForgotten) -> Effects:
        return _both(self._forwards.forgotten(channel, told), await self._outgoing.forgotten(channel, told))

    async def _fulfilled(self, channel: Channel, told: HtlcFulfilled) -> Effects:
        return _both(self._forwards.fulfilled(channel, told), await self._outgoing.fulfilled(channel, told))

    async def _failed(self, channel: Channel, told: HtlcFailed) -> Effects:
        return _both(self._forwards.failed(channel, told), await self._outgoing.failed(channel, told))

    async def load(self) -> None:
        """Once, before any channel is restored: what is asked for forwarding, by us and by our peers."""
        await self.verdicts.load()
        await self.relay.load()
        await self.updates.load()

    async def reconcile(self, channels: Iterable[Channel]) -> None:
        """Once at the start, with every stored channel, closed ones too, before any of them gets an event."""
        await self._outgoing.reconcile(channels)
        await self._forwards.reconcile()

    async def block(self, height: int) -> None:
        """The best chain has a new tip."""
        await self._stuck.look(height)
        await self.verdicts.block(height)

    def begin(self) -> None:
        """Once the height is known, to judge HTLCs from then on. Each channel tells again of those that wait."""
        self._judges = True
        self.verdicts.begin()

    async def stop(self) -> None:
        """End what runs beside its callers. What is in flight is stored and goes on after the next start."""
        await self.limited.stop()
        await self._tasks.stop()

    async def create_invoice(
        self,
        amount_msat: int | None,
        description: str,
        expiry_seconds: int = DEFAULT_EXPIRY_SECONDS,
        min_final_cltv_expiry: int = DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA,
        label: str = "",
        judge: str = "",
        metadata: bytes = b"",
    ) -> answers.Invoice:
        """A new invoice, stored before it is returned; amount_msat None lets the payer choose. judge: the plugin
        without whose word no HTLC pays it. metadata: what its payer's onion has to bring back.

        Raises InvoiceTermsRefused, also where a plugin refuses it, LabelTaken, InvoiceError.
        """
        refusal = await self._hooks.chain(
            "invoice_requested", None, amount_msat=amount_msat, description=description, expiry_seconds=expiry_seconds
        )
        if refusal is not None:
            raise InvoiceTermsRefused(f"A plugin refuses the invoice: {refusal}")
        return await self._incoming.create(
            amount_msat, description, expiry_seconds, min_final_cltv_expiry, label, judge, metadata
        )

    async def pay(
        self,
        invoice: str,
        amount_msat: int | None = None,
        timeout_seconds: float = 60,
        route: tuple[str, ...] = (),
        max_fee_msat: int | None = None,
    ) -> answers.Paid:
        """Pays an invoice once, however often this is called: an earlier call's payment is waited for, and its result
        returned. amount_msat is given exactly when the invoice names none. route: its hops (routing/route, HOP_FORM).

        Raises InvoiceError, InvoiceOfOtherNetwork, InvoiceOfOurs, InvoiceUnpayable, AmountUnfit, InvoiceExpired,
        NoDirectChannel, PaymentInFlight (with another amount), PaymentFailed (why), PaymentPending (it goes on),
        RouteMalformed, RouteUnknown, RouteTooLong, RouteFeeTooHigh.
        """
        return await self._outgoing.pay(invoice, amount_msat, timeout_seconds, route, max_fee_msat)

    async def invoices(self, before: int | None = None, limit: int = 100) -> tuple[answers.Invoice, ...]:
        """Our invoices, newest first."""
        return await self._incoming.newest(before, limit)

    async def invoice(self, payment_hash: bytes) -> answers.Invoice | None:
        """Our invoice of this payment hash."""
        return await self._incoming.find(payment_hash)

    async def payments(self, before: int | None = None, limit: int = 100) -> tuple[answers.Payment, ...]:
        """Our payments, newest first."""
        return await self._outgoing.newest(before, limit)

    async def payment(self, payment_hash: bytes) -> answers.Payment | None:
        """Our payment of this hash."""
        return await self._outgoing.find(payment_hash)

    async def relayed(self, channel: Channel, **changes: int | None) -> answers.Relayed:
        """What is asked for forwarding over a channel; what is given is set first. Raises RelayTermsRefused."""
        return relayed(channel, await self.relay.set(channel, **changes), self.updates.get(channel))

    async def forwards(self, limit: int = 100) -> tuple[answers.Forward, ...]:
        """What passed through this node, or tried to, newest first."""
        found = await self._forwards.newest(limit)
        keys = {key for circuit in found for key in (circuit.incoming.channel, circuit.channel)}
        rows = await self._store.read(lambda read: [read.channel(key.encode()) for key in keys])
        ids = {row.channel_id.decode(): _channel_id(row) for row in rows if row is not None}
        return tuple(forward(circuit, lambda key: ids.get(key, "")) for circuit in found)


def _both(one: Effects, other: Effects) -> Effects:
    return Effects(one.events + other.events, one.writes + other.writes, one.after + other.after)


def _channel_id(row: ChannelRow) -> str:
    return decode(row.snapshot, Channel, table="channel", key=row.channel_id).id.hex()
