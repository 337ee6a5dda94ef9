"""What is the answer of the doctor? As __init__.py says."""

from typing import Final, Literal

import msgspec

Severity = Literal["ok", "hint", "warning", "danger"]
SEVERITIES: Final[tuple[Severity, ...]] = ("danger", "warning", "hint", "ok")


class Finding(msgspec.Struct, frozen=True):
    """What one check found. `severity` is "danger" (money or the node is at risk), "warning" (something is wrong),
    "hint" (it could be better) or "ok"; `text` says what is so, `command` is what mends it, or shows more where no
    command can: empty where all is well.
    """

    check: str
    severity: Severity
    text: str
    command: str = ""
