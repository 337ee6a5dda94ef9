"""Are there forty everyday tasks, and does each command of lnpd among them mean something to the programs' tables?"""

import shlex

import pytest

from contrib.docs.tasks import GROUPS, Task, tasks
from lnpd.cli import arguments
from lnpd.cli.ask import TABLE
from lnpd.cli.daemon import PROGRAMS

ID = "02" + "a1" * 32
STAND_FOR = {
    "NODE_ID@HOST:9735": f"{ID}@127.0.0.1:9735", "PEER": ID[:8], "CHANNEL": "3f2a91",
    "INVOICE": "lnbcrt210n1" + "q" * 60,
    "ADDRESS": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
}  # fmt: skip
ROWS = [row for _, rows in GROUPS for row in rows]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_each_command_of_ours_is_one(row: Task) -> None:
    program, *words = [STAND_FOR.get(word, word) for word in shlex.split(row.lnpd)]
    if program == "lnpd":
        name = words.pop(0) if words else ""
        assert name in ("", *PROGRAMS)
        assert words == ([] if name != "restore" else ["channels.backup"])
        return
    assert program == "lnp"
    if words[0] == "help":
        words = words[1:]
        assert arguments.find(words, TABLE)[1] == []
        return
    command, rest = arguments.find(words, TABLE)
    arguments.params(command, rest)


def test_there_are_forty_side_by_side() -> None:
    assert len({row.what for row in ROWS}) == len(ROWS) >= 40
    assert all(row.lnpd for row in ROWS)
    for row in ROWS:
        assert row.core_lightning.startswith(("lightning-cli ", "lightningd")) or not row.core_lightning
        assert row.lnd.startswith(("lncli ", "lnd")) or not row.lnd
        assert row.electrum.endswith(")") or row.electrum.startswith("electrum ") or not row.electrum
    page = tasks()
    assert [row.what for row in ROWS if f"| {row.what} | `{row.lnpd}` |" not in page] == []
