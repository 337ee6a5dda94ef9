"""How is an address or an invoice shown as a QR code on a terminal?

    with colours      half blocks, two modules a cell, black on white whatever the terminal's own colours are
    with lines        half blocks without colours: light is the terminal's ink, as `qrencode` draws it
    plain             two characters of ASCII a module, ink is dark: for paper and for programs

What is bech32 goes in upper case: that takes QR's alphanumeric mode, two thirds of the modules (BIP 173, BOLT 11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # a command line is read without what draws its answer
    from lnpd.cli.render.style import Look

# Of which commands an answer has something to scan, and in which field.
QR_OF: Final[dict[str, str]] = {"address": "address", "invoice": "invoice"}
FLAG: Final = "--qr"
HELP: Final = "show a QR code of it, too"

QUIET_MODULES: Final = 4  # ISO/IEC 18004: so much of light around it
LEAST_QUIET_MODULES: Final = 2  # with less of it most cameras do, too
_BECH32: Final = re.compile("(bc|tb|bcrt)1[02-9ac-hj-np-z]{6,90}|ln[a-z0-9]+1[02-9ac-hj-np-z]{6,8000}")
_INK, _PAPER = ("30", "40"), ("97", "107")  # of a dark and of a light module: above, and below

Modules = Sequence[Sequence[int]]


def scannable(text: str) -> str:
    """What the code holds."""
    return text.upper() if _BECH32.fullmatch(text.lower()) else text


def modules(text: str) -> Modules:
    """The code of a text, without light around it: 1 is dark. As small as it gets: screens need little correction."""
    import segno  # 15 ms to load, and rarely needed

    return segno.make(scannable(text), error="l", micro=False, boost_error=False).matrix


def qr(text: str, width: int | None, look: Look) -> list[str]:
    """The lines of a QR code on `width` columns; a sentence if it has no room."""
    code = modules(text)
    each = 1 if look.lines else 2
    for quiet in range(QUIET_MODULES, LEAST_QUIET_MODULES - 1, -1):
        if width is None or each * (len(code) + 2 * quiet) <= width:
            return _drawn(_framed(code, quiet), look)
    needed = each * (len(code) + 2 * LEAST_QUIET_MODULES)
    return [f"The terminal is too narrow for its QR code: that takes {needed} columns, and there are {width}."]


def qr_of(method: str, answer: Mapping[str, Any], width: int | None, look: Look) -> list[str]:  # Any: JSON values
    """The QR code of what a command has answered."""
    return ["", *qr(str(answer[QR_OF[method]]), width, look)]


def _framed(code: Modules, quiet: int) -> Modules:
    empty = [0] * (len(code) + 2 * quiet)
    side = [0] * quiet
    return [*[empty] * quiet, *([*side, *row, *side] for row in code), *[empty] * quiet]


def _drawn(code: Modules, look: Look) -> list[str]:
    if not look.lines:
        return ["".join("##" if dark else "  " for dark in row).rstrip() for row in code]
    light = [0] * len(code)
    pairs = zip_longest(code[::2], code[1::2], fillvalue=light)
    return ["".join(_cell(above, below, look) for above, below in zip(*pair, strict=True)) for pair in pairs]


def _cell(above: int, below: int, look: Look) -> str:
    if look.colours:
        return look.paint("▀", f"{(_INK if above else _PAPER)[0]};{(_INK if below else _PAPER)[1]}")
    return " " if above and below else "▄" if above else "▀" if below else "█"
