"""Does exactly the payee get what was put aside for it, on either commitment, by what the payer signed ahead?"""

from typing import Any

import pytest
from lnpd_sdk.envelope import encode
from lnpd_sdk.types import Blocked, ChildSignature, Closable, Folded, Party, Ready, Reject, Update, Wait

from lnpd.tx.claims import claimable, claimable_child
from lnpd.tx.pipeline import view_of
from lnpd.tx.sweeps import make_claim
from tests.plugins.two_parties import DELAYS, PLUGINS, TYPES, built, commitment, complete, load, pinned, secrets_of

presigned: Any = load(PLUGINS / "examples" / "presigned.py")
PROVIDER = presigned.Presigned()
VIEW = view_of(commitment(pinned(PROVIDER), b""))
DESTINATION = b"\0\x14" + bytes(20)
BOTH = encode((25_000, 40_000))
KINDS: Any = pytest.mark.parametrize("channel_type", TYPES.values(), ids=TYPES)


def update(amount_sat: object, proposer: Party = 0) -> Update:
    return Update(proposer, "presigned", "ext", 0, encode(amount_sat))


@KINDS
@pytest.mark.parametrize("holder", [0, 1])
def test_the_holder_gets_the_others_by_a_gated_child(channel_type: Any, holder: Party) -> None:
    graph = built(commitment(pinned(PROVIDER, channel_type), BOTH, holder), PROVIDER)
    (index,) = [i for i, each in enumerate(graph.children) if each.gated]
    child = graph.children[index]
    assert (child.id, child.outputs[0].value_sat) == (str(1 - holder), (40_000, 25_000)[holder])
    claims = {c.output.id: c for c in claimable(graph, holder, "latest").claims if c.output.provider == "presigned"}
    assert {name: each.stage for name, each in claims.items()} == {str(1 - holder): index}
    (later,) = claimable_child(graph, index, child.tx.txid, holder, "latest").claims
    assert later.path.older == DELAYS[holder]
    complete(make_claim(graph, [later], DESTINATION, 1000), secrets_of(holder, holder))
    other: Party = 1 if holder == 0 else 0
    (own,) = [c for c in claimable(graph, other, "latest").claims if c.output.provider == "presigned"]
    assert (own.output.id, own.path.older) == (str(holder), 1)
    complete(make_claim(graph, [own], DESTINATION, 1000), secrets_of(other, holder))


@KINDS
@pytest.mark.parametrize("holder", [0, 1])
def test_a_revoked_one_is_all_the_other_sides_child_and_all(channel_type: Any, holder: Party) -> None:
    graph = built(commitment(pinned(PROVIDER, channel_type), BOTH, holder), PROVIDER)
    punisher: Party = 1 if holder == 0 else 0
    secrets = secrets_of(punisher, holder, revoked=True)
    found = [c for c in claimable(graph, punisher, "revoked").claims if c.output.provider == "presigned"]
    assert {c.output.id: c.path.name for c in found}[str(punisher)] == "revocation" and len(found) == 2
    (index,) = [i for i, each in enumerate(graph.children) if each.gated]
    (below,) = claimable_child(graph, index, graph.children[index].tx.txid, punisher, "revoked").claims
    assert (below.path.name, below.path.older) == ("revocation", 0)
    complete(make_claim(graph, [c for c in found if c.output.id == str(punisher)], DESTINATION, 1000), secrets)
    complete(make_claim(graph, [below], DESTINATION, 1000), secrets)


def test_what_is_refused() -> None:
    for amount_sat, state in ((-1, b""), (10_000_001, b""), ("much", b""), (0, b""), (25_000, BOTH)):
        assert isinstance(PROVIDER.validate(VIEW, state, update(amount_sat)), Reject), amount_sat
    for amount_sat, state in ((25_000, b""), (0, BOTH), (10_000_000, encode((0, 5)))):
        assert PROVIDER.validate(VIEW, state, update(amount_sat)) is None


def test_settling_moves_what_was_put_aside() -> None:
    assert PROVIDER.fold(VIEW, b"", update(25_000)) == Folded(encode((25_000, 0)))
    assert PROVIDER.fold(VIEW, BOTH, update(0, 1)) == Folded(encode((25_000, 0)), (40_000_000, -40_000_000))
    assert PROVIDER.fold(VIEW, encode((0, 40_000)), update(0, 1)).state == b""
    blocked = Blocked("65000 sat are put aside, for their payer to settle")
    assert PROVIDER.close(VIEW, BOTH) == blocked and PROVIDER.close(VIEW, b"") == Closable()


def test_its_gate_wants_one_signature() -> None:
    one = ChildSignature("0", "payout", bytes(64))
    assert PROVIDER.gate(VIEW, BOTH, (one,)) == Ready()
    assert isinstance(PROVIDER.gate(VIEW, BOTH, (one, one)), Wait)
