"""What of the node's life does the plugin take part in? Its type, provider, messages, records and hooks."""

from typing import Any, Final

from lnpd_sdk.hooks import FailHtlc, InitialStates, TakeHtlc
from lnpd_sdk.manifest import Filter
from lnpd_sdk.plugin import Node, Plugin

from rgb_channel.provider import CHANNEL_TYPE, NAME, Rgb
from rgb_channel.records import ROWS as TOKEN_ROWS
from rgb_engine.errors import EngineError
from rgb_node import wire
from rgb_node.errors import AssetRefused, TermsUnreadable
from rgb_node.parts import Parts
from rgb_node.payments import Offer
from rgb_node.shelf import Outpoint
from rgb_node.wire import Piece

Row = dict[str, Any]  # Any: values of a message's fields
CAPABILITIES: Final = (
    "messages",
    "factory",
    "invoice",
    "pay:1000000",
    "spend:250000",
    "rpc:info,decode",
    "hook:open_channel_received",
    "hook:initial_states",
    "hook:outgoing_records",
    "hook:onion_payload",
    "hook:htlc_accepted",
)


class Doors:
    """Where the node asks the plugin, or tells it something, and which of its parts answers."""

    def __init__(self, plugin: Plugin, parts: Parts) -> None:
        self._parts = parts
        plugin.provider(Rgb)
        plugin.channel_type(CHANNEL_TYPE)
        plugin.messages(wire.ROWS)
        plugin.records(wire.RECORDS)
        plugin.records(TOKEN_ROWS)
        plugin.on_init(parts.begin)
        self._hear(plugin)

    def _hear(self, plugin: Plugin) -> None:
        kind, carrying = CHANNEL_TYPE.name, Filter("name", one_of=("open_channel", "update_add_htlc"))
        plugin.message("rgb_consignment")(self._piece)
        plugin.message("rgb_verdict")(self._verdict)
        plugin.hook("open_channel_received", channel_type=kind)(self._proposed)
        plugin.hook("initial_states", channel_type=kind)(self._begun)
        plugin.hook("outgoing_records", carrying, providers=NAME)(self._carried)
        plugin.hook("onion_payload", Filter("metadata", prefix=wire.METADATA_MARK.hex()))(self._told)
        plugin.hook("htlc_accepted", providers=NAME)(self._accepted)
        plugin.hook("block_connected")(self._parts.block)
        plugin.hook("peer_disconnected")(self._parts.parted)

    async def _piece(self, node: Node, node_id: str, fields: Row) -> None:
        await (await self._parts.acceptor(node)).heard_piece(node, node_id, Piece(**fields))

    async def _verdict(self, node: Node, node_id: str, fields: Row) -> None:
        (await self._parts.opener(node)).heard_verdict(
            node_id, fields["transfer"], bool(fields["accepted"]), fields["reason"]
        )

    async def _proposed(
        self, node: Node, node_id: str, funding_sat: int, records: dict[str, str], **_more: object
    ) -> str | None:
        try:
            terms = wire.terms_of(bytes.fromhex(records.get(str(wire.TERMS), "")))
            return await (await self._parts.acceptor(node)).proposed(node, node_id, funding_sat, terms) or None
        except (TermsUnreadable, EngineError) as error:
            return str(error)

    async def _begun(
        self,
        node: Node,
        node_id: str,
        opener: bool,
        funding_txid: str,
        funding_vout: int,
        funding_sat: int,
        push_msat: int,
        feerate_per_kw: int,
        **_more: object,
    ) -> str | InitialStates:
        terms = {"funding_sat": funding_sat, "push_msat": push_msat, "feerate_per_kw": feerate_per_kw}
        try:
            part = await (self._parts.opener(node) if opener else self._parts.acceptor(node))
            return await part.begun(node, node_id, Outpoint(funding_txid, funding_vout), terms)
        except (AssetRefused, EngineError) as error:
            return str(error)

    async def _carried(
        self,
        node: Node,
        name: str,
        node_id: str,
        channel_id: str,
        metadata: str,
        incoming: str,
        incoming_channel: str,
        received: dict[str, str],
    ) -> dict[str, str] | str | None:
        if name == "open_channel":
            terms = (await self._parts.opener(node)).terms_for(node_id)
            return None if terms is None else {str(wire.TERMS): terms.encode().hex()}
        offer = Offer(channel_id, metadata, incoming, incoming_channel, received)
        return await self._parts.payments.carried(node, offer)

    async def _told(self, node: Node, metadata: str, payer: str) -> dict[str, str] | str | None:
        return self._parts.payments.told(metadata, payer)

    async def _accepted(self, node: Node, **fields: Any) -> TakeHtlc | FailHtlc | None:  # Any: of several types
        return await self._parts.payments.accepted(node, fields)
