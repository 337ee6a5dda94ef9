"""Are plugins asked in the order that they ask for, and is a circle found?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.hooks.order import Wish, arranged, circle, reasons

ORDERS = {
    "as given": ((Wish("b"), Wish("a"), Wish("c")), ("b", "a", "c")),
    "before": ((Wish("a"), Wish("b"), Wish("c", before=("a",))), ("b", "c", "a")),
    "after": ((Wish("a", after=("c",)), Wish("b"), Wish("c")), ("b", "c", "a")),
    "of one that is not there": ((Wish("a", after=("z",)), Wish("b", before=("z",))), ("a", "b")),
    "both ways": ((Wish("a"), Wish("b"), Wish("c", before=("b",), after=("a",))), ("a", "c", "b")),
    "nobody": ((), ()),
}
CIRCLES = {
    "of one": ((Wish("a", before=("a",)),), "a before a"),
    "of two": ((Wish("a", before=("b",)), Wish("b", before=("a",))), "a before b, b before a"),
    "in different words": ((Wish("a", before=("b",), after=("b",)), Wish("b")), "a before b, b before a"),
    "of three, one outside": (
        (Wish("z", before=("a",)), Wish("a", before=("b",)), Wish("b", before=("c",)), Wish("c", before=("a",))),
        "a before b, b before c, c before a",
    ),
}


@pytest.mark.parametrize("what", ORDERS)
def test_an_order(what: str) -> None:
    wishes, order = ORDERS[what]
    assert arranged(wishes) == order
    assert circle(wishes) == ""


@pytest.mark.parametrize("what", CIRCLES)
def test_a_circle(what: str) -> None:
    wishes, words = CIRCLES[what]
    assert circle(wishes) == words
    assert sorted(arranged(wishes)) == sorted(wish.plugin for wish in wishes), "everybody is asked all the same"


names = st.sampled_from("abcdef")
some = st.lists(names, max_size=3).map(tuple)
wishes_of = st.lists(st.builds(Wish, names, some, some), unique_by=lambda wish: wish.plugin, max_size=6)


@given(wishes_of)
def test_every_wish_is_fulfilled_unless_there_is_a_circle(wishes: list[Wish]) -> None:
    order = arranged(wishes)
    assert sorted(order) == sorted(wish.plugin for wish in wishes)
    assert set(reasons(wishes)) == set(order)
    pairs = [(wish.plugin, other) for wish in wishes for other in wish.before if other in order]
    pairs += [(other, wish.plugin) for wish in wishes for other in wish.after if other in order]
    kept = all(order.index(first) < order.index(second) for first, second in pairs)
    assert kept == (circle(wishes) == "")


def test_the_reasons_are_told() -> None:
    wishes = (Wish("a", after=("c", "z")), Wish("b"), Wish("c"))
    assert reasons(wishes) == {
        "a": "after c, as it asks; z is not here",
        "b": "the order of the command line",
        "c": "before a, which asks for it",
    }
