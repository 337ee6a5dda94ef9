"""What does the output take: colours, lines and blocks, or plain ASCII? And which colour does a thing have?

A pipe, a dumb terminal and `--plain` get ASCII; NO_COLOR (no-color.org) takes the colours away and leaves the lines.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

import msgspec

from lnpd.cli.render.values import PAINT_START, UNPAINTED

# SGR codes of the terminal's own 16 colours, so that they suit its background.
CODES: Final[dict[str, str]] = {
    "ours": "32", "pending": "33", "theirs": "34", "mark": "90", "low": "31",
    "head": "1", "dim": "2", "faint": "90", "good": "32", "wait": "33", "bad": "31", "key": "36",
    "base": "34", "htlc": "36", "anchors": "90",
}  # fmt: skip
OWN: Final = ("base", "htlc", "anchors")
PLUGIN_CODES: Final = ("35", "33", "32", "95", "93", "92")  # of plugins, in the order in which they appear


class Look(msgspec.Struct, frozen=True):
    """What may be printed: `lines` are Unicode's box lines and blocks; `colours` are escape sequences."""

    lines: bool = False
    colours: bool = False

    @property
    def mark(self) -> str:
        """What stands for the rest of a text that is cut."""
        return "…" if self.lines else "~"

    def paint(self, text: str, style: str) -> str:
        """A text in the colour of a style; itself where there are none."""
        code = CODES.get(style, style)
        return f"{PAINT_START}{code}m{text}{UNPAINTED}" if self.colours and code and text else text

    def either(self, drawn: str, ascii: str) -> str:
        """A sign, or what stands for it in ASCII."""
        return drawn if self.lines else ascii


PLAIN: Final = Look()
LINES: Final = Look(lines=True)
BRIGHT: Final = Look(lines=True, colours=True)


def look_of(stream: TextIO, plain: bool = False, environment: Mapping[str, str] = os.environ) -> Look:
    """What a stream takes."""
    if plain or not stream.isatty() or environment.get("TERM", "") in ("", "dumb"):
        return PLAIN
    lines = (stream.encoding or "").lower().replace("-", "") == "utf8"
    return Look(lines, colours=not environment.get("NO_COLOR"))


def provider_styles(providers: Sequence[str]) -> dict[str, str]:
    """The colour of each provider: the node's own have theirs, plugins take turns."""
    plugins = [name for name in dict.fromkeys(providers) if name not in OWN]
    turns = {name: PLUGIN_CODES[number % len(PLUGIN_CODES)] for number, name in enumerate(plugins)}
    return {name: turns.get(name, name) for name in providers}
