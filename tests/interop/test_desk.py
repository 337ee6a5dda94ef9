"""Does `make peer` give a person an LDK node that does as it is told, and nodes to start beside it?"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from contrib.ldk.desk import COMMANDS, Unclear, amount_of
from contrib.ldk.driver import folder
from lnpd.config.table import OPTIONS
from tests.interop.bitcoind import needed

ROOT = Path(__file__).parents[2]
TYPED = """\
opne 3
mine x
mine 2
invoice 1,000 a cup of tea
pay lnbc
channels
close ab
connect 02aa
help
"""
SECONDS = 120


@pytest.mark.parametrize(("word", "amount"), [("1", 1), ("1,000", 1000), ("25_000sat", 25_000)])
def test_amounts_are_read_as_people_write_them(word: str, amount: int) -> None:
    assert amount_of(word) == amount


@pytest.mark.parametrize("word", ["", "0", "-1", "1.5", "many", "٣", "9" * 40])
def test_other_amounts_are_refused_with_a_sentence(word: str) -> None:
    with pytest.raises(Unclear, match="whole number"):
        amount_of(word)


def test_a_script_at_the_prompt() -> None:
    needed("LDK", folder)
    done = subprocess.run(
        [sys.executable, "-m", "contrib.ldk"],
        input=TYPED, text=True, capture_output=True, timeout=SECONDS, cwd=ROOT, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for sentence in (
        r"^0[23][0-9a-f]{64}@127\.0\.0\.1:\d+$",
        r"lnpd --config \S+/bob\.toml$",
        r"^There is no command 'opne': channels, ",
        r"^The number of blocks is a whole number",
        r"^The chain is at height 104\.$",
        r"^lnbcrt10u1",
        r"^LDK says: pay: ",
        r"^LDK has no channel\.$",
        r"^No channels of LDK's begin with ab;",
        r"^A node's address is ID@HOST:PORT",
        r"^bitcoind and LDK are stopped; the folder is removed\.$",
    ):
        assert re.search(sentence, done.stdout, re.MULTILINE), (sentence, done.stdout)
    assert [name for name in COMMANDS if f"\n  {name} " not in done.stdout] == []
    (started,) = re.findall(r"lnpd --config (\S+)/alice\.toml$", done.stdout, re.MULTILINE)
    assert not Path(started).exists()


def test_the_file_for_a_node_has_keys_that_lnpd_knows() -> None:
    text = (ROOT / "contrib" / "ldk" / "__main__.py").read_text()
    known = {row.key for row in OPTIONS}
    used = set(re.findall(r"^([a-z_]+) = [\"\[{t]", text[text.index("CONFIG: Final") :], re.MULTILINE))
    assert used and used - known == set()
