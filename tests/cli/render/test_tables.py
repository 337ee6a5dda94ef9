"""Which columns stay where there is little room, and how long are ids?"""

from typing import Any

import pytest

from lnpd.cli.render import LINES, PLAIN, cells, render
from lnpd.cli.render.tables import TABLES, columns, table

INVOICE = {
    "payment_hash": "ab" * 32, "amount_msat": 21_000_000, "state": "open", "description": "a coffee" + " and cake" * 20,
    "expires_unix_seconds": 1_700_000_000, "invoice": "lnbcrt1...",
}  # fmt: skip
OTHER = {**INVOICE, "payment_hash": "abababababab" + "cd" * 26, "amount_msat": 1_500}

# Which columns an invoice has by the width.
HEADS = {
    20: ["amount, sat", "state"],
    40: ["payment hash", "amount, sat", "state"],
    60: ["payment hash", "amount, sat", "state", "description"],
    80: ["payment hash", "amount, sat", "state", "description", "expires"],
    None: ["payment hash", "amount, sat", "state", "description", "expires"],
}


@pytest.mark.parametrize("width", HEADS)
def test_the_least_important_column_gives_way_first(width: int | None) -> None:
    head, *lines = table([INVOICE, OTHER], TABLES["invoices"], width, LINES)
    assert [word.strip() for word in head.split("  ") if word.strip()] == HEADS[width]
    assert all(cells(line) <= (width or 1000) for line in lines)
    assert len(lines) == 2


def test_ids_are_as_long_as_it_takes_and_whole_without_a_terminal() -> None:
    def names(width: int | None) -> list[str]:
        return [line.split()[0] for line in table([INVOICE, OTHER], TABLES["invoices"], width)[1:]]

    assert names(80) == ["abababababab" + "a", "abababababab" + "c"]
    assert names(None) == [INVOICE["payment_hash"], OTHER["payment_hash"]]
    assert [line.split()[0] for line in table([INVOICE], TABLES["invoices"], 80)[1:]] == ["abababab"]


def test_figures_are_right_below_each_other_and_texts_are_cut_where_they_end() -> None:
    head, first, second = table([INVOICE, OTHER], TABLES["invoices"], 80, PLAIN)
    ends = [line.index(value) + len(value) for line, value in ((head, ", sat"), (first, "21,000"), (second, "1.5"))]
    assert len(set(ends)) == 1
    assert "~" in first and "…" not in first
    assert "…" in table([INVOICE], TABLES["invoices"], 80, LINES)[1]


def test_an_outpoint_keeps_its_index_and_no_word_is_taken_for_an_id() -> None:
    coins = [{"outpoint": f"{'ab' * 32}:17", "amount_sat": 1}, {"outpoint": "12 coinbases", "amount_sat": 2}]
    assert [line.split("  ")[0] for line in table(coins, TABLES["coins"], 80)[1:]] == ["abababab:17", "12 coinbases"]


def test_a_plugins_rows_have_the_columns_that_they_have() -> None:
    rows: list[dict[str, Any]] = [{"box": 1, "owner": "alice", "x_sat": 5, "more": {"a": 1}}]
    assert table(rows, None, 80) == ["box  owner  x, sat", "  1  alice       5"]
    assert render("lockbox-list", rows, 10).splitlines() == ["box  owner", "  1  alice"]


def test_columns_are_read_from_their_words() -> None:
    name, state = columns("node_id:0:id state:3:6")
    assert (name.id, name.rank, state.id, state.rank, state.least) == (True, 0, False, 3, 6)


@pytest.mark.parametrize("name", TABLES)
def test_each_rank_of_a_table_is_given_once(name: str) -> None:
    ranks = [column.rank for column in TABLES[name]]
    assert sorted(ranks) == list(range(len(ranks)))
