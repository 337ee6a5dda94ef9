"""Which commands are there about channels and forwarding? Rows of the one table."""

from typing import Final

from lnpd_sdk.moves import Moves

from lnpd import errors
from lnpd.rpc import answers
from lnpd.rpc.commands.table import CHANNEL, CHANNELS, CLOSE_FEE, MAX_FEE, PEER, Command, Parameter, optional

CHANNELS_COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "open",
        CHANNELS,
        "Open a channel; wait until its funding transaction is broadcast.",
        answers.Opened,
        (
            PEER,
            Parameter("amount_sat", "sat", "the channel's capacity"),
            optional("push_msat", "msat", "give this much of it to the peer", 0),
            optional(
                "channel_type",
                "text",
                "a type's name (default: the best that both speak); +scid_alias hides its id",
                "",
            ),
            optional("providers", "names", "add this plugin's provider to the channel (repeatable)", ()),
            optional(
                "feerate_per_kw",
                "per_kw",
                "what its commitments pay at first, per 1000 weight units (default: what is due)",
            ),
            MAX_FEE,
        ),
        mutating=True,
        moves=Moves(max_fee="max_fee_sat", estimate="estimate.open"),
        examples=("lnp open 0279be 1000000", "lnp open 0279be 0.01btc --providers lockbox"),
        refused=(
            errors.UnknownPeer,
            errors.PeerNotConnected,
            errors.InsufficientFunds,
            errors.FeeTooHigh,
            errors.ChainUnreachable,
            errors.ChannelRefused,
            errors.OpenTimedOut,
        ),
    ),
    Command(
        "channels",
        CHANNELS,
        "List the channels, with what is not yet claimed on chain.",
        tuple[answers.Channel, ...],
        (optional("onchain", "boolean", "only those that are on chain: each output, what is done, and when", False),),
        examples=("lnp channels", "lnp channels --onchain"),
    ),
    Command(
        "commitment",
        CHANNELS,
        "Draw a channel's last commitment transaction: who contributed what, who can spend it when, and its children.",
        answers.Commitment,
        (CHANNEL, optional("theirs", "boolean", "the peer's, not ours", False)),
        examples=("lnp commitment 3f2a91", "lnp commitment 3f2a91 --theirs"),
        refused=(errors.UnknownChannel, errors.NoCommitment),
    ),
    Command(
        "close",
        CHANNELS,
        "Close a channel; wait until the closing transaction is broadcast.",
        answers.Closed,
        (
            CHANNEL,
            optional("force", "boolean", "broadcast our commitment: the peer need not agree", False),
            optional("destination", "bitcoin_address", "where our balance goes (default: the wallet)"),
            optional("not_restored", "boolean", "with force: I am sure that the database is no older copy", False),
            CLOSE_FEE,
        ),
        mutating=True,
        moves=Moves(max_fee="max_fee_sat", estimate="estimate.close"),
        examples=("lnp close 3f2a91", "lnp close 3f2a91 --force"),
        refused=(
            errors.UnknownChannel,
            errors.StateUnproven,
            errors.CloseBlocked,
            errors.PeerNotConnected,
            errors.AddressRefused,
            errors.FeeTooHigh,
            errors.CloseRefused,
            errors.ClosePending,
            errors.AlreadyClosed,
        ),
    ),
    Command(
        "relay",
        CHANNELS,
        "Show, or set, what is asked for forwarding over a channel.",
        answers.Relayed,
        (
            CHANNEL,
            optional("fee_base_msat", "msat", "the fee for any HTLC"),
            optional("fee_proportional_millionths", "integer", "and this much of a million of its amount"),
            optional("cltv_expiry_delta", "integer", "blocks between the HTLC that comes in and that which goes out"),
            optional("htlc_minimum_msat", "msat", "forward nothing smaller"),
            optional("htlc_maximum_msat", "msat", "forward nothing larger"),
        ),
        mutating=True,
        examples=("lnp relay 3f2a91", "lnp relay 3f2a91 --fee-base-msat 0 --fee-proportional-millionths 200"),
        refused=(
            errors.UnknownChannel,
            errors.RelayTermsRefused,
        ),
    ),
)
