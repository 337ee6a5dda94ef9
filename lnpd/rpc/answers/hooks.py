"""What is the answer of the command about a hook? As __init__.py says."""

from typing import Literal

import msgspec


class HookPart(msgspec.Struct, frozen=True):
    """A plugin's part in a hook. `asked` says whether it is asked at all; `why` that it has its place.

    `calls`, of which `errors` had no answer that counts, `skipped` questions that it had caused itself, and `waiting`
    ones are since the node began.
    """

    plugin: str
    asked: bool
    why: str
    filters: tuple[str, ...]
    calls: int
    errors: int
    skipped: int
    waiting: int


class HookShown(msgspec.Struct, frozen=True):
    """A hook, and the plugins that take part in it, in the order in which they are asked."""

    hook: str
    owner: str
    kind: Literal["gather", "chain"]
    text: str
    fields: tuple[str, ...]
    deadline_seconds: float
    default: str
    needs_grant: bool
    plugins: tuple[HookPart, ...]
