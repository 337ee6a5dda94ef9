"""Is a plugin asked exactly where its filter holds?"""

import pytest
from lnpd_sdk import envelope
from lnpd_sdk.manifest import Filter

from lnpd.hooks.filters import in_words, passes, wrong_with

PARAMS: dict[str, object] = {"text": "lightning", "number": 5, "flag": True, "nothing": None}
FIELDS = {"text": str, "number": int, "flag": bool, "nothing": int | None}
CASES = {
    "equals": (Filter("number", 5), True, "number is 5"),
    "equals another": (Filter("number", 6), False, "number is 6"),
    "equals a text": (Filter("text", "lightning"), True, "text is lightning"),
    "equals a flag": (Filter("flag", False), False, "flag is False"),
    "one of": (Filter("text", one_of=("storm", "lightning")), True, "text is one of storm, lightning"),
    "none of": (Filter("number", one_of=(4, 6)), False, "number is one of 4, 6"),
    "at least, itself": (Filter("number", at_least=5), True, "number is at least 5"),
    "less": (Filter("number", at_least=6), False, "number is at least 6"),
    "at most, itself": (Filter("number", at_most=5), True, "number is at most 5"),
    "more": (Filter("number", at_most=4), False, "number is at most 4"),
    "at least nothing": (Filter("number", at_least=0), True, "number is at least 0"),
    "between": (Filter("number", at_least=4, at_most=6), True, "number is at least 4 and number is at most 6"),
    "prefix": (Filter("text", prefix="light"), True, "text begins with light"),
    "another prefix": (Filter("text", prefix="night"), False, "text begins with night"),
    "of what is not there": (Filter("nothing", at_most=9), False, "nothing is at most 9"),
}


@pytest.mark.parametrize("what", CASES)
def test_a_filter(what: str) -> None:
    condition, holds, words = CASES[what]
    assert wrong_with(condition, FIELDS) == ""
    assert passes((condition,), PARAMS) is holds
    assert in_words(condition) == words
    assert envelope.decode(envelope.encode(condition), Filter) == condition


def test_all_have_to_hold() -> None:
    assert passes((), PARAMS)
    assert passes((Filter("number", 5), Filter("flag", True)), PARAMS)
    assert not passes((Filter("number", 5), Filter("flag", False)), PARAMS)


@pytest.mark.parametrize("values", [tuple(range(1001)), ("x" * 1001,)])
def test_a_filter_is_bounded(values: tuple[int | str, ...]) -> None:
    assert "with over 1000 values" in wrong_with(Filter("number", one_of=values), FIELDS)
