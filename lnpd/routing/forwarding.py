"""May an HTLC be forwarded as its onion asks? (BOLT 4, Requirements of Failure Messages; BOLT 2, Forwarding HTLCs)

RULES is the table, in BOLT 4's order: of several errors the first one is reported. Whether the outgoing channel could
carry the HTLC at this moment is its own affair, and asked when the HTLC is offered there.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from lnpd.errors import InvalidOnionPayload
from lnpd.routing.failures import UPDATE, Failure, code_of, failure
from lnpd.routing.payload import record_type, require
from lnpd.routing.relay import RelayPolicy
from lnpd.wire.messages import Payload

MAX_HTLC_CLTV: Final = 2016
"""BOLT 4, max_htlc_cltv Selection."""

# What the next node needs to claim an HTLC on chain before it expires (BOLT 2, 2R + G + S): with less, it could not
# take the HTLC, and we would have to close its channel over it.
LEAST_OUTGOING_BLOCKS: Final = 18


class Orders(msgspec.Struct, frozen=True):
    """What a payload asks of a node in the middle of a route."""

    short_channel_id: bytes
    amount_msat: int
    cltv_expiry: int


class Passage(msgspec.Struct, frozen=True):
    """An HTLC on its way through this node, as it comes and as it is to go on; `height` is the best block's."""

    incoming_msat: int
    incoming_expiry: int
    outgoing_msat: int
    outgoing_expiry: int
    height: int

    @property
    def fee_msat(self) -> int:
        """What is left for us, perhaps less than nothing."""
        return self.incoming_msat - self.outgoing_msat


Fields = dict[str, int]


def _none(_: Passage) -> Fields:
    return {}


class Rule(NamedTuple):
    """One rule: the failure that reports it, when it is broken, and the failure's fields that are numbers."""

    failure: str
    broken: Callable[[Passage, RelayPolicy], bool]
    fields: Callable[[Passage], Fields] = _none


RULES: Final = (
    Rule("temporary_channel_failure", lambda p, policy: p.outgoing_msat > policy.htlc_maximum_msat),
    Rule(
        "amount_below_minimum",
        lambda p, policy: p.outgoing_msat < policy.htlc_minimum_msat,
        lambda p: {"htlc_msat": p.outgoing_msat},
    ),
    Rule(
        "fee_insufficient",
        lambda p, policy: p.fee_msat < policy.fee_msat(p.outgoing_msat),
        lambda p: {"htlc_msat": p.incoming_msat},
    ),
    Rule(
        "incorrect_cltv_expiry",
        lambda p, policy: p.incoming_expiry - policy.cltv_expiry_delta < p.outgoing_expiry,
        lambda p: {"cltv_expiry": p.outgoing_expiry},
    ),
    Rule("expiry_too_soon", lambda p, _: p.outgoing_expiry < p.height + LEAST_OUTGOING_BLOCKS),
    Rule("expiry_too_far", lambda p, _: p.incoming_expiry > p.height + MAX_HTLC_CLTV),
)


def orders(payload: Payload) -> Orders:
    """What a payload asks of us if we are not the last; raises InvalidOnionPayload with the type that is missing."""
    amount_msat, cltv_expiry = require(payload, "amt_to_forward"), require(payload, "outgoing_cltv_value")
    if payload.short_channel_id is None:
        raise InvalidOnionPayload("The payload has no short_channel_id.", record_type("short_channel_id"))
    return Orders(payload.short_channel_id, amount_msat, cltv_expiry)


def broken_rule(passage: Passage, policies: Sequence[RelayPolicy]) -> Rule | None:
    """The first rule that an HTLC breaks by our policy; None if it keeps this one or an older one that still holds.

    policies: the present one first, then those that payers may not know to be over (BOLT 7: for 10 minutes).
    """
    broken = [next((rule for rule in RULES if rule.broken(passage, policy)), None) for policy in policies]
    return None if None in broken else broken[0]


def refusal(name: str, fields: Fields, channel_update: bytes = b"") -> Failure:
    """The failure of this name, with a channel_update if it has room for one (`wants_update`)."""
    given: dict[str, Any] = {**fields}  # Any: a field is a number or bytes, as its row says
    if wants_update(name):
        given["channel_update"] = channel_update
    return failure(name, **given)


def wants_update(name: str) -> bool:
    """Whether a failure of this name has room for a channel_update."""
    return bool(code_of(name) & UPDATE)
