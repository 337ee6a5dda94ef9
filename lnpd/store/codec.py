"""How does a value become bytes in the database, and only what was written come back?

MessagePack by msgspec. The rules that keep old data readable, and new data from being dropped silently, are checked
once for each type, when it is first used: an unfit type fails the first test that stores it.
"""

from collections.abc import Hashable, Iterator
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from lnpd.errors import ValueUnfit, ValueUnreadable

T = TypeVar("T")

_ENCODER = msgspec.msgpack.Encoder()

MUTABLE_OR_UNTYPED = (
    inspect.AnyType,
    inspect.ListType,
    inspect.DictType,
    inspect.SetType,
    inspect.ByteArrayType,
    inspect.DataclassType,  # a dataclass cannot forbid unknown fields
    inspect.TypedDictType,
)


def encode(value: object) -> bytes:
    """The bytes of a value. Raises ValueUnfit if its type breaks a rule (see `broken_rules`) or it has no encoding."""
    if isinstance(value, msgspec.Struct):
        _refuse_unfit(type(value))
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueUnfit(f"A {type(value).__name__} cannot be stored: {error}.") from error


def decode(data: bytes, kind: type[T], *, table: str, key: bytes | str = b"") -> T:
    """The value that `encode` made. Table and key are for the message of an error.

    Raises ValueUnreadable if the bytes are no `kind`, ValueUnfit if `kind` breaks a rule.
    """
    try:
        value: T = _decoder(kind).decode(data)  # type: ignore[arg-type]  # mypy: a type[T] of free T is no Hashable
        return value
    except (msgspec.DecodeError, RecursionError) as error:  # a ValidationError is a DecodeError
        name = key.hex() if isinstance(key, bytes) else key
        raise ValueUnreadable(f"The {table} {name} cannot be read as {_name(kind)}: {error}.") from error


def broken_rules(kind: object) -> tuple[str, ...]:
    """What forbids storing values of a type, a sentence each; empty for a fit type.

    A struct is frozen, forbids unknown fields and is no array; the tag by which a union tells its members apart is a
    string of its own, not the class's name (a renaming would make old data unreadable). Fields are typed, and hold
    tuples, not lists or dicts. A union that is stored is a field of a struct: `kind` is a class.
    """
    return tuple(dict.fromkeys(_broken(inspect.type_info(kind), set())))


def _broken(info: inspect.Type, seen: set[object]) -> Iterator[str]:
    if isinstance(info, inspect.StructType):
        if info.cls in seen:
            return
        seen.add(info.cls)
        yield from _broken_by_struct(info)
        for field in info.fields:
            for rule in _broken(field.type, seen):
                yield (
                    rule if rule.startswith(("struct ", "field ")) else f"field {_name(info.cls)}.{field.name}: {rule}"
                )
    elif isinstance(info, MUTABLE_OR_UNTYPED):
        yield f"{type(info).__name__.removesuffix('Type')} is not a frozen, typed value"
    elif isinstance(info, inspect.UnionType):
        for member in info.types:
            yield from _broken(member, seen)
    elif isinstance(info, (inspect.VarTupleType, inspect.FrozenSetType)):
        yield from _broken(info.item_type, seen)
    elif isinstance(info, inspect.TupleType):
        for item in info.item_types:
            yield from _broken(item, seen)


def _broken_by_struct(info: inspect.StructType) -> Iterator[str]:
    name = _name(info.cls)
    if not info.cls.__struct_config__.frozen:
        yield f"struct {name} is not frozen"
    if not info.forbid_unknown_fields:
        yield f"struct {name} does not forbid unknown fields"
    if info.array_like:
        yield f"struct {name} is array_like"
    if info.tag is not None and (not isinstance(info.tag, str) or info.tag == info.cls.__name__):
        yield f"struct {name} has no string of its own as tag"


@cache
def _refuse_unfit(kind: object) -> None:
    rules = broken_rules(kind)
    if rules:
        raise ValueUnfit(f"{_name(kind)} cannot be stored: {'; '.join(rules)}.")


@cache
def _decoder(kind: Hashable) -> msgspec.msgpack.Decoder[Any]:  # Any: a cache forgets the type; `decode` restores it
    _refuse_unfit(kind)
    return msgspec.msgpack.Decoder(kind)


def _name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))
