"""Do answers fit a terminal of 80 and of 200 columns, with units, and without what could steer it?"""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.cli.ask import refusal
from lnpd.cli.render import TABLES, cells, render, shorten, text
from lnpd.cli.render.channels import WHOLE
from lnpd.cli.safe import json_text
from lnpd.errors import LnpdError
from lnpd.rpc.commands import BY_METHOD
from tests.services.rpc.small_node import CHANNEL_ID, SmallNode

LISTS = ("peers", "channels", "invoices", "payments", "plugin.list")


def answer(method: str, channels: int = 3) -> Any:
    node = SmallNode(channels)
    return msgspec.json.decode(msgspec.json.encode(asyncio.run(getattr(node, BY_METHOD[method].handler)())))


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("method", LISTS)
def test_a_table_fits(method: str, width: int) -> None:
    lines = render(method, answer(method), width).splitlines()
    assert max(map(cells, lines)) <= width
    assert len(lines) > 1


@pytest.mark.parametrize("method", LISTS)
def test_each_column_of_the_tables_is_a_field(method: str) -> None:
    names = {column.name for column in (WHOLE if method == "channels" else TABLES[method])}
    assert names <= set(answer(method)[0])


def test_a_narrow_channel_is_still_named_so_that_it_can_be_given_back() -> None:
    narrow = render("channels", answer("channels", 1), 80).splitlines()
    assert narrow[0].split()[:2] == ["channel", "peer"]
    name = narrow[1].split()[0]
    assert len(name) == 8 and CHANNEL_ID.startswith(name)
    assert "700,000.5" in narrow[1] and "279,999.5" in narrow[1]
    assert "1,000,000" in render("channels", answer("channels", 1), 200)
    assert CHANNEL_ID in render("channels", answer("channels", 1)), "without a terminal everything is whole"


def test_what_a_channel_needs_to_have_said_is_said() -> None:
    lines = [line.strip() for line in render("channels", answer("channels", 1), 200).splitlines()]
    assert "frozen: the provider lockbox does not answer" in lines
    assert "htlc out 20,000 sat, expires at height 150, e5e5e5e5e5e5e5e5" in lines
    assert any(line.startswith("output of lockbox (box) 20,000 sat in our commitment, ") for line in lines)
    assert any(line.startswith("on chain: unclaimed 20,000 sat (htlc offered_htlc) not yet") for line in lines)


def test_immature_coins_are_one_line_for_a_person_and_each_a_row_for_a_program() -> None:
    def coin(number: int, state: str, amount_sat: int) -> dict[str, Any]:
        return {"outpoint": f"{number:064x}:0", "amount_sat": amount_sat, "state": state, "confirmations": number}

    funds = {"immature_sat": 15, "coins": [coin(1, "immature", 5), coin(2, "confirmed", 7), coin(3, "immature", 10)]}
    lines = render("funds", funds, 200).splitlines()
    assert [line.split() for line in lines[-2:]] == [
        [f"{2:064x}"[:8] + ":0", "7", "confirmed", "2"],
        ["2", "coinbases", "15", "immature", "-"],
    ]
    funds["coins"] = [coin(1, "immature", 5)]
    assert f"{1:064x}:0" in render("funds", funds), "a single one stays as it is"


def test_a_closed_channel_says_by_what_and_what_is_awaited_until_when() -> None:
    (row,) = answer("channels", 1)
    row |= {"closing_txid": "ab" * 32, "blocked_by": ["lockbox: a box is open"]}
    row["onchain"][0] |= {"state": "waiting", "until_height": 254}
    shown = render("channels", [row], 200)
    assert f"closed by {'ab' * 32}" in shown and "blocked" not in shown
    assert "on chain: waiting until height 254 20,000 sat" in shown
    assert "close begun, and blocked by lockbox: a box is open" in render("channels", [row | {"closing_txid": ""}], 200)
    row |= {"state": "closing", "onchain": []}
    assert f"closing by {'ab' * 32}, in no block yet" in render("channels", [row], 200)
    row |= {"state": "on_chain", "closing_confirmations": 3}
    assert f"closed by {'ab' * 32}, 3 blocks deep" in render("channels", [row], 200)


def test_fields_have_their_units_and_ids_stay_whole() -> None:
    funds = render("funds", answer("funds"), 80)
    assert "confirmed    150,000,000 sat" in funds and "channels     700,000.5 sat" in funds
    info = render("info", answer("info"), 80)
    assert "02" + "a1" * 32 in info and "feerate             2500 sat/kw" in info
    invoice = render("invoice", {"invoice": "ln" + "q" * 300, "warnings": ["one two"] * 30}, 80)
    assert "ln" + "q" * 300 in invoice
    assert max(cells(line) for line in invoice.splitlines()[1:]) <= 80


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("amount_msat", 0, "0"),
        ("amount_msat", 1, "0.001"),
        ("amount_msat", 1_234_500, "1,234.5"),
        ("amount_msat", None, "-"),
        ("amount_sat", 2_100_000_000_000_000, "2,100,000,000,000,000"),
        ("connected", True, "yes"),
        ("seconds", 0.0421, "0.042"),
        ("providers", ["a", "b"], "a, b"),
        ("providers", [], "-"),
        ("height", 1234, "1234"),
    ],
)
def test_values(name: str, value: object, shown: str) -> None:
    assert text(name, value) == shown


def test_an_empty_list_says_so() -> None:
    assert render("channels", []) == "No channels."
    assert render("plugin.list", []) == "No plugins."


def test_a_stranger_cannot_steer_the_terminal() -> None:
    shown = render("invoices", answer("invoices"), 200)
    assert "\x1b" not in shown and "a coffee" in shown


@given(st.text(max_size=40), st.integers(1, 60))
def test_shortening_keeps_to_the_width(line: str, width: int) -> None:
    short = shorten(line, width)
    assert cells(short) <= width
    assert short == line or (short.endswith("…") and line.startswith(short[:-1]))


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["a", "b_msat", "frozen", "htlcs", "onchain", "x_sat"]), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(json_values, st.sampled_from(["channels", "lockbox-list"]))
def test_whatever_a_plugin_answers_is_shown(value: Any, method: str) -> None:
    shown = render(method, value, 80)
    assert all(c.isprintable() or c == "\n" for c in shown)


EVIL = "a\x1b]0;owned\x07\x9b31m\u202eb"
STRANGE: dict[str, Any] = {
    "a value": {"name": EVIL},
    "a field's name": {EVIL: 1, "n": 2},
    "the names within a field": {"limits": {EVIL: EVIL}},
    "a table's head": [{EVIL: 1}, {EVIL: 2}],
    "a table within": {"rows": [{EVIL: EVIL}]},
    "sentences": {"notes": [f"{EVIL} is one", f"{EVIL} is two"]},
    "a word": EVIL,
    "words": [EVIL, EVIL],
    "words within words": [[EVIL]],
}


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE.keys())
@pytest.mark.parametrize("width", [None, 80])
def test_a_plugins_answer_steers_no_terminal(answer: Any, width: int | None) -> None:
    assert render("lamp-show", answer, width).replace("\n", "").isprintable()
    for indent in (0, 2):
        line = json_text(answer, indent)
        assert line.replace("\n", "").isprintable() and msgspec.json.decode(line) == answer


def test_a_refusal_steers_no_terminal() -> None:
    for as_json in (False, True):
        assert refusal(LnpdError(f"the peer says: {EVIL}"), as_json).isprintable()


@pytest.mark.parametrize("word, wide", [("n\u0303", 1), ("कु", 1), ("❤\ufe0f", 2), ("漢字", 4), ("☕", 2)])
def test_marks_take_no_cell(word: str, wide: int) -> None:
    assert cells(word) == wide


def test_past_events_are_listed_with_what_they_say() -> None:
    row = {
        "sequence": 3,
        "topic": "channel_active",
        "unix_seconds": 1_790_000_000,
        "payload": {"channel_id": CHANNEL_ID},
    }
    (whole,) = render("history", [row]).splitlines()
    assert whole.startswith("3  2026-") and whole.endswith(f'channel_active  {{"channel_id":"{CHANNEL_ID}"}}')
    (cut,) = render("history", [{**row, "payload": {"why": EVIL * 40}}], 80).splitlines()
    assert cells(cut) == 80 and cut.isprintable()
