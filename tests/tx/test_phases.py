"""What do questions that wait for nobody say of each other, and do generators keep step?"""

from collections.abc import Generator

from lnpd.errors import OutputRefused
from lnpd.tx.graph import ProviderCall
from lnpd.tx.phases import MOST_BESIDE, ask_each, side_by_side

Asking = Generator[ProviderCall, object, object]


def call(name: str) -> ProviderCall:
    return ProviderCall(name, 1, "contribute", ())


def asked(asking: Asking) -> tuple[list[tuple[str, list[str]]], object]:
    """What it asks, with what is beside it; each is answered by its name. And what it comes to."""
    found: list[tuple[str, list[str]]] = []
    answer: object = None
    try:
        while True:
            question = asking.send(answer)
            found.append((answer := question.provider, [each.provider for each in question.beside]))
    except StopIteration as stop:
        return found, stop.value


def test_each_names_those_that_come_after_it() -> None:
    found, answers = asked(ask_each([call(name) for name in "abc"]))
    assert found == [("a", ["b", "c"]), ("b", ["c"]), ("c", [])]
    assert answers == ["a", "b", "c"]
    found, _ = asked(ask_each([call(str(n)) for n in range(100)]))
    assert [len(beside) for _, beside in found] == [min(MOST_BESIDE, 99 - n) for n in range(100)]


def steps(heard: list[object], *names: str) -> Asking:
    for name in names:
        heard.append((yield call(name)))
        if name == "bad":
            raise OutputRefused("no")
    return None


def test_generators_ask_at_the_same_step_at_once() -> None:
    one, two, three = list[object](), list[object](), list[object]()
    found, _ = asked(side_by_side([steps(one, "a1", "a2"), steps(two, "b1", "bad", "b3"), steps(three)]))
    assert found == [("a1", ["b1"]), ("b1", ["a2"]), ("a2", ["bad"]), ("bad", [])]
    assert (one, two, three) == (["a1", "a2"], ["b1", "bad"], [])
