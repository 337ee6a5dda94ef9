"""What is the answer of the command about a plugin's grants? As __init__.py says."""

import msgspec


class GrantShown(msgspec.Struct, frozen=True):
    """A capability: whether the plugin's manifest asks for it, what the user granted (repeated grants each have a row),
    and whether it is in effect. `used` says how much of a limit is used up; `why` what is missing."""

    capability: str
    allows: str
    asked: str
    granted: str
    in_effect: bool
    used: str
    why: str


class GrantsShown(msgspec.Struct, frozen=True):
    """A plugin's capabilities: those that it asks for, and those that it was granted."""

    plugin: str
    path: str
    status: str
    grants: tuple[GrantShown, ...]
