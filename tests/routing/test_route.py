"""Does a payment take the way that it was given, with the amounts and expiries of BOLT 7's example?"""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.crypto import secp, sphinx
from lnpd.errors import OnionTooLong, RouteMalformed, RouteUnknown
from lnpd.routing import payload as payloads
from lnpd.routing.invoice_fields import HintedHop
from lnpd.routing.payload import for_final_node
from lnpd.routing.relay import RelayPolicy
from lnpd.routing.route import MAX_HOPS, Hop, completed, over_peers, parse_hop, plan

SECRETS = [sha256(bytes([number])).digest() for number in range(30)]
NODES = [secp.public_key(secret) for secret in SECRETS]
A, B, C, D = NODES[:4]
SCIDS = [number.to_bytes(8, "big") for number in range(1, 30)]
EXAMPLE_MSAT, HEIGHT = 4_999_999, 500
FINAL = HEIGHT + 18 + 42

# BOLT 7, Routing Example: the hop before the payee, what it asks, and what A offers to it.
EXAMPLES = (
    (B, RelayPolicy(200, 2_000, 20), 5_010_198, HEIGHT + 20 + 18 + 42),
    (D, RelayPolicy(400, 4_000, 40), 5_020_398, HEIGHT + 40 + 18 + 42),
)


def hinted(node_id: bytes, scid: bytes, policy: RelayPolicy) -> HintedHop:
    return HintedHop(node_id, scid, policy.fee_base_msat, policy.fee_proportional_millionths, policy.cltv_expiry_delta)


@pytest.mark.parametrize(("middle", "policy", "amount_msat", "expiry"), EXAMPLES)
def test_the_routes_of_bolt_7(middle: bytes, policy: RelayPolicy, amount_msat: int, expiry: int) -> None:
    last = for_final_node(EXAMPLE_MSAT, FINAL, bytes(32))
    route = plan((Hop(middle), Hop(C, SCIDS[0], policy)), EXAMPLE_MSAT, FINAL, last)
    assert (route.amount_msat, route.cltv_expiry) == (amount_msat, expiry)
    assert route.fee_msat == amount_msat - EXAMPLE_MSAT
    assert route.node_ids == (middle, C)
    told = payloads.decode(route.hops[0][1])
    assert (told.amt_to_forward, told.outgoing_cltv_value, told.short_channel_id) == (EXAMPLE_MSAT, FINAL, SCIDS[0])
    assert payloads.decode(route.hops[1][1]) == last


@given(st.integers(1, 18), st.integers(1, 10**11), st.integers(0, 10_000), st.integers(0, 100_000), st.data())
def test_each_hop_gets_what_the_next_one_costs(
    length: int, amount_msat: int, base: int, millionths: int, data: st.DataObject
) -> None:
    deltas = data.draw(st.lists(st.integers(0, 144), min_size=length, max_size=length))
    policies = [RelayPolicy(base, millionths, delta) for delta in deltas]
    way = [Hop(NODES[n], SCIDS[n], policies[n]) for n in range(length)]
    route = plan(way, amount_msat, FINAL, for_final_node(amount_msat, FINAL, b"\x02" * 32))
    onion = sphinx.build(b"\x03" * 32, route.hops, bytes(32)).packet
    carried_msat, expiry = route.amount_msat, route.cltv_expiry
    for number in range(length - 1):
        peeled = sphinx.peel(SECRETS[number], onion, bytes(32))
        assert peeled.next_onion is not None
        onion, told = peeled.next_onion, payloads.decode(peeled.payload)
        assert told.amt_to_forward is not None and told.outgoing_cltv_value is not None
        assert carried_msat - told.amt_to_forward == policies[number + 1].fee_msat(told.amt_to_forward)
        assert expiry - told.outgoing_cltv_value == policies[number + 1].cltv_expiry_delta
        assert told.short_channel_id == SCIDS[number + 1]
        carried_msat, expiry = told.amt_to_forward, told.outgoing_cltv_value
    assert (carried_msat, expiry) == (amount_msat, FINAL)
    assert sphinx.peel(SECRETS[length - 1], onion, bytes(32)).next_onion is None


HINT = (hinted(B, SCIDS[0], RelayPolicy(1, 2, 34)), hinted(C, SCIDS[1], RelayPolicy(3, 4, 40)))  # B -> C -> D


def test_what_a_person_leaves_open_is_taken_from_the_hints() -> None:
    whole = (Hop(B), Hop(C, SCIDS[0], RelayPolicy(1, 2, 34)), Hop(D, SCIDS[1], RelayPolicy(3, 4, 40)))
    assert completed((Hop(B),), D, (HINT,)) == whole
    assert completed((Hop(B), Hop(C)), D, (HINT,)) == whole
    assert completed((Hop(B), Hop(C, SCIDS[0]), Hop(D)), D, (HINT,)) == whole
    assert completed((Hop(C),), D, (HINT,)) == (Hop(C), whole[2])
    own = Hop(C, SCIDS[5], RelayPolicy(9, 9, 99))
    assert completed((Hop(B), own), D, (HINT,)) == (Hop(B), own, whole[2])
    assert completed((Hop(D),), D, ()) == (Hop(D),)
    assert over_peers((A, B), D, (HINT,)) == whole
    assert over_peers((A, C), D, (HINT,)) is None
    assert over_peers((A,), D, ()) is None


@pytest.mark.parametrize(
    ("hops", "hints"),
    [
        ((Hop(B),), ()),  # it ends before the payee
        ((), ()),
        ((Hop(B), Hop(D)), ()),  # nobody said what B asks
        ((Hop(B), Hop(C, SCIDS[4])), (HINT,)),  # another channel than the hinted one
        ((Hop(A), Hop(C), Hop(D)), (HINT,)),  # the hint's channel begins elsewhere
    ],
)
def test_what_nobody_told_is_unknown(hops: tuple[Hop, ...], hints: tuple[tuple[HintedHop, ...], ...]) -> None:
    with pytest.raises(RouteUnknown):
        completed(hops, D, hints)


def test_a_route_is_bounded() -> None:
    policy = RelayPolicy(0, 0, 1)
    way = [Hop(NODES[n], SCIDS[n], policy) for n in range(MAX_HOPS)]
    assert len(completed(way, NODES[MAX_HOPS - 1], ())) == MAX_HOPS
    with pytest.raises(RouteMalformed):
        completed([*way, Hop(D, SCIDS[0], policy)], D, ())
    route = plan(way, 10**11, 2**20, for_final_node(10**11, 2**20, bytes(32), payment_metadata=bytes(300)))
    with pytest.raises(OnionTooLong):
        sphinx.build(b"\x03" * 32, route.hops, bytes(32))


@pytest.mark.parametrize(
    ("text", "hop"),
    [
        (B.hex(), Hop(B)),
        (f" {B.hex().upper()} ", Hop(B)),
        (f"{B.hex()}@539268x845x1", Hop(B, bytes.fromhex("083a8400034d0001"))),
        (f"{B.hex()}@1x2x3:1000:10:80", Hop(B, bytes.fromhex("0000010000020003"), RelayPolicy(1000, 10, 80))),
    ],
)
def test_hops_are_read(text: str, hop: Hop) -> None:
    assert parse_hop(text) == hop


@pytest.mark.parametrize(
    "text",
    ["", "bob", B.hex()[:-1], f"{B.hex()}@", f"{B.hex()}@1x2", f"{B.hex()}@99999999x1x1", f"{B.hex()}@1x1x70000",
     f"{B.hex()}@1x2x3:1", f"{B.hex()}@1x2x3:5000000000:0:40", f"{B.hex()}@1x2x3:0:0:70000", f"{B.hex()}:1:2:3",
     f"{B.hex()}@1x2x3:-1:0:40", "09" + "00" * 32],
)  # fmt: skip
def test_what_is_no_hop_is_refused(text: str) -> None:
    with pytest.raises(RouteMalformed):
        parse_hop(text)
