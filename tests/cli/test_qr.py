"""Does a QR code on the screen hold the address or the invoice? Read back from the cells, by a decoder of its own."""

import re
from typing import Final

import pytest
import segno

from lnpd.cli.qr import LEAST_QUIET_MODULES, QR_OF, QUIET_MODULES, modules, qr, qr_of, scannable
from lnpd.cli.render import BRIGHT, LINES, PLAIN, Look, cells
from lnpd.rpc.commands import BY_METHOD

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
INVOICE = "lnbcrt210n1" + "qpzry9x8gf2tvdw0s3jn54khce6mua7l" * 8
BASE58 = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

# (dark below a light one, ...) by the sign of a cell without colours: light is ink.
HALVES = {" ": (1, 1), "▄": (1, 0), "▀": (0, 1), "█": (0, 0)}
PAINTED = re.compile(r"\x1b\[(30|97);(40|107)m▀\x1b\[0m")
MASKS = (
    lambda r, c: (r + c) % 2, lambda r, c: r % 2, lambda r, c: c % 3, lambda r, c: (r + c) % 3,
    lambda r, c: (r // 2 + c // 3) % 2, lambda r, c: r * c % 2 + r * c % 3, lambda r, c: (r * c % 2 + r * c % 3) % 2,
    lambda r, c: ((r + c) % 2 + r * c % 3) % 2,
)  # fmt: skip
Matrix = list[list[int]]


def seen(lines: list[str], look: Look) -> Matrix:
    """The modules that the cells of a screen show, without the light around them."""
    rows: Matrix = []
    for line in lines:
        if look.colours:
            pairs = [(int(ink == "30"), int(paper == "40")) for ink, paper in PAINTED.findall(line)]
            rows += [[above for above, _ in pairs], [below for _, below in pairs]]
        elif look.lines:
            rows += [[HALVES[c][0] for c in line], [HALVES[c][1] for c in line]]
        else:
            rows.append([int(line[n : n + 2] == "##") for n in range(0, len(line), 2)])
    width = max(map(len, rows))
    rows = [row + [0] * (width - len(row)) for row in rows]
    dark = [n for n, row in enumerate(rows) if any(row)]
    left = min(row.index(1) for row in rows if any(row))
    size = dark[-1] - dark[0] + 1
    return [row[left : left + size] for row in rows[dark[0] : dark[-1] + 1]]


def is_data(size: int, row: int, column: int) -> bool:
    """Whether a module of a code of versions 2 to 6 is no finder, timing, alignment or format."""
    corner = (row < 9 and (column < 9 or column >= size - 8)) or (row >= size - 8 and column < 9)
    alignment = abs(row - (size - 7)) <= 2 and abs(column - (size - 7)) <= 2
    return not (corner or alignment or row == 6 or column == 6)


def decoded(code: Matrix) -> str:
    """An alphanumeric text in a code of one block, as ISO/IEC 18004 lays it out; its errors are not corrected."""
    size = len(code)
    mask = MASKS[int("".join(str(code[8][c]) for c in (2, 3, 4)), 2) ^ 0b101]
    bits, up = "", True
    for right in (c for c in range(size - 1, 0, -2)):
        right -= right <= 6  # the timing column is passed over
        for row in range(size - 1, -1, -1) if up else range(size):
            for column in (right, right - 1):
                if is_data(size, row, column):
                    bits += str(code[row][column] ^ (not mask(row, column)))
        up = not up
    assert bits[:4] == "0010", "alphanumeric mode"
    count, place, text = int(bits[4:13], 2), 13, ""
    while len(text) < count:
        length = 11 if count - len(text) > 1 else 6
        value = int(bits[place : place + length], 2)
        text += (ALPHABET[value // 45] if length == 11 else "") + ALPHABET[value % 45]
        place += length
    return text


@pytest.mark.parametrize("look", [PLAIN, LINES, BRIGHT], ids=["ascii", "lines", "colours"])
def test_an_address_is_read_back_from_the_screen(look: Look) -> None:
    lines = qr(ADDRESS, 100, look)
    assert decoded(seen(lines, look)) == ADDRESS.upper()
    assert max(map(cells, lines)) <= 100


@pytest.mark.parametrize("look", [PLAIN, LINES, BRIGHT], ids=["ascii", "lines", "colours"])
@pytest.mark.parametrize(("text", "size"), [(ADDRESS, 25), (INVOICE, 49), (BASE58, 29)])
def test_the_cells_are_the_modules(text: str, size: int, look: Look) -> None:
    code = [list(row) for row in modules(text)]
    assert seen(qr(text, None, look), look) == code
    assert len(code) == size
    assert code == [list(row) for row in segno.make(scannable(text), error="l", boost_error=False).matrix]


def test_the_light_around_it_is_whole_where_there_is_room() -> None:
    for width, quiet in ((None, QUIET_MODULES), (33, QUIET_MODULES), (32, 3), (29, LEAST_QUIET_MODULES)):
        lines = qr(ADDRESS, width, LINES)
        assert len(lines[0]) == 25 + 2 * quiet
        assert lines[0] == "█" * len(lines[0]) and {line[:quiet] for line in lines} == {"█" * quiet}


def test_a_narrow_terminal_is_told() -> None:
    assert qr(INVOICE, 40, LINES) == [
        "The terminal is too narrow for its QR code: that takes 53 columns, and there are 40."
    ]
    assert "takes 106 columns" in qr(INVOICE, 80, PLAIN)[0]


@pytest.mark.parametrize(
    ("text", "held"),
    [(ADDRESS, ADDRESS.upper()), (ADDRESS.upper(), ADDRESS.upper()), (INVOICE, INVOICE.upper()), (BASE58, BASE58)],
)
def test_bech32_is_in_upper_case_and_nothing_else(text: str, held: str) -> None:
    assert scannable(text) == held


@pytest.mark.parametrize("method", QR_OF)
def test_what_is_drawn_is_a_field_of_the_answer(method: str) -> None:
    assert QR_OF[method] in BY_METHOD[method].result.__struct_fields__
    assert qr_of(method, {QR_OF[method]: ADDRESS}, 80, LINES)[1:] == qr(ADDRESS, 80, LINES)
