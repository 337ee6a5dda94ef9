"""Does the printed reference hold every row of the tables?"""

import pytest

from lnpd.cli.exits import LNP_EXITS, LNPD_EXITS
from lnpd.cli.reference import main, reference
from lnpd.cli.tools import HERE
from lnpd.config.table import OPTIONS
from lnpd.rpc.codes import CODES
from lnpd.rpc.commands import COMMANDS


def test_everything_that_the_tables_hold_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
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
