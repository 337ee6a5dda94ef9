"""At which moments of an opening and of a payment does somebody die, and which others are the same as one of these?

A moment is named as in rgb_deaths.py: before or after what goes between a node and its plugin, or is committed by the
node; "providers 3" is the third since the story began, or since the last death.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from tests.interop.rgb_deaths import Kind, Moment

Death = tuple[Moment, str]

MOMENTS: Final[tuple[Moment, Moment]] = ("before", "after")
NOTHING: Final[frozenset[Kind]] = frozenset()
CHANNEL: Final[frozenset[Kind]] = frozenset({"plugin", "node"})
SIGNED: Final[frozenset[Kind]] = frozenset({"plugin"})  # the plugin has said all; what the node has not done is lost

OPENING: Final[Mapping[str, tuple[tuple[str, frozenset[Kind], frozenset[Kind]], ...]]] = {
    "alice": (
        ("rpc rgb open", NOTHING, CHANNEL),
        ("open_unfunded", NOTHING, NOTHING),
        ("hook outgoing_records", NOTHING, NOTHING),
        ("channel-proposed", NOTHING, NOTHING),
        ("kv_put funding/", NOTHING, NOTHING),
        ("send rgb_consignment", NOTHING, NOTHING),
        ("message rgb_verdict", NOTHING, NOTHING),
        ("fund_unfunded", NOTHING, CHANNEL),
        ("hook initial_states", NOTHING, NOTHING),
        ("providers", NOTHING, NOTHING),
        ("funding-created", NOTHING, NOTHING),
        ("providers 3", NOTHING, NOTHING),
        ("funding-broadcast", SIGNED, CHANNEL),
        ("keep_ancestors", CHANNEL, CHANNEL),
        ("ancestors-kept", CHANNEL, CHANNEL),
    ),
    "bob": (
        ("hook open_channel_received", NOTHING, NOTHING),
        ("channel-accepted", NOTHING, NOTHING),
        ("message rgb_consignment", NOTHING, NOTHING),
        ("kv_put funding/", NOTHING, NOTHING),
        ("send rgb_verdict", NOTHING, NOTHING),
        ("hook initial_states", NOTHING, NOTHING),
        ("providers", NOTHING, NOTHING),
        ("funding-signed", SIGNED, SIGNED),
    ),
}
"""Of whom: what happens, and whose death before it and after it leaves a channel nevertheless."""

WAITING: Final = ("chain-event", "channel-ready")
"""Until the channel can be used, at both."""

RAISED: Final = ("commitment-held", "revocation-stored")
"""Of an update_fee, which comes with any block, where the chain's estimate has changed: its commitments are like those
of a payment, amid which somebody dies."""

PAYING: Final = (
    "rpc rgb pay",
    "pay",
    "plugin-pay-reserved",
    "hook onion_payload",
    "hook outgoing_records",
    "providers",
    "payment-offered",
    "commitment-held",
    "revocation-stored",
    "payment-paid",
    "revocation-stored 2",
)
"""At who pays."""

PAID: Final = (
    "rpc rgb invoice",
    "invoice",
    "kv_put invoice/",
    "providers",
    "commitment-held",
    "revocation-stored",
    "hook htlc_accepted",
    "invoice-paid",
    "commitment-signed 2",
    "revocation-stored 2",
    "commitment-held 2",
)
"""At who is paid, from the invoice on."""

QUESTION: Final = "it changes nothing: the same as what comes before it"
ASKED: Final = "it stores nothing: the same as providers"
TOGETHER: Final = "in one commit with"
CHAIN: Final = "it belongs to the node, and comes with any block: tests/crash"
SAME: Final[Mapping[str, str]] = {
    "rpc": QUESTION,
    "kv_get": QUESTION,
    "kv_list": QUESTION,
    "channels": QUESTION,
    "held_coins": QUESTION,
    "rpc rgb channels": QUESTION,
    "rpc rgb balance": QUESTION,
    "provider contribute": ASKED,
    "provider seal": ASKED,
    "wallet-given": CHAIN,
    "wallet-past-read": CHAIN,
    "wallet-followed": CHAIN,
    "chain-followed": CHAIN,
    "chain-past-read": CHAIN,
    "hook block_connected": CHAIN,
    "channel-update-kept": CHAIN,
    "channel-update-made": CHAIN,
    "commitment-signed": f"{TOGETHER} payment-offered, or with commitment-held",
    "invoice-created": "within the answer to invoice, which says no more",
    "update-proposed": f"{TOGETHER} payment-offered",
    "preimage-learned": f"{TOGETHER} payment-paid",
    "plugin-htlc-decided": f"{TOGETHER} invoice-paid",
}
"""What is in no table, and why."""


def deaths(named: Iterable[str]) -> list[Death]:
    """Before and after each of these."""
    return [(moment, what) for what in named for moment in MOMENTS]


def bare(what: str) -> str:
    """Without the number."""
    return what.rstrip(" 0123456789")


def unnamed(passed: Iterable[str], *tables: Iterable[str]) -> set[str]:
    """What was passed and is in no table, and the same as nothing that is."""
    return {bare(what) for what in passed} - {bare(what) for table in tables for what in table} - SAME.keys()
