"""What does the shell offer at each place of a line?"""

from collections.abc import Sequence

import pytest

from lnpd.cli.completion import Known, suggestions
from lnpd.rpc.commands import COMMANDS, Command, Parameter

PUT = Command("lockbox-put", "Plugins", "Locks.", None, (Parameter("channel", "channel", "which"),), plugin="lockbox")
VALUES: dict[str, list[Known]] = {
    "peer": [("03b2", "127.0.0.1:9736"), ("03c4", "")],
    "channel": [("c3c3", "normal 1000000")],
    "invoice": [("lnbcrt1abc", "open a coffee")],
    "names": [("lockbox", "lockbox ready")],
}


def known(kind: str) -> Sequence[Known]:
    return VALUES.get(kind, [])


def offered(line: str) -> dict[str, str]:
    found = suggestions(line, (*COMMANDS, PUT), known)
    return {line[: len(line) - s.length] + s.text: s.help for s in found}


PLUGIN = [command.name for command in COMMANDS if command.name.startswith("plugin ")]
EXPECTED: dict[str, tuple[str, list[str]]] = {
    "commands": ("p", ["ping", "peers", "pay", "payments", *PLUGIN]),
    "one": ("inf", ["info"]),
    "two words": ("plugin l", ["plugin list"]),
    "a plugin's": ("lockb", ["lockbox-put"]),
    "nothing fits": ("zzz", []),
    "a peer": ("ping ", ["ping 03b2", "ping 03c4"]),
    "a peer, begun": ("ping 03c", ["ping 03c4"]),
    "a channel": ("close ", ["close c3c3"]),
    "a plugin's channel": ("lockbox-put c", ["lockbox-put c3c3"]),
    "an invoice": ("pay ln", ["pay lnbcrt1abc"]),
    "an amount is the person's": ("open 03b2 ", []),
    "options after the words": (
        "close c3c3 ",
        ["close c3c3 --force", "close c3c3 --destination", "close c3c3 --not-restored"],
    ),
    "an option, begun": ("close c3c3 --f", ["close c3c3 --force"]),
    "an option is given once": ("close c3c3 --force --f", []),
    "an option's value": ("open 03b2 100000 --providers ", ["open 03b2 100000 --providers lockbox"]),
    "after an option's value": ("close --destination x ", ["close --destination x c3c3"]),
    "common options": ("info --js", ["info --json"]),
    "help of a command": ("help clo", ["help close"]),
    "leaving": ("ex", ["exit"]),
}


@pytest.mark.parametrize("case", EXPECTED)
def test_what_may_come_next(case: str) -> None:
    line, expected = EXPECTED[case]
    assert list(offered(line)) == expected


def test_each_suggestion_is_described() -> None:
    assert offered("pi")["ping"] == "Send a ping and time its pong."
    assert offered("close ")["close c3c3"] == "normal 1000000"
    assert offered("close c3c3 --fo")["close c3c3 --force"] == "broadcast our commitment: the peer need not agree"


def test_an_empty_line_offers_every_command() -> None:
    assert set(offered("")) >= {command.name for command in COMMANDS}
