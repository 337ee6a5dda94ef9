"""Do frames survive the way, and do arbitrary bytes raise nothing but BadFrame?"""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk import envelope
from lnpd_sdk.envelope import MAX_FRAME_BYTES, MAX_TEXT, Answer, BadFrame, Call, CallFailed, Fault, Notice
from lnpd_sdk.manifest import Manifest
from lnpd_sdk.questions import PROVIDER_METHODS, ProviderQuestion, RpcRequest

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
NAMES = st.text(max_size=100)
FRAMES = st.one_of(
    st.builds(Call, st.integers(0, 2**63), NAMES, VALUES.map(envelope.raw), NAMES),
    st.builds(Answer, st.integers(0, 2**63), VALUES.map(envelope.raw)),
    st.builds(Fault, st.integers(0, 2**63), NAMES, st.text(max_size=MAX_TEXT)),
    st.builds(Notice, NAMES, VALUES.map(envelope.raw), st.integers(0, 2**63)),
)
KINDS: list[Any] = [
    Manifest,
    ProviderQuestion,
    RpcRequest,
    object,
    int,
    *(kinds.arguments for kinds in PROVIDER_METHODS.values()),
    *(kinds.answer for kinds in PROVIDER_METHODS.values()),
]


@given(FRAMES)
def test_a_frame_survives(frame: envelope.Frame) -> None:
    assert envelope.unpack(envelope.pack(frame)) == frame


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_a_frame_or_a_bad_one(data: bytes) -> None:
    try:
        assert isinstance(envelope.unpack(data), Call | Answer | Fault | Notice)
    except BadFrame as error:
        assert str(error)


@given(FRAMES, st.data())
def test_altered_frames_raise_nothing_else(frame: envelope.Frame, data: st.DataObject) -> None:
    raw = bytearray(envelope.pack(frame))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    test_arbitrary_bytes_are_a_frame_or_a_bad_one.hypothesis.inner_test(bytes(raw))  # type: ignore[attr-defined]


@given(st.sampled_from(KINDS), st.one_of(st.binary(max_size=200), VALUES.map(envelope.encode)))
def test_arbitrary_values_raise_nothing_else(kind: Any, data: bytes) -> None:
    try:
        envelope.decode(data, kind)
    except BadFrame as error:
        assert str(error)


NOT_FRAMES = {
    "nothing": b"",
    "json": b"{}",
    "a list": envelope.encode([1, 2]),
    "no type": envelope.encode({"id": 1, "method": "x", "params": None}),
    "unknown type": envelope.encode({"type": "order", "id": 1}),
    "an id that is a text": envelope.encode({"type": "answer", "id": "1", "result": None}),
    "a long method": envelope.encode({"type": "call", "id": 1, "method": "x" * 101, "params": None}),
    "a long text": envelope.encode({"type": "fault", "id": 1, "code": "x", "text": "x" * (MAX_TEXT + 1)}),
    "deep": b"\x91" * 100_000,
    "deep in a frame": b"\x84\xa4type\xa4call\xa2id\x01\xa6method\xa1x\xa6params" + b"\x91" * 100_000,
    "not utf-8": b"\x84\xa4type\xa4call\xa2id\x01\xa6method\xa1\xff\xa6params\xc0",
    "a huge length": b"\xc6\xff\xff\xff\xff",
    "two frames": envelope.pack(Notice("a", envelope.raw(1))) * 2,
}


@pytest.mark.parametrize("what", NOT_FRAMES)
def test_what_is_no_frame(what: str) -> None:
    with pytest.raises(BadFrame):
        envelope.unpack(NOT_FRAMES[what])


def test_lengths() -> None:
    fits = Answer(1, envelope.raw(bytes(MAX_FRAME_BYTES - 100)))
    assert envelope.unpack(envelope.pack(fits)) == fits
    with pytest.raises(BadFrame, match="over the limit of 4194304"):
        envelope.pack(Answer(1, envelope.raw(bytes(MAX_FRAME_BYTES))))
    with pytest.raises(BadFrame, match="over the limit"):
        envelope.unpack(bytes(MAX_FRAME_BYTES + 1))


def test_a_fault_is_bounded_whatever_was_raised() -> None:
    class Named(Exception):
        pass

    Named.__name__ = "N" * 1000
    fault = Fault.of(3, Named("x" * 100_000))
    assert envelope.unpack(envelope.pack(fault)) == fault
    assert Fault.of(3, CallFailed("CapabilityMissing", "no")) == Fault(3, "CapabilityMissing", "no")


@pytest.mark.parametrize("value", [object(), 2**64, -(2**63) - 1, {"a": object()}, "\ud800"])
def test_what_cannot_travel_is_said(value: object) -> None:
    with pytest.raises(BadFrame, match="cannot travel"):
        envelope.raw(value)


def test_what_is_nested_too_deeply_cannot_travel() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadFrame, match="cannot travel"):
        envelope.encode(deep)
    assert msgspec.msgpack.decode(envelope.raw({"a": b"\0"})) == {"a": b"\0"}


def test_a_fault_of_an_accident_names_its_line() -> None:
    def slip() -> None:
        {}["colour"]

    with pytest.raises(KeyError) as slipped:
        slip()
    assert re.fullmatch(r"KeyError: 'colour' \(test_envelope\.py, line [0-9]+\)", Fault.of(1, slipped.value).text)
    assert Fault.of(1, ValueError("no such room")).text == "no such room"
