"""Which hooks does the node call, and what do they give and expect?

A test fails for a hook without a text, and for one that the node never calls. Ids and keys are lower-case hex, so that
a plugin in any language reads them.
"""

from lnpd.hooks.kinds import chain, gather


class HookSpecs:
    """Every hook, in the order in which a node's life meets them. Default deadline: 5 s; a late answer is no answer."""

    @chain
    def peer_connecting(self, node_id: str, address: str, incoming: bool) -> str | None:
        """A peer proved its node id, nothing was exchanged yet. A text refuses it, and is the reason; None goes on."""

    @gather
    def peer_connected(self, node_id: str, features: str) -> None:
        """`init` was exchanged in both directions; `features` is the peer's bit field."""

    @gather
    def peer_disconnected(self, node_id: str) -> None:
        """The last connection to a peer ended."""

    @chain
    def open_channel_received(self, node_id: str, funding_sat: int, push_msat: int, channel_type: str) -> str | None:
        """A peer wants to open a channel to us. A text refuses it, and is sent to the peer; None goes on."""

    @gather
    def channel_opened(self, channel_id: str, node_id: str, funding_sat: int) -> None:
        """Both sides sent channel_ready."""

    @gather
    def channel_closed(self, channel_id: str, reason: str) -> None:
        """A channel's outputs are all resolved, or it was given up before its funding."""

    @gather
    def payment_received(self, payment_hash: str, amount_msat: int) -> None:
        """An invoice of ours was paid and the payer's HTLC is fulfilled."""

    @gather
    def payment_sent(self, payment_hash: str, amount_msat: int, preimage: str) -> None:
        """A payment of ours was fulfilled."""

    @gather
    def block_connected(self, height: int, block_hash: str) -> None:
        """The best chain ends with this block now (explorers' byte order); called once after a start as well."""
