"""Which hooks about peers and channels does the node call, and what do they give and expect? (`spec` has the others)"""

from typing import Any

from lnpd_sdk.hooks import InitialStates, OpenTerms

from lnpd.hooks.kinds import TOLD, chain, gather


class LinkSpecs:
    """The hooks of a link and its channels, in the order in which their life meets them."""

    # --- peers
    @chain(
        guarded=True,
        default="The peer comes in.",
        example="""
        @plugin.hook("peer_connecting", incoming=True)
        async def doorkeeper(node, node_id, **fields):
            return None if node_id in FRIENDS else "friends only"
        """,
    )
    def peer_connecting(self, node_id: str, address: str, incoming: bool) -> str | None:
        """A peer proved its node id, nothing was exchanged yet. A text refuses it, and is the reason; None goes on."""

    @gather(
        default=TOLD,
        example="""
        @plugin.hook("peer_connected")
        async def greet(node, node_id, **fields):
            await node.log("info", f"{node_id} is here")
        """,
    )
    def peer_connected(self, node_id: str, features: str, records: dict[str, str]) -> None:
        """`init` was exchanged in both directions; `features` is the peer's bit field. `records` are this plugin's in
        the peer's `init`: type to value, in hex."""

    @gather(
        default=TOLD,
        example="""
        @plugin.hook("peer_disconnected")
        async def miss(node, node_id):
            await node.log("info", f"{node_id} is gone")
        """,
    )
    def peer_disconnected(self, node_id: str) -> None:
        """The last connection to a peer ended."""

    @gather(
        guarded=True,
        filtered_by="name",
        default=TOLD,
        example="""
        @plugin.hook("peer_message", name="update_fee")
        async def fees(node, node_id, name, fields, records):
            await node.log("info", f"{node_id} asks for {fields.get('feerate_per_kw')} sat per kw")
        """,
    )
    def peer_message(self, node_id: str, name: str, fields: dict[str, Any], records: dict[str, str]) -> None:
        """A peer sent one of the node's own messages (a plugin's own come by `Plugin.message`): a copy, as
        `Plugin.messages` describes messages, which the node handles meanwhile. A subscription names the messages that
        it wants by a filter on `name`; for others nothing is made or sent. What comes faster than it is taken is not
        shown. `records` are this plugin's in its TLV stream (`Plugin.records`): type to value, in hex."""

    # --- channels
    @chain(
        guarded=True,
        default="The channel is opened on the node's own terms.",
        example="""
        @plugin.hook("open_channel_received", Filter("funding_sat", at_most=99_999))
        async def too_small(node, funding_sat, **fields):
            return f"{funding_sat} sat are too few: 100,000 at least"
        """,
    )
    def open_channel_received(
        self, node_id: str, funding_sat: int, push_msat: int, channel_type: str, records: dict[str, str]
    ) -> str | OpenTerms | None:
        """A peer wants to open a channel to us. A text refuses it, and is sent to the peer; OpenTerms takes it on
        stricter terms; None goes on. `records` are this plugin's in open_channel: type to value, in hex."""

    @chain(
        guarded=True,
        default="The peer's terms are taken, if they are within the node's limits.",
        example="""
        @plugin.hook("accept_channel_received", Filter("to_self_delay", at_least=1_000))
        async def too_long(node, to_self_delay, **fields):
            return f"{to_self_delay} blocks are too long to wait for our own money"
        """,
    )
    def accept_channel_received(
        self,
        node_id: str,
        funding_sat: int,
        minimum_depth: int,
        to_self_delay: int,
        channel_reserve_sat: int,
        dust_limit_sat: int,
        htlc_minimum_msat: int,
        max_accepted_htlcs: int,
        records: dict[str, str],
    ) -> str | None:
        """A peer takes a channel of ours, on these terms. A text gives the opening up; None goes on. `records` are this
        plugin's in accept_channel: type to value, in hex."""

    @gather(
        guarded=True,
        also_asks_waiters=True,
        filtered_by="name",
        default="The message carries what BOLT 2 says, and nothing else; but in a channel whose type pins a provider of"
        " the plugin's no HTLC is offered without its answer.",
        example="""
        @plugin.hook("outgoing_records", name="update_add_htlc", providers="greeter")
        async def greeted(node, **fields):
            return {"65537": b"hello".hex()}
        """,
    )
    def outgoing_records(
        self,
        name: str,
        node_id: str,
        channel_id: str,
        providers: str,
        amount_msat: int,
        payment_hash: str,
        metadata: str,
        incoming: str,
        incoming_channel: str,
        commitment_number: int,
        received: dict[str, str],
    ) -> dict[str, str] | str | None:
        """One of the messages that carry plugins' records (messages.md has their table) is about to be made: `name`
        says which, and a subscription has a filter on it. The answer are records for it: type to value, in hex. Types
        are odd, and in the plugin's rows of the message's TLV stream (`Plugin.records`, granted `messages`); values are
        as these rows say. All plugins' together have the bytes that the table says, with 16 for each record, and what
        the message leaves of 65,535. An answer that breaks a rule is left out as a whole; the message goes without.

        `providers` are those of plugins that the channel's type pins, in order, with commas between: a filter on it
        keeps other channels from waiting. `amount_msat` is the HTLC's, or the funding; an `init` has neither that nor a
        `channel_id`. Of an open_channel `channel_id` is temporary. `received` are this plugin's records in what the
        message answers: of an accept_channel the open_channel, of an HTLC that is passed on the incoming one. Only of
        an HTLC there are a `payment_hash`, and `metadata`, the invoice's of a payment of ours, in hex; if it is passed
        on, `incoming` names the HTLC for which it is, as htlc_accepted does, and `incoming_channel` is where that came.
        All this stays true: an HTLC that was never sent is offered again, also after a restart, and the hook is asked
        again. `commitment_number` is which commitment commitment_signed signs, or revoke_and_ack
        revokes, else 0.

        In a channel whose type pins a provider of the plugin's, an HTLC waits for its answer: a text in place of
        records refuses it, and so do records that break a rule, and a plugin that is late, fails or lacks this grant.

        Unlike others this hook is asked also of a plugin that waits for what it caused: it says so what its own
        payments and openings carry. What may be sent again after a lost connection is stored before it is sent, and not
        asked for twice. An HTLC's
        records are stored with it: providers on both sides see them (`View.htlcs`), and htlc_accepted does.
        """

    @chain(
        guarded=True,
        default="The wallet funds the channel.",
        example="""
        @plugin.hook("funding", Filter("feerate_per_kw", at_least=25_000))
        async def too_dear(node, feerate_per_kw, **fields):
            return f"no channels are opened at {feerate_per_kw} sat per kw"
        """,
    )
    def funding(self, node_id: str, funding_sat: int, feerate_per_kw: int) -> str | None:
        """The wallet is about to make a channel's funding transaction. A text gives the opening up; None goes on."""

    @chain(
        guarded=True,
        default="No channel of this type is opened.",
        example="""
        @plugin.hook("funding_keys", channel_type="recovery/anchors")
        async def vault(node, node_id, proposed, **fields):
            return {"recovery_key": "02" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"}
        """,
    )
    def funding_keys(
        self, channel_type: str, node_id: str, opener: bool, proposed: dict[str, str]
    ) -> dict[str, str] | None:
        """A channel of a type whose funding has keys of its own is being opened, by us or by the peer. The answer are
        these keys by name, compressed points in hex. What the opener `proposed` is empty on its own side; the other
        side opens the channel only if its own answer is the same."""

    @gather(
        guarded=True,
        also_asks_waiters=True,
        default="No such channel is opened.",
        example="""
        @plugin.hook("initial_states", channel_type="deed/anchors")
        async def begin(node, funding_txid, funding_vout, **fields):
            deed = DEEDS.get(f"{funding_txid}:{funding_vout}")
            return InitialStates({"deed": deed}) if deed else "nothing is assigned to this output"
        """,
    )
    def initial_states(
        self,
        channel_type: str,
        node_id: str,
        opener: bool,
        channel_id: str,
        funding_txid: str,
        funding_vout: int,
        funding_sat: int,
        push_msat: int,
        feerate_per_kw: int,
    ) -> str | InitialStates | None:
        """Both nodes are about to sign for the first time in a channel with a provider whose state does not begin empty
        (`ChannelTypeSpec.begins`): the opener before funding_created, the acceptor when it came. The answer are the
        states of this plugin's providers; a text refuses the channel, and is sent to the peer. Every such provider
        needs one, the same on both nodes: the opener sends digests, and what differs is refused by the provider's name.

        What it asks for may be done again, and is asked again then: the same question has the same answer. An initial
        state is no update, so that nothing in the first commitments may take of a balance for it. Unlike other hooks it
        is asked also of the plugin that opens the channel. `channel_type` is a plugin's, if one has these providers and
        no others; `funding_txid` is as explorers write it."""

    @gather(
        default=TOLD,
        example="""
        @plugin.hook("channel_opened", Filter("funding_sat", at_least=10_000_000))
        async def large(node, channel_id, **fields):
            await node.log("info", f"{channel_id} is a large one")
        """,
    )
    def channel_opened(self, channel_id: str, node_id: str, funding_sat: int, records: dict[str, str]) -> None:
        """Both sides sent channel_ready. `records` are this plugin's in the peer's: type to value, in hex."""

    @gather(
        default=TOLD,
        example="""
        @plugin.hook("channel_closed")
        async def over(node, channel_id, reason):
            await node.log("info", f"{channel_id} is over: {reason}")
        """,
    )
    def channel_closed(self, channel_id: str, reason: str) -> None:
        """A channel's outputs are all resolved, or it was given up before its funding."""

    @chain(
        guarded=True,
        default="The channel is closed by agreement.",
        example="""
        @plugin.hook("shutdown_proposed", ours=True)
        async def not_today(node, channel_id, **fields):
            return "wait until the game is over" if channel_id in PLAYING else None
        """,
    )
    def shutdown_proposed(self, channel_id: str, node_id: str, ours: bool, records: dict[str, str]) -> str | None:
        """A close by agreement is about to begin. A text refuses it if it is `ours`; a peer's cannot be refused, and is
        only told; `records` are this plugin's in its shutdown: type to value, in hex. A forced close is asked of
        nobody."""
