"""Is there a page of the manual for each program and command, does groff take it without a word, and is all in it?"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lnpd.cli import daemon
from lnpd.cli.ask import TABLE
from lnpd.cli.exits import LNP_EXITS
from lnpd.cli.lnp import main
from lnpd.cli.printed import roff
from lnpd.cli.printed.manual import pages
from lnpd.config.table import OPTIONS

MACROS = ("TH", "SH", "SS", "PP", "TP", "RS", "RE", "nf", "fi", "nh", "ad l")


def test_each_program_and_command_has_a_page() -> None:
    wanted = {"lnp", "lnpd", *(f"lnpd-{name}" for name in daemon.PROGRAMS)}
    wanted |= {"lnp-" + command.name.replace(" ", "-") for command in TABLE}
    assert set(pages()) == wanted


def test_what_the_tables_say_is_in_the_pages() -> None:
    for command in TABLE:
        page = pages()["lnp-" + command.name.replace(" ", "-")]
        wanted = [roff.escaped(p.flag) for p in command.parameters if not p.required]
        wanted += [roff.escaped(p.name.upper()) for p in command.parameters if p.required]
        wanted += [roff.escaped(example) for example in command.examples]
        wanted += [roff.escaped(kind.__name__) for kind in command.refused]
        wanted += [roff.marked(meaning) for meaning in LNP_EXITS.values()]
        assert [text for text in wanted if text not in page] == [], command.name
    assert [
        row.flag for row in OPTIONS if "lnpd" in row.programs and roff.escaped(row.flag) not in pages()["lnpd"]
    ] == []


def test_each_line_is_a_macro_or_a_text_that_begins_with_none() -> None:
    for name, page in pages().items():
        for line in page.splitlines():
            assert line.isascii() and line, name
            assert not line.startswith("'"), line
            if line.startswith("."):
                assert line[1:].startswith(MACROS), line
            assert re.fullmatch(r"(?:[^\\]|\\(?:[-e&]|f[BIP]|\((?:aq|ga|ha|ti)|\[u[0-9A-F]{4,6}\]))*", line), line


def test_groff_has_nothing_to_say(tmp_path: Path) -> None:
    if not shutil.which("groff"):
        pytest.skip("groff is not installed: nobody reads the pages of the manual as man does")
    for name, page in pages().items():
        (tmp_path / f"{name}.1").write_text(page)
    done = subprocess.run(
        ["groff", "-ww", "-man", "-Tutf8", *sorted(tmp_path.glob("*.1"))], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
    assert "lnp close 3f2a91 --force" in shown and "~/.local/share/lnpd/NETWORK" in shown


def test_roff_means_nothing_that_a_text_says() -> None:
    assert roff.escaped(".SH it's a\\b") == "\\&.SH it\\(aqs a\\eb"
    assert roff.marked("say `lnp -h` now") == "say \\fBlnp \\-h\\fP now"
    assert roff.marked("an odd ` one") == "an odd \\(ga one"


def test_a_page_is_printed_where_nobody_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, name in (
        (["man"], "lnp"),
        (["man", "plugin", "list"], "lnp-plugin-list"),
        (["man", "lnpd-init"], "lnpd-init"),
    ):
        assert main(words) == 0
        assert capsys.readouterr().out == pages()[name]
    assert main(["man", "pay", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"page": "lnp-pay", "source": pages()["lnp-pay"]}
    assert main(["man", "pya"]) == 2
    assert capsys.readouterr().err == "lnp: There is no page 'pya' in the manual; did you mean 'pay'?\n"
    assert main(["man", "--write", str(tmp_path / "man1")]) == 0
    assert {path.stem for path in (tmp_path / "man1").glob("*.1")} == set(pages())
    (tmp_path / "file").touch()
    assert main(["man", "--write", str(tmp_path / "file")]) == 1
