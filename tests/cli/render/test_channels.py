"""Does the list of channels show whose money is where, at any width and with any number of channels?"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.cli.render import LINES, PLAIN, cells, render
from lnpd.cli.render.channels import TALKATIVE_ROWS, bar, bar_head, shares_msat
from tests.cli.render.pictures import three


def row(ours: int, theirs: int, *htlcs: tuple[str, int], reserve: int = 0, their_reserve: int = 0) -> dict[str, Any]:
    """A channel with amounts in satoshi."""
    return {
        "ours_msat": 1000 * ours, "theirs_msat": 1000 * theirs, "reserve_sat": reserve,
        "their_reserve_sat": their_reserve,
        "htlcs": [{"direction": direction, "amount_msat": 1000 * amount} for direction, amount in htlcs],
    }  # fmt: skip


BARS = {
    "half and half": (row(500, 500), "#####....."),
    "all ours": (row(1000, 0), "##########"),
    "nobody's": (row(0, 0), "          "),
    "a little is seen": (row(999, 1), "#########."),
    "an HTLC that we offer is ours until it is settled": (row(600, 400, ("out", 200)), "####==...."),
    "one that the peer offers is the peer's": (row(300, 700, ("in", 400)), "###====..."),
    "both ways": (row(500, 500, ("in", 100), ("out", 100)), "####==...."),
    "reserves": (row(500, 500, reserve=10, their_reserve=10), "|####....|"),
    "a large reserve": (row(700, 300, reserve=250), "##|####..."),
    "below the reserve": (row(100, 900, reserve=200), "#.!......."),
    "the peer below its own": (row(900, 100, their_reserve=200), "#######!#."),
}


@pytest.mark.parametrize("case", BARS)
def test_a_bar(case: str) -> None:
    channel, drawn = BARS[case]
    assert bar(channel, 10, PLAIN) == drawn


amounts = st.integers(0, 10**9)


@given(amounts, amounts, amounts, amounts, st.integers(8, 60))
def test_a_bar_has_its_width_and_hides_nobody(ours: int, theirs: int, pending: int, reserve: int, width: int) -> None:
    channel = row(ours + pending, theirs, ("out", pending), reserve=reserve, their_reserve=reserve)
    assert shares_msat(channel) == (1000 * ours, 1000 * pending, 1000 * theirs)
    drawn = bar(channel, width, LINES)
    assert cells(drawn) == width
    for sign, share in (("█", ours), ("▒", pending), ("░", theirs)):
        assert (sign in drawn) == bool(share)


@pytest.mark.parametrize("width", [8, 12, 23, 40])
def test_the_head_of_a_bar_is_as_wide(width: int) -> None:
    assert len(bar_head(width)) == width


def many(count: int) -> list[dict[str, Any]]:
    return [{**three()[n % 3], "channel_id": f"{7919 * n:08x}" * 8} for n in range(count)]


@pytest.mark.parametrize("count", [3, 300])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_each_channel_has_its_line_and_is_named_so_that_it_can_be_given_back(count: int, width: int) -> None:
    channels = many(count)
    lines = render("channels", channels, width, LINES).splitlines()
    assert max(map(cells, lines)) <= width
    found = [line.split()[0] for line in lines[1:] if line and not line.startswith((" ", f"{count} channels"))]
    assert len(found) == len(set(found)) == count
    assert all(row["channel_id"].startswith(name) for row, name in zip(channels, found, strict=True))


def test_many_channels_say_only_what_somebody_should_look_at() -> None:
    few, more = (render("channels", many(count), 120, LINES) for count in (TALKATIVE_ROWS, TALKATIVE_ROWS + 1))
    assert "htlc out 150,000 sat" in few and "htlc out" not in more
    assert "frozen: the provider lockbox does not answer" in few
    assert more.count("frozen: ") == 3
    assert f"{TALKATIVE_ROWS + 1} channels: ours 5,480,000 sat, theirs 5,520,000 sat, 8 HTLCs pending" in more


def test_without_a_terminal_a_line_says_the_same_however_many_there_are() -> None:
    for count in (1, 300):
        lines = render("channels", many(count)).splitlines()
        assert lines[1].split()[:5] == [many(1)[0]["channel_id"], "normal", "1,000,000", "600,000", "400,000"]
        assert not lines[-1].startswith(f"{count} channels")
