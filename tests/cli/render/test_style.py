"""Is what is printed what the output takes?"""

import io

import pytest

from lnpd.cli.render.style import BRIGHT, LINES, PLAIN, Look, look_of, provider_styles
from lnpd.cli.render.values import PAINT, cells, shorten


class Stream(io.StringIO):
    """A stream of text with what a terminal says of itself."""

    def __init__(self, terminal: bool, encoding: str) -> None:
        super().__init__()
        self._terminal, self._encoding = terminal, encoding

    def isatty(self) -> bool:
        return self._terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]  # of StringIO it is None
        return self._encoding


XTERM = {"TERM": "xterm-256color"}
CASES: dict[str, tuple[bool, str, bool, dict[str, str], Look]] = {
    "a terminal": (True, "utf-8", False, XTERM, BRIGHT),
    "a pipe": (False, "utf-8", False, XTERM, PLAIN),
    "--plain": (True, "utf-8", True, XTERM, PLAIN),
    "NO_COLOR": (True, "UTF-8", False, {**XTERM, "NO_COLOR": "1"}, LINES),
    "NO_COLOR, empty": (True, "utf-8", False, {**XTERM, "NO_COLOR": ""}, BRIGHT),
    "a dumb terminal": (True, "utf-8", False, {"TERM": "dumb"}, PLAIN),
    "a terminal that says nothing": (True, "utf-8", False, {}, PLAIN),
    "a terminal without Unicode": (True, "latin-1", False, XTERM, Look(lines=False, colours=True)),
}


@pytest.mark.parametrize("case", CASES)
def test_what_an_output_takes(case: str) -> None:
    terminal, encoding, plain, environment, look = CASES[case]
    assert look_of(Stream(terminal, encoding), plain, environment) == look


def test_plugins_take_turns_and_the_nodes_own_keep_their_colours() -> None:
    found = provider_styles(["anchors", "lockbox", "htlc", "note", "lockbox"])
    assert found["anchors"] == "anchors" and found["htlc"] == "htlc"
    assert found["lockbox"] != found["note"]
    assert len(provider_styles([f"plugin-{n}" for n in range(20)])) == 20


def test_colours_take_no_room_and_end_where_a_text_is_cut() -> None:
    painted = BRIGHT.paint("green", "good") + " and more"
    assert cells(painted) == len("green and more")
    short = shorten(painted, 4)
    assert (cells(short), PAINT.sub("", short)) == (4, "gre…")
    assert short.endswith("\x1b[0m")
    assert PAINT.sub("", shorten(painted, 9)) == "green an…"
    assert PLAIN.paint("green", "good") == "green"
