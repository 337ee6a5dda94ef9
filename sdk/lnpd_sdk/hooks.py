"""What may a plugin answer to a hook, beside a text and None?"""

import msgspec


class FailHtlc(msgspec.Struct, frozen=True, tag="fail"):
    """htlc_accepted: the HTLC is failed. `code` is a failure's name (BOLT 4).

    For an HTLC that ends here incorrect_or_unknown_payment_details, mpp_timeout or one of the node's; for one that goes
    on unknown_next_peer, permanent_channel_failure, required_channel_feature_missing, expiry_too_far or one of the
    node's: temporary_node_failure, permanent_node_failure, required_node_feature_missing.
    """

    code: str = "temporary_node_failure"


class ResolveHtlc(msgspec.Struct, frozen=True, tag="resolve"):
    """htlc_accepted: the HTLC is fulfilled with this preimage, 32 bytes in hex, and booked as a payment received."""

    preimage: str


class HoldHtlc(msgspec.Struct, frozen=True, tag="hold"):
    """htlc_accepted: the HTLC waits, for `Node.settle` or `Node.fail`. It fails 24 blocks before it expires."""


class TakeHtlc(msgspec.Struct, frozen=True, tag="take"):
    """htlc_accepted: the node judges the HTLC by its own rules, and no further plugin is asked. Without this word of
    the plugin that made it, an invoice that is `judged` (`Node.invoice`) is paid by no HTLC."""


HtlcAnswer = FailHtlc | ResolveHtlc | HoldHtlc | TakeHtlc


class OpenTerms(msgspec.Struct, frozen=True, tag="terms"):
    """open_channel_received: the channel is taken, on stricter terms than the node's own.

    `minimum_depth`: confirmations of the funding before the channel is used, from the node's own up to 144.
    """

    minimum_depth: int


class InitialStates(msgspec.Struct, frozen=True, tag="states"):
    """initial_states: the states in which the plugin's providers begin, by name, in hex; 64 KiB at most each."""

    states: dict[str, str]
