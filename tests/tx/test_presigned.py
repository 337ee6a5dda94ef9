"""Do the signatures of a graph's children part and join again, in whatever order gated ones stand among the others?"""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lnpd.tx.graph import Graph
from lnpd.tx.presigned import gated_bytes, in_auxiliary, in_commitment_signed, joined
from tests.tx.extension import CHILD, JOINT, Extension, box, child, of

ONE = of(Extension(box(script=JOINT), children=[CHILD])).children[0]
PROVIDERS = ("a", "b")


def graph(kinds: list[str]) -> Graph:
    """A graph whose children are plain (`-`) or gated ones of a provider."""
    children = tuple(replace(ONE, provider=kind, gated=kind != "-") for kind in kinds)
    return replace(of(Extension(box())), children=children)


@given(st.lists(st.sampled_from(("-", *PROVIDERS)), max_size=20))
def test_parted_and_joined(kinds: list[str]) -> None:
    made, signatures = graph(kinds), tuple(bytes([n]) * 64 for n in range(len(kinds)))
    listed = in_commitment_signed(made, signatures)
    auxiliary = {name: in_auxiliary(made, name, signatures) for name in PROVIDERS}
    assert {name: len(data) for name, data in auxiliary.items()} == {
        name: gated_bytes(made, name) for name in auxiliary
    }
    assert len(listed) == kinds.count("-")
    assert joined(made, listed, auxiliary) == signatures
    for wrong in ((*listed, bytes(64)), listed[:-1] if listed else (bytes(64),)):
        assert len(joined(made, wrong, auxiliary)) != len(kinds)


def test_a_child_is_gated_as_its_provider_says() -> None:
    wanted = Extension(box(script=JOINT), children=[child(gated=True), child(kind="other")])
    wanted.spec = replace(wanted.spec, phases=(*wanted.spec.phases, type(wanted.spec.phases[0])("gate")))
    assert [each.gated for each in of(wanted).children] == [True, False]
