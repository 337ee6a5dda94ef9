"""Is it said of each capability whether it was asked for, granted, and is there at all?"""

import pytest

from lnpd.hooks.capabilities import CAPABILITIES, explained, in_effect, wrong_with

CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "asked and granted": (("messages", "updates:5"), ("updates:7", "messages"), ("updates:7", "messages"), ()),
    "not granted": (("updates:5",), (), (), ("updates:5 needs --grant storm=updates:5",)),
    "not asked for": ((), ("messages",), (), ("messages is granted, but not asked for",)),
    "another purpose than the granted one": (
        ("sign:cet", "sign:oracle"),
        ("sign:cet", "sign:refund"),
        ("sign:cet",),
        ("sign:oracle needs --grant storm=sign:oracle", "sign:refund is granted, but not asked for"),
    ),
    "a hook": (("hook:funding",), (), (), ("hook:funding needs --grant storm=hook:funding",)),
    "another hook than the granted one": (
        ("hook:funding",),
        ("hook:htlc_accepted",),
        (),
        ("hook:funding needs --grant storm=hook:funding", "hook:htlc_accepted is granted, but not asked for"),
    ),
}


@pytest.mark.parametrize(("asked", "granted", "effect", "sentences"), CASES.values(), ids=CASES)
def test_what_is_in_effect_and_why_the_rest_is_not(
    asked: tuple[str, ...], granted: tuple[str, ...], effect: tuple[str, ...], sentences: tuple[str, ...]
) -> None:
    assert in_effect(asked, granted) == effect
    assert explained("storm", asked, granted) == sentences


@pytest.mark.parametrize(
    "capability", ["messages", "updates:0", "updates:2100000000000000", "sign:cet", "rpc:pay,open"]
)
def test_a_capability(capability: str) -> None:
    assert wrong_with(capability) == ""


@pytest.mark.parametrize(
    "capability",
    [
        "",
        "everything",
        "updates",
        "updates:",
        "updates:-5",
        "updates:5.5",
        "updates:٣",
        "pay:5sat",
        "messages:1",
        "rpc:",
        "rpc:,",
    ],
)
def test_no_capability(capability: str) -> None:
    assert wrong_with(capability)


def test_each_says_what_it_allows() -> None:
    assert all(capability.text.endswith(".") for capability in CAPABILITIES.values())
    assert all(capability.form.startswith(name) for name, capability in CAPABILITIES.items())
    assert CAPABILITIES.keys() >= {"messages", "updates", "hook", "pay", "invoice", "sign", "spend", "chain", "rpc"}
