"""How is a text shown that somebody else wrote (a peer, a plugin, a backend), and how often? In one line that forges
nothing, and sparingly.

Each such text passes through here where it enters the node. What the log says passes through here once more.
"""

from typing import Final

MAX_CHARACTERS: Final = 1000
MARK: Final = "..."


def one_line(text: str | bytes, limit: int = MAX_CHARACTERS) -> str:
    """A text without what could begin a line, steer a terminal or fill a disk: each character that cannot be printed is
    written as Python writes it (`\\n`, `\\x1b`), and beyond `limit` characters it is cut, which three dots show.

    BOLT 1 (error, warning) wants it of a peer's data, whose bytes are read as UTF-8; what is none is escaped too.
    """
    text = text[: 4 * limit].decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text[: limit + 1]
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return line if len(line) <= limit else line[: limit - len(MARK)] + MARK


class Sparing:
    """Which of somebody's lines are logged: MOST of them, then one each SECONDS_EACH. So nobody fills a disk."""

    MOST, SECONDS_EACH = 20, 10.0

    def __init__(self) -> None:
        self._spare, self._since = float(self.MOST), 0.0
        self._left_out = 0

    def more(self, now: float) -> str | None:
        """None if a line is left out; else what to add to it: how many were, since the last. `now` is of any clock that
        does not go back, in seconds."""
        self._spare = min(self.MOST, self._spare + (now - self._since) / self.SECONDS_EACH)
        self._since = now
        if self._spare < 1:
            self._left_out += 1
            return None
        self._spare -= 1
        left_out, self._left_out = self._left_out, 0
        return f" (and {left_out} more before it)" if left_out else ""
