"""Do bash, zsh and fish take what `lnp completion` prints, and complete commands, options, values, files and ids?"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lnpd.cli.ask import TABLE
from lnpd.cli.lnp import main
from lnpd.cli.printed import programs
from lnpd.cli.printed.bash import bash
from lnpd.cli.printed.fish import fish
from lnpd.cli.printed.zsh import zsh
from lnpd.config import NETWORKS
from lnpd.config.table import OPTIONS
from lnpd.rpc.commands import COMMANDS
from tests.services.rpc.small_node import CHANNEL_ID, PEER_ID, in_thread

PROGRAMS = (programs.lnp(), programs.lnpd())
SCRIPTS = {"bash": bash(PROGRAMS), "zsh": zsh(PROGRAMS), "fish": fish(PROGRAMS)}
OF_PLUGINS = [row.name.split()[1] for row in TABLE if row.name.startswith("plugin ")]

# What is typed before Tab, with | where the cursor's word begins, and what is offered.
LINES: dict[str, list[str]] = {
    "lnp|inv": ["invoice", "invoices"],
    "lnp|plugin": ["plugin"],
    "lnp plugin|": OF_PLUGINS,
    "lnp plugin|re": ["reload", "replay"],
    "lnp --json estimate|": ["send", "open", "close", "pay"],
    "lnp close c3c3c3|--n": ["--network", "--not-restored"],
    "lnp info|--js": ["--json"],
    "lnp --network|": list(NETWORKS),
    "lnp --network regtest pla": [],
    "lnp fund|": [],
    "lnp completion|": ["bash", "fish", "zsh"],
    "lnp config set|fee_": ["fee_base_msat", "fee_proportional_millionths"],
    "lnp plugin explain|htlc": ["htlc_accepted"],
    "lnp log --level|": ["debug", "error", "info", "warning"],
    "lnp man plugin|relo": ["reload"],
    "lnp help|disc": ["disconnect"],
    "lnp backup-database|box": ["box.py", "boxes"],
    "lnp --directory|box": ["boxes"],
    # what a node knows
    "lnp --directory {node} close|": [CHANNEL_ID],
    "lnp --directory {node} ping|03b2": [PEER_ID],
    "lnp --directory {node} open 0279be 10 --providers|": ["lockbox"],
    "lnp --directory {node} lockbox-p": ["lockbox-put"],
    "lnp --directory {node} lockb": ["lockbox", "lockbox-put"],
    "lnp --directory {node} plugin stop|lo": ["lockbox"],
    "lnp --directory {empty} close|": [],
    # lnpd
    "lnpd|": ["check", "init", "regtest", "restore"],
    "lnpd|--plugin-s": ["--plugin-sandbox"],
    "lnpd --plugin-sandbox|": ["always", "auto", "never"],
    "lnpd --signer|": ["in-process", "process"],
    "lnpd --upfront-shutdown|": ["off", "wallet"],
    "lnpd init|--w": ["--words"],
    "lnpd check|box": ["box.py", "boxes"],
    "lnpd --plugin|box": ["box.py", "boxes"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with files, a node, a data directory without one, and `lnp` on the path."""
    folder = tmp_path_factory.mktemp("typed")
    for name in ("boxes", "node", "empty", "bin"):
        (folder / name).mkdir()
    (folder / "box.py").touch()
    program = folder / "bin" / "lnp"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lnpd.cli.lnp --timeout 30 "$@"\n')
    program.chmod(0o755)
    with in_thread(folder / "node"):
        yield folder


def of(place: Path, line: str) -> tuple[list[str], str]:
    """The words before the cursor's, and the cursor's."""
    begun, bar, word = line.partition("|")
    if not bar:
        begun, _, word = line.rpartition(" ")
    return [each.format(node="node", empty="empty") for each in begun.split()], word


def ran(place: Path, *words: str, stdin: str = "") -> str:
    environment = os.environ | {"PATH": f"{place / 'bin'}:{os.environ['PATH']}", "HOME": str(place)}
    done = subprocess.run(
        words, input=stdin, capture_output=True, text=True, timeout=120, cwd=place, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_a_real_bash_completes(place: Path) -> None:
    script = [SCRIPTS["bash"]]
    for line in LINES:
        before, word = of(place, line)
        words = " ".join(f"'{each}'" for each in (*before, word))
        script.append(f"COMP_WORDS=({words}); COMP_CWORD={len(before)}; COMPREPLY=(); _{before[0]}")
        script.append('(IFS=" "; echo "${COMPREPLY[*]}")')
    (place / "script").write_text("\n".join(script))
    told = ran(place, "bash", "--norc", "script").splitlines()
    found = {line: sorted(answer.split()) for line, answer in zip(LINES, told, strict=True)}
    assert found == {line: sorted(wanted) for line, wanted in LINES.items()}


def test_a_real_fish_completes(place: Path) -> None:
    if not shutil.which("fish"):
        pytest.skip("fish is not installed: nobody completes with what is printed for it")
    (place / "lnp.fish").write_text(SCRIPTS["fish"])
    script = ["source lnp.fish"]
    for line in LINES:
        before, word = of(place, line)
        script += [f"complete -C '{' '.join([*before, word])}'", "echo ====="]
    told = ran(place, "fish", "--no-config", "-c", "\n".join(script)).split("=====\n")
    found = {
        line: sorted(row.split("\t")[0] for row in answer.splitlines())
        for line, answer in zip(LINES, told, strict=False)
    }
    wanted = {line: sorted(f"{word}/" if word == "boxes" else word for word in words) for line, words in LINES.items()}
    assert found == wanted


@pytest.mark.parametrize("shell", SCRIPTS)
def test_each_shell_takes_its_script(shell: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    printed = capsys.readouterr().out
    assert printed == SCRIPTS[shell]
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed: nobody reads what is printed for it")
    (place / f"of.{shell}").write_text(printed)
    assert ran(place, shell, "-n", f"of.{shell}") == ""


@pytest.mark.parametrize("shell", SCRIPTS)
def test_each_row_of_the_tables_is_in_it(shell: str) -> None:
    dashes = "-l " if shell == "fish" else "--"
    wanted = [word for command in TABLE for word in command.name.split()]
    wanted += [p.flag.replace("--", dashes, 1) for row in COMMANDS for p in row.parameters if not p.required]
    wanted += [row.flag.replace("--", dashes, 1) for row in OPTIONS]
    assert [word for word in wanted if word not in SCRIPTS[shell]] == []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_an_option_has_a_value_in_every_command_or_in_none(program: programs.Program) -> None:
    """The scripts find the command among the words by that."""
    flags = [flag for line in program.lines for flag in line.flags]
    assert {flag.flag for flag in flags if flag.value is None} & set(program.valued) == set()


def test_what_a_node_knows_is_told_with_its_meaning_or_not_at_all(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--directory", str(place / "node"), "complete-ids", "peer"]) == 0
    assert capsys.readouterr().out == f"{PEER_ID}\t127.0.0.1:9736\n"
    assert main(["--directory", str(place / "node"), "complete-ids", "invoice", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["help"] == "open: a coffee[31m", "no terminal is led astray by a description"
    assert main(["--directory", str(place / "empty"), "complete-ids", "peer"]) == 0
    assert capsys.readouterr() == ("", "")
