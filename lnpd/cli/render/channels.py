"""How do channels look in a list? A line each, with a bar of whose money is where, and what needs to be said below it.

ours, free | pending, in HTLCs | theirs, free          and at each end a mark up to where the reserve goes
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from lnpd.cli.render.style import Look
from lnpd.cli.render.tables import GAP, Column, columns, table
from lnpd.cli.render.values import Row, shorten, text
from lnpd.cli.safe import clean

TALKATIVE_ROWS: Final = 10  # of more channels, what is in order is not told one by one
LEAST_BAR: Final = 12
WIDEST_BAR: Final = 40
AWAY: Final = "the peer is not connected"
ALARMS: Final = ("frozen: ", "close begun, and blocked")
WORDS: Final = ("ours", "pending", "theirs")
SIGNS: Final = {"ours": ("█", "#"), "pending": ("▒", "="), "theirs": ("░", "."), "mark": ("┊", "|"), "low": ("┊", "!")}


def channels(rows: Sequence[Row], width: int | None, look: Look) -> list[str]:
    """The table, each channel's notes below it, and on a terminal what all of them come to."""
    shown = [_with_state(row) for row in rows] if width is not None else rows
    head, *lines = table(shown, COLUMNS if width is not None else WHOLE, width, look)
    found = [head]
    for row, line in zip(rows, lines, strict=True):
        talkative = len(rows) <= TALKATIVE_ROWS or width is None
        found += [line, *(_note(note, width, look) for note in notes(row, talkative) if note != AWAY or width is None)]
    return [*found, *_total(rows, width, look)] if width is not None else found


def _note(note: str, width: int | None, look: Look) -> str:
    line = f"{GAP}{note}"
    style = "bad" if note.startswith(ALARMS) else "faint"
    return look.paint(line if width is None else shorten(line, width, look.mark), style)


def _with_state(row: Row) -> dict[str, Any]:
    away = row.get("connected") is False and bool(row.get("funding")) and not row.get("closing_txid")
    return {**row, "state": f"{row.get('state', '')}{', away' if away else ''}"}


def _total(rows: Sequence[Row], width: int, look: Look) -> list[str]:
    if len(rows) < 2:
        return []
    ours, theirs = (sum(_amount(row, name) for row in rows) for name in ("ours_msat", "theirs_msat"))
    htlcs = sum(len(_htlcs(row)) for row in rows)
    line = f"{len(rows)} channels: ours {text('_sat', ours // 1000)} sat, theirs {text('_sat', theirs // 1000)} sat" + (
        f", {htlcs} HTLC{'s' if htlcs > 1 else ''} pending" if htlcs else ""
    )
    return ["", look.paint(shorten(line, width, look.mark), "head")]


# The bar


def shares_msat(row: Row) -> tuple[int, int, int]:
    """What is ours and free, in HTLCs, and theirs and free: an HTLC is in its offerer's balance until it is settled."""
    pending = {"out": 0, "in": 0}
    for htlc in _htlcs(row):
        pending["out" if htlc.get("direction") == "out" else "in"] += _amount(htlc, "amount_msat")
    ours, theirs = _amount(row, "ours_msat") - pending["out"], _amount(row, "theirs_msat") - pending["in"]
    return max(0, ours), sum(pending.values()), max(0, theirs)


def bar(row: Row, width: int, look: Look) -> str:
    """All of a channel's money on `width` cells: who has anything has a cell. A mark shows how far a reserve goes."""
    shares, whole = shares_msat(row), sum(shares_msat(row))
    if not whole:
        return " " * width
    reserves = [(kept, 1000 * _amount(row, kept)) for kept in ("reserve_sat", "their_reserve_sat")]
    reserves = [(kept, msat) for kept, msat in reserves if msat]
    room = width - len(reserves)
    names = [name for name, count in zip(WORDS, _cells(shares, room), strict=True) for _ in range(count)]
    for kept, msat in reserves:
        far, ours = min(room // 2, round(room * msat / whole)), kept == "reserve_sat"
        mark = "mark" if shares[0 if ours else 2] >= msat else "low"
        names.insert(far if ours else len(names) - far, mark)
    return "".join(look.paint(look.either(*SIGNS[name]) * len(list(run)), name) for name, run in groupby(names))


def _cells(shares: Sequence[int], width: int) -> list[int]:
    """Whole cells in proportion: each share that is not nothing has one at least, the largest pays for it."""
    whole = sum(shares)
    counts = [max(1, round(width * share / whole)) if share else 0 for share in shares]
    counts[counts.index(max(counts))] += width - sum(counts)
    return counts


def bar_head(width: int) -> str:
    """What its parts are, above them."""
    if width < 23:
        return "ours" + "theirs".rjust(width - 4) if width >= 11 else "balance".ljust(width)[:width]
    return "ours" + "pending".center(width - 10) + "theirs"


def _htlcs(row: Row) -> list[Row]:
    found = row.get("htlcs")  # a plugin may have a list of channels of its own
    return [htlc for htlc in found if isinstance(htlc, Mapping)] if isinstance(found, list) else []


def _amount(row: Row, name: str) -> int:
    """An amount, or a reserve, that is there."""
    value = row.get(name)
    return max(0, value) if isinstance(value, int) else 0


def _state_style(row: Row) -> str:
    if row.get("frozen") or row.get("blocked_by"):
        return "bad"
    return "good" if row.get("state") == "normal" else "wait"


COLUMNS: Final[tuple[Column, ...]] = (
    *columns("channel_id:0:id peer:4:id"),
    Column("state", 3, 12, style=_state_style),
    *columns("capacity_sat:7 ours_msat:1"),
    Column("liquidity", 1, LEAST_BAR, draw=bar, head=bar_head, widest=WIDEST_BAR),
    *columns("theirs_msat:2 htlcs:5 providers:6:10 type:8:16 feerate_per_kw:9"),
)
WHOLE: Final = columns(
    "channel_id:0 state:1 capacity_sat:2 ours_msat:3 theirs_msat:4 htlcs:5 providers:6 peer:7 type:8 feerate_per_kw:9"
)


# What a channel needs to have said beneath its line: (field, how each of its values reads, whether it is in order)
_NOTES: Final[tuple[tuple[str, Callable[[Any], str], bool], ...]] = (
    ("frozen", lambda why: f"frozen: {why}", False),
    ("blocked_by", lambda name: f"close begun, and blocked by {name}", False),
    ("htlcs", lambda h: f"htlc {h['direction']} {text('_msat', h['amount_msat'])} sat, expires at height "
                        f"{h['cltv_expiry_height']}, {h['payment_hash'][:16]}", True),
    ("extension_outputs", lambda o: f"output of {o['provider']} ({o['kind']}) {text('_sat', o['amount_sat'])} sat in "
                                    f"{ {'ours': 'our', 'theirs': 'their'}[o['commitment']]} commitment, "
                                    f"{o['outpoint']}", True),
    ("onchain", lambda o: f"on chain: {o['state']}{_until(o['until_height'])} {text('_sat', o['amount_sat'])} sat "
                          f"({_whose(o)}) {_how(o)}{o['note'] + ' ' if o['note'] else ''}{o['outpoint']}", False),
)  # fmt: skip


def notes(row: Row, talkative: bool = True) -> list[str]:
    """The lines beneath a channel's; with many channels only those that somebody should look at."""
    lines = []
    if talkative and row.get("connected") is False and row.get("funding") and not row.get("closing_txid"):
        lines.append(AWAY)
    if row.get("closing_txid"):
        lines.append(clean(_closed(row)))
    for name, reads, in_order in _NOTES:
        if (name == "blocked_by" and row.get("closing_txid")) or (in_order and not talkative):
            continue  # it is closed, whoever was against it
        values = row.get(name) or []
        for value in [values] if isinstance(values, str) else values if isinstance(values, list) else []:
            try:
                lines.append(clean(reads(value)))
            except (KeyError, TypeError, AttributeError):  # a plugin's own field of this name
                continue
    return lines


def _how(output: Row) -> str:
    """How an output is taken: "by penalty abcd..., the peer's too from height 900; "."""
    if not output.get("by"):
        return ""
    claim = f" {output['claim'][:16]}" if output.get("claim") else ""
    rival = f", the peer's too from height {output['rival_height']}" if output.get("rival_height") else ""
    return f"by {output['by']}{claim}{rival}; "


def _whose(output: Row) -> str:
    return f"{output['provider']} {output['kind']}".strip()


def _closed(row: Row) -> str:
    deep = row.get("closing_confirmations") or 0
    blocks = f"{deep} {'block' if deep == 1 else 'blocks'} deep" if deep else "in no block yet"
    return f"{'closing' if row.get('state') == 'closing' else 'closed'} by {row['closing_txid']}, {blocks}"


def _until(height: int) -> str:
    return f" until height {height}" if height else ""
