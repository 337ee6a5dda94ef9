"""What does a person call the type of a field of an answer?"""

from typing import Any, get_args, get_origin

import msgspec


def type_name(kind: Any) -> str:  # Any: a type, a union or an alias
    """What a person calls the type of a field."""
    if get_origin(kind) is tuple:
        return f"list of {type_name(get_args(kind)[0])}"
    if get_args(kind):
        return " or ".join(
            repr(part) if isinstance(part, str) else "null" if part is type(None) else type_name(part)
            for part in get_args(kind)
        )
    names = {str: "text", int: "integer", float: "number", bool: "boolean", msgspec.Raw: "any",
             Any: "any", msgspec.UnsetType: "absent"}  # fmt: skip
    return names.get(kind) or str(kind.__name__)
