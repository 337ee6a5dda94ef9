"""What may a plugin write to the node's log?"""

from typing import Literal, cast

import msgspec

from lnpd_sdk.services.base import Asks

Level = Literal["debug", "info", "warning", "error"]


class LogLine(msgspec.Struct, frozen=True):
    """What `log` takes."""

    level: Level
    text: str


class LogAsks(Asks):
    """`Node`'s methods for the log."""

    async def log(self, level: str, text: str) -> None:
        """Writes a line to the node's log; `level` is debug, info, warning or error. Too many lines are counted, not
        written. What a plugin prints goes to the same log."""
        await self.call("log", LogLine(cast(Level, level), text))
