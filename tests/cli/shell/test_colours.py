"""Which colour has each word while it is typed, and when is one wrong?"""

from collections.abc import Sequence

import pytest

from lnpd.cli.ask import TABLE
from lnpd.cli.shell.colours import pieces
from lnpd.cli.shell.completion import Known
from lnpd.cli.shell.own import OWN

PEER = "03" + "b2" * 32
CHANNEL = "c3" * 32


def known(kind: str) -> Sequence[Known]:
    return {"peer": [Known(PEER, "", True)], "channel": [Known(CHANNEL, "", True)]}.get(kind, ())


LINES: dict[str, str] = {
    "p": "command",
    "pay": "command",
    "pai": "wrong",
    "plug": "command",
    "plugin l": "command command",
    "plugin list": "command command",
    "plugin lst": "wrong wrong",
    "plugin lst ": "wrong wrong",
    "pa ": "wrong",
    "lnp peers": "command command",
    "help pay": "command command",
    "watch channels --onchain": "command command option",
    "set confirm off": "command command value",
    f"close {CHANNEL[:8]}": "command id",
    "close c": "command id",
    "close d": "command wrong",
    "close c3c3 ": "command wrong",  # too few digits
    "close c3c3c3 --fo": "command id option",
    "close c3c3c3 --foo": "command id wrong",
    "close c3c3c3 more ": "command id wrong",
    f"open {PEER[:8]} 1000": "command id amount",
    f"open {PEER[:8]} 0.01b": "command id amount",
    f"open {PEER[:8]} 0.01btc ": "command id amount",
    f"open {PEER[:8]} 0.01bts ": "command id wrong",
    f"open {PEER[:8]} lots": "command id wrong",
    f"open {PEER[:8]} 1000 --providers lockbox": "command id amount option value",
    "ping 02a2a2a2": "command wrong",  # nobody that is known
    "info --timeout 5 --json": "command option value option",
    "pay lnbc --max-fee-msat 5sat": "command wrong option amount",
    "address --qr": "command option",
    "peers # who is there": "command comment",
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_coloured(line: str) -> None:
    found = pieces(line, (*TABLE, *OWN), known)
    assert " ".join(colour for _, _, colour in found) == LINES[line]
    shown = [line[start:end] for start, end, _ in found]
    assert "".join(shown).replace(" ", "") == line.replace(" ", "")
