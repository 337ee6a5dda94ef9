"""What is the answer of the commands about the configuration? As __init__.py says."""

from typing import Any, Literal

import msgspec


class Setting(msgspec.Struct, frozen=True):
    """An option as it is in effect, or an entry of one that is a table. `value` is null if there is none.

    `source` says who gave it: "default", "file", "environment", "argument", or "set" by `lnp config set`; `place` is
    the file with its line, or the variable. A `dynamic` one can be set while the node runs.
    """

    key: str
    value: Any  # a JSON value
    source: Literal["default", "file", "environment", "argument", "set"]
    place: str
    dynamic: bool
    help: str
