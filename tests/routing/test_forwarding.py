"""Is each HTLC forwarded or failed as BOLT 4 orders, to the block and the millisatoshi?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lnpd.errors import InvalidOnionPayload
from lnpd.routing import failures
from lnpd.routing.forwarding import (
    LEAST_OUTGOING_BLOCKS,
    MAX_HTLC_CLTV,
    RULES,
    Orders,
    Passage,
    broken_rule,
    orders,
    refusal,
    wants_update,
)
from lnpd.routing.payload import for_hop
from lnpd.routing.relay import RelayPolicy
from lnpd.wire.messages import Payload

POLICY = RelayPolicy(1_000, 100, 80, 5_000, 900_000_000)
SENT_MSAT, HEIGHT = 1_000_000, 500
GOOD = Passage(SENT_MSAT + POLICY.fee_msat(SENT_MSAT), 660, SENT_MSAT, 580, HEIGHT)
U16 = 2**16

# What is changed, and the failure that reports it with its numbers; None: it may pass.
CASES = {
    "exactly enough": ({}, None, {}),
    "a millisatoshi less fee": ({"incoming_msat": GOOD.incoming_msat - 1}, "fee_insufficient",
                                {"htlc_msat": GOOD.incoming_msat - 1}),
    "more out than in": ({"outgoing_msat": GOOD.incoming_msat + 1}, "fee_insufficient",
                         {"htlc_msat": GOOD.incoming_msat}),
    "a block too few": ({"incoming_expiry": 659}, "incorrect_cltv_expiry", {"cltv_expiry": 580}),
    "later out than in": ({"outgoing_expiry": 661}, "incorrect_cltv_expiry", {"cltv_expiry": 661}),
    "the smallest": ({"outgoing_msat": 5_000}, None, {}),
    "too small": ({"outgoing_msat": 4_999}, "amount_below_minimum", {"htlc_msat": 4_999}),
    "nothing": ({"outgoing_msat": 0}, "amount_below_minimum", {"htlc_msat": 0}),
    "the largest": ({"outgoing_msat": 900_000_000, "incoming_msat": 10**9}, None, {}),
    "too large": ({"outgoing_msat": 900_000_001, "incoming_msat": 10**9}, "temporary_channel_failure", {}),
    "as soon as may be": ({"height": 580 - LEAST_OUTGOING_BLOCKS}, None, {}),
    "too soon": ({"height": 581 - LEAST_OUTGOING_BLOCKS}, "expiry_too_soon", {}),
    "expired": ({"height": 700}, "expiry_too_soon", {}),
    "as far as may be": ({"incoming_expiry": HEIGHT + MAX_HTLC_CLTV}, None, {}),
    "too far": ({"incoming_expiry": HEIGHT + MAX_HTLC_CLTV + 1}, "expiry_too_far", {}),
    "all wrong: the first of the list": ({"incoming_msat": 0, "incoming_expiry": 0, "height": 900}, "fee_insufficient",
                                         {"htlc_msat": 0}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_rules(case: str) -> None:
    changes, name, fields = CASES[case]
    passage = replace(GOOD, **changes)
    rule = broken_rule(passage, (POLICY,))
    if name is None:
        assert rule is None
        return
    assert rule is not None
    assert (rule.failure, rule.fields(passage)) == (name, fields)
    reported = failures.decode(failures.encode(refusal(rule.failure, rule.fields(passage), b"update")))
    assert reported.name == name
    assert dict(reported.fields) == fields | ({"channel_update": b"update"} if wants_update(name) else {})


def test_the_table_has_each_rule_in_the_order_of_bolt_4() -> None:
    places = [[row.name for row in failures.FAILURES].index(rule.failure) for rule in RULES]
    assert places == sorted(places)
    assert {name for _, name, _ in CASES.values() if name} == {rule.failure for rule in RULES}
    print(f"{len(CASES)} passages, {len(RULES)} rules")


def test_older_terms_hold_for_a_while_and_the_present_ones_are_reported() -> None:
    dearer = replace(POLICY, fee_base_msat=9_000, cltv_expiry_delta=144)
    assert broken_rule(GOOD, (dearer,)) == RULES[2]
    assert broken_rule(GOOD, (dearer, POLICY)) is None
    assert broken_rule(replace(GOOD, incoming_expiry=659), (dearer, POLICY)) == RULES[2]


@given(
    st.builds(
        Passage,
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**24 - 1),
    )
)
def test_what_passes_earns_the_fee_and_leaves_the_blocks(passage: Passage) -> None:
    rule = broken_rule(passage, (POLICY,))
    if rule is not None:
        failures.encode(refusal(rule.failure, rule.fields(passage)))  # every number fits its field
        return
    assert passage.fee_msat >= POLICY.fee_base_msat
    assert passage.incoming_expiry - passage.outgoing_expiry >= POLICY.cltv_expiry_delta
    assert passage.height + LEAST_OUTGOING_BLOCKS <= passage.outgoing_expiry


@pytest.mark.parametrize(
    ("missing", "tlv_type"), [("amt_to_forward", 2), ("outgoing_cltv_value", 4), ("short_channel_id", 6)]
)
def test_a_payload_that_lacks_something_names_it(missing: str, tlv_type: int) -> None:
    payload = for_hop(1_000, 600, b"\x01" * 8)
    assert orders(payload) == Orders(b"\x01" * 8, 1_000, 600)
    with pytest.raises(InvalidOnionPayload) as refused:
        orders(replace(payload, **{missing: None}))
    assert refused.value.tlv_type == tlv_type
    with pytest.raises(InvalidOnionPayload):
        orders(Payload())
