"""Does each row of BOLT 5's cases end on a real bitcoind as it should, for each channel type?

A row says who takes an output at last, and by which kind of transaction. rows.py tells the stories, in which several
rows happen and which count every satoshi; each is told once for each type.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.e2e.chains import a_network
from tests.e2e.closing import preimage
from tests.e2e.judged import judging
from tests.e2e.rows import ANCHORS, STORIES, STRANGER, Day

STATIC = "static_remotekey"
TO_REMOTE = {STATIC: "payment from keys", ANCHORS: "sweep of to_remote (anchors)"}
DELAYED, PENALTY = "sweep of a delayed output", "penalty of a delayed output"


class Row(NamedTuple):
    """An output of a story's commitment, what takes it ("": TO_REMOTE's), and for whom; what else was heard."""

    story: str
    output: str
    by: str
    whose: str
    heard: Callable[[Day], bool] = lambda _: True
    only: str = ""


# Opener is alice: her HTLCs are 0/0 to 0/2, bob's 1/0 to 1/2. In `forced` the commitment is hers, so that her view is
# that of rows 1 to 10, and bob's that of rows 11 to 17.
ROWS = {
    "1 ours, to_local": Row("forced", "to_local", DELAYED, "alice"),
    "2 ours, our anchor": Row("forced", "anchor/0", "anchor", "alice", only=ANCHORS),
    "3 ours, to_remote": Row("forced", "to_remote", "", "bob"),
    "4 ours, offered HTLC, expired": Row(
        "forced", "htlc 0/1", "HTLC-timeout", "alice", lambda d: 1 in d.failed["alice"]
    ),
    "5 ours, HTLC-timeout output": Row("forced", "htlc 0/1 then", DELAYED, "alice"),
    "6 ours, offered HTLC claimed by preimage": Row(
        "forced", "htlc 0/0", "claim by preimage", "bob", lambda d: d.fulfilled["alice"] == {0: preimage(1)}
    ),
    "7 ours, received HTLC, preimage known": Row("forced", "htlc 1/0", "HTLC-success", "alice"),
    "8 ours, HTLC-success output": Row("forced", "htlc 1/0 then", DELAYED, "alice"),
    "9 ours, received HTLC, no preimage": Row("forced", "htlc 1/1", "claim by timeout", "bob"),
    "10 trimmed": Row("forced", "htlc 0/2", "nothing", "nobody", lambda d: d.failed["alice"] == [1, 2]),
    "11 theirs, to_remote": Row("forced", "to_remote", "", "bob", only=STATIC),
    "12 theirs, to_remote (anchors)": Row("forced", "to_remote", "", "bob", only=ANCHORS),
    "13 theirs, our anchor": Row("helped", "anchor/0", "anchor", "alice", only=ANCHORS),
    "14 theirs, our offered HTLC, expired": Row(
        "forced", "htlc 1/1", "claim by timeout", "bob", lambda d: d.failed["bob"] == [1]
    ),
    "15 theirs, our offered HTLC claimed": Row(
        "forced", "htlc 1/0", "HTLC-success", "alice", lambda d: d.fulfilled["bob"] == {0: preimage(3)}
    ),
    "16 theirs, their HTLC, preimage known": Row("forced", "htlc 0/0", "claim by preimage", "bob"),
    "17 theirs, their HTLC, no preimage": Row("forced", "htlc 0/1", "HTLC-timeout", "alice"),
    "18 revoked, to_local": Row("punished", "to_local", PENALTY, "bob"),
    "19 revoked, our offered HTLC": Row(
        "punished", "htlc 1/0", "penalty of an HTLC", "bob", lambda d: d.failed["bob"] == [0, 1, 2]
    ),
    "20 revoked, their offered HTLC": Row("punished", "htlc 0/0", "penalty of an HTLC", "bob"),
    "21 revoked, HTLC-timeout output": Row("moved", "htlc 0/0 then", PENALTY, "bob"),
    "22 revoked, HTLC-success output": Row(
        "moved", "htlc 1/0 then", PENALTY, "bob", lambda d: d.fulfilled["bob"] == {0: preimage(2), 1: preimage(3)}
    ),
    "23 revoked, to_remote": Row("punished", "to_remote", "", "bob"),
    "24 future, to_remote": Row("lost", "to_remote", "", "alice"),
    "25 anchors after 16 blocks": Row("anyone", "anchor/0", "anchor", STRANGER, only=ANCHORS),
}
CASES = [(name, kind) for kind in (STATIC, ANCHORS) for name, row in ROWS.items() if row.only in ("", kind)]
# What bitcoind may say where a story has two sides race for an output, or one that slept: somebody was first.
LATE = ("missing-inputs", "insufficient fee")
Told = Callable[[str, str], Day]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The end of a story, by its name and a channel type; each is told once."""
    ends: dict[tuple[str, str], Day | BaseException] = {}

    async def tell(story: str, kind: str) -> Day:
        with judging() as found:
            async with a_network(tmp_path_factory.mktemp(story), "bitcoind") as network:
                day = await STORIES[story](network, kind)
        assert all(each.endswith(LATE) for each in found.refused), found.refused
        return day

    def end(story: str, kind: str) -> Day:
        if (story, kind) not in ends:
            try:
                ends[story, kind] = asyncio.run(tell(story, kind))
            except Exception as error:
                ends[story, kind] = error
        found = ends[story, kind]
        if isinstance(found, BaseException):
            raise found
        return found

    return end


@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}, {kind}" for name, kind in CASES])
def test_row(told: Told, name: str, kind: str) -> None:
    row = ROWS[name]
    day = told(row.story, kind)
    assert day.taken.get(row.output, ("nothing", "nobody")) == (row.by or TO_REMOTE[kind], row.whose)
    assert row.heard(day), (day.fulfilled, day.failed)


def test_every_row_is_there() -> None:
    assert {int(name.split()[0]) for name in ROWS} == set(range(1, 26))
    print(f"{len(CASES)} cases of {len(ROWS)} rows and two channel types")
