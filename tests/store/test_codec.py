"""Do values come back as they were, and only those that later versions can still read get in?"""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from lnpd.errors import ValueUnfit, ValueUnreadable
from lnpd.store.codec import broken_rules, decode, encode


class Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="leaf"):
    amount_msat: int
    data: bytes = b""


class Tree(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="tree"):
    children: tuple["Tree | Leaf", ...] = ()
    name: str | None = None


class OlderLeaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="leaf"):
    amount_msat: int


class Mutable(msgspec.Struct, forbid_unknown_fields=True):
    number: int


class Forgetful(msgspec.Struct, frozen=True):
    number: int


class Array(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    number: int


class NamedByClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    number: int


class Numbered(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=7):
    number: int


class WithList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    numbers: list[int]


class WithDict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    numbers: tuple[dict[str, int], ...]


class Untyped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: Any


class Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    one: tuple[int, Forgetful] | None = None


@dataclass(frozen=True)
class Data:
    number: int


UNFIT = (
    (Mutable, "struct Mutable is not frozen"),
    (Forgetful, "struct Forgetful does not forbid unknown fields"),
    (Array, "struct Array is array_like"),
    (NamedByClass, "struct NamedByClass has no string of its own as tag"),
    (Numbered, "struct Numbered has no string of its own as tag"),
    (WithList, "field WithList.numbers: List is not a frozen, typed value"),
    (WithDict, "field WithDict.numbers: Dict is not a frozen, typed value"),
    (Untyped, "field Untyped.number: Any is not a frozen, typed value"),
    (Holder, "struct Forgetful does not forbid unknown fields"),
    (Data, "Dataclass is not a frozen, typed value"),
)


@pytest.mark.parametrize("amount_msat", [0, 1 << 63, (1 << 64) - 1])
def test_a_value_comes_back(amount_msat: int) -> None:
    tree = Tree(children=(Leaf(amount_msat, b"\x00\xff"), Tree(name="inner")))
    assert decode(encode(tree), Tree, table="test") == tree
    assert broken_rules(Tree) == ()


@pytest.mark.parametrize(("kind", "rule"), UNFIT, ids=[kind.__name__ for kind, _ in UNFIT])
def test_an_unfit_type_is_refused_by_its_rule(kind: type, rule: str) -> None:
    assert broken_rules(kind) == (rule,)
    with pytest.raises(ValueUnfit, match=rule):
        decode(b"\x80", kind, table="test")


def test_an_unfit_value_is_refused_before_it_is_stored() -> None:
    with pytest.raises(ValueUnfit):
        encode(Forgetful(1))
    for value in (object(), 1 << 64, -(1 << 63) - 1):
        with pytest.raises(ValueUnfit):
            encode(value)


DEEP = encode(Tree(children=(Tree(),))).replace(encode(Tree()), b"@")  # one level, to be nested by hand


def nested(levels: int) -> bytes:
    head, tail = DEEP.split(b"@")
    return head * levels + encode(Tree()) + tail * levels


UNREADABLE = (
    ("a later version's field", encode(Leaf(1, b"new")), OlderLeaf),
    ("another type", encode(Leaf(1)), Tree),
    ("cut off", encode(Leaf(1, b"data"))[:-1], Leaf),
    ("no MessagePack", b"\xc1", Leaf),
    ("nothing", b"", Leaf),
    ("a wrong type of field", msgspec.msgpack.encode({"type": "leaf", "amount_msat": "1"}), Leaf),
    ("too deep", nested(100_000), Tree),
)


@pytest.mark.parametrize(("data", "kind"), [case[1:] for case in UNREADABLE], ids=[case[0] for case in UNREADABLE])
def test_unreadable_bytes_name_the_table_and_the_key(data: bytes, kind: type) -> None:
    with pytest.raises(ValueUnreadable, match="channel 0badc0de"):
        decode(data, kind, table="channel", key=bytes.fromhex("0badc0de"))


def test_the_nested_sample_is_what_it_says() -> None:
    assert decode(nested(1), Tree, table="test") == Tree(children=(Tree(),))
