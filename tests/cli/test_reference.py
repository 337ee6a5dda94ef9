"""Does the printed reference hold every row of the tables, and does bash take the completion?"""

import subprocess

import pytest

from lnpd.cli.exits import LNP_EXITS, LNPD_EXITS
from lnpd.cli.reference import bash_completion, main, reference
from lnpd.cli.tools import HERE
from lnpd.config.table import OPTIONS
from lnpd.rpc.codes import CODES
from lnpd.rpc.commands import COMMANDS

OF_PLUGINS = [c.name.split()[1] for c in (*COMMANDS, *HERE) if c.name.startswith("plugin ")]


def test_everything_that_the_tables_hold_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert printed == reference()
    wanted = [f"### {command.name}\n" for command in (*COMMANDS, *HERE)]
    wanted += [f"| `{p.name}` | {p.kind} |" for command in COMMANDS for p in command.parameters]
    wanted += [example for command in COMMANDS for example in command.examples]
    wanted += [row.flag for row in OPTIONS]
    wanted += [f"| {code} | {meaning} |" for code, meaning in LNP_EXITS.items()]
    wanted += [f"| {code} | {meaning} |" for code, (meaning, _) in LNPD_EXITS.items()]
    wanted += [f"| {code} | `{kind.__name__}` |" for kind, code in CODES.items()]
    assert [text for text in wanted if text not in printed] == []


def test_results_are_described_field_by_field() -> None:
    printed = reference()
    assert "| `ours_msat` | integer |" in printed
    assert "| `htlcs` | list of Htlc |" in printed and "| `cltv_expiry_height` | integer |" in printed
    assert "| `amount_msat` | integer or null |" in printed
    assert "| `opener` | 'us' or 'them' |" in printed


@pytest.mark.parametrize(
    ("line", "cursor", "expected"),
    [
        (["lnp", "pa"], 1, ["pay", "payments"]),
        (["lnp", "plugin", ""], 2, OF_PLUGINS),
        (["lnp", "close", "c3", "--f"], 3, ["--force"]),
        (["lnp", "info", "--js"], 2, ["--json"]),
        (["lnp", "ping", ""], 2, []),
    ],
)
def test_bash_completes(line: list[str], cursor: int, expected: list[str]) -> None:
    words = " ".join(f"'{word}'" for word in line)
    script = (
        f"{bash_completion()}\nCOMP_WORDS=({words}); COMP_CWORD={cursor}; _lnp\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == expected and done.stderr == ""
