"""What was a plugin asked when something was found wrong? In one line, as short as tells it."""

from typing import Final

import msgspec
from lnpd_sdk.types import Update, View

MAX_BYTES: Final = 32  # of one value
MAX_CHARACTERS: Final = 400  # of one input
NOTHING: Final = "''"  # no longer than a byte, or the first state would not be the shortest
PLAIN: Final = frozenset({"funding_txid", "funding_vout", "features", "keys"})  # of a view: they tell nothing


def shown(arguments: tuple[object, ...]) -> str:
    """What a provider's function was asked: the state, what it is about, and the view."""
    view, state, *about = arguments
    return cut(", ".join([f"state {_value(state)}", *map(_value, about), _value(view)]))


def cut(text: str) -> str:
    """An input, bounded."""
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 3] + "..."


def update_of(update: Update) -> str:
    """An update by its body and its proposer."""
    return f"update {in_hex(update.body)} of party {update.proposer}"


def in_hex(data: bytes) -> str:
    """Bytes in hex, the first of them."""
    return f"{data[:MAX_BYTES].hex() or NOTHING}{'...' if len(data) > MAX_BYTES else ''}"


def _value(value: object) -> str:
    match value:
        case bytes():
            return in_hex(value)
        case Update():
            return update_of(value)
        case View():
            fields = ((name, getattr(value, name)) for name in value.__struct_fields__ if name not in PLAIN)
            return "view " + " ".join(f"{name}={_plain(each)}" for name, each in fields if each != ())
        case msgspec.Struct():
            fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
            return f"{type(value).__name__}({', '.join(f'{name}={_value(each)}' for name, each in fields)})"
        case tuple():
            return f"({', '.join(map(_value, value))})"
    return repr(value)


def _plain(value: object) -> str:
    return _value(value).replace(" ", "")
