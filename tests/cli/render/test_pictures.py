"""Are the pictures what they were when somebody looked at them, and do they fit?"""

import msgspec
import pytest

from lnpd.cli.render import BRIGHT, LINES, PLAIN, Look, cells, render
from lnpd.cli.render.values import PAINT
from tests.cli.render.pictures import GOLDEN, boxed, gated, golden, plain, sealed, three, tree

WIDTHS = (40, 60, 80, 100, 139, 140, 200)
COMMITMENTS = {"plain": plain, "boxed": boxed, "gated": gated, "sealed": sealed, "tree": tree}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_picture_is_as_it_was_looked_at(name: str) -> None:
    method, made, width, look = GOLDEN[name]
    assert render(method, made(), width, look) + "\n" == golden(name).read_text()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("look", [PLAIN, LINES, BRIGHT], ids=["ascii", "lines", "colours"])
def test_no_line_is_wider_than_the_terminal(width: int, look: Look) -> None:
    shown = [render("commitment", made(), width, look) for made in COMMITMENTS.values()]
    shown.append(render("channels", three(), width, look))
    assert max(cells(line) for each in shown for line in each.splitlines()) <= width
    assert all(each.isascii() for each in shown) == (look == PLAIN)
    assert any("\x1b" in each for each in shown) == look.colours


@pytest.mark.parametrize("name", COMMITMENTS)
def test_colours_change_nothing_but_colours(name: str) -> None:
    answer = COMMITMENTS[name]()
    for width in (80, 200):
        assert PAINT.sub("", render("commitment", answer, width, BRIGHT)) == render("commitment", answer, width, LINES)


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("name", COMMITMENTS)
def test_everything_of_a_commitment_is_in_its_picture(name: str, width: int) -> None:
    answer = COMMITMENTS[name]()
    shown = render("commitment", answer, width, LINES)
    outputs = [*answer["outputs"], *(o for child in answer["children"] for o in child["outputs"])]
    for said in (
        answer["txid"], answer["funding"], answer["channel_id"],
        *(child["kind"] for child in answer["children"]),
        *(o["kind"] for o in outputs),
        *(o["provider"] for o in outputs),
        *(f"{o['amount_sat']:,} sat" for o in outputs),
        *(way["text"] for o in outputs for way in o["ways"]),
        *(each["id"] for each in answer["trimmed"]),
    ):  # fmt: skip
        assert said in shown, said
    assert [shown.count("gated"), shown.count("↓")] == [
        sum(child["gated"] for child in answer["children"]),
        sum(way["child"] >= 0 for o in outputs for way in o["ways"]),
    ]


def test_a_plugins_output_has_a_colour_of_its_own_and_names_it() -> None:
    lines = render("commitment", boxed(), 80, BRIGHT).splitlines()
    (line,) = (line for line in lines if "(plugin)" in line)
    assert "\x1b[35m● \x1b[0m" in line and "\x1b[35mlockbox (plugin)\x1b[0m" in line


def test_what_a_stranger_wrote_cannot_steer_the_terminal() -> None:
    answer = gated()
    answer["outputs"][2]["kind"] = "box\x1b[2J"
    answer["children"][0]["kind"] = "exit\n\x07"
    shown = render("commitment", answer, 80, LINES)
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert len(shown.splitlines()) == len(render("commitment", gated(), 80, LINES).splitlines())


def test_an_unsigned_commitment_says_so() -> None:
    assert "not signed by the peer" in render("commitment", {**boxed(), "signed": False}, 80)
    assert msgspec.json.encode(boxed()) == msgspec.json.encode(boxed()), "a picture is the same each time"


def test_a_long_name_of_a_plugin_stands_below() -> None:
    answer = boxed()
    answer["outputs"][4]["provider"] = "p" * 32
    for width in (40, 80, 140):
        shown = render("commitment", answer, width, LINES)
        assert max(map(cells, shown.splitlines())) <= width
        assert "p" * 10 in shown
