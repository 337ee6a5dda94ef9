"""What does the shell offer at each place of a line?"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from lnpd.cli.shell.completion import Known, shortened, suggestions
from lnpd.cli.shell.own import OWN
from lnpd.rpc.commands import COMMANDS, Command, Parameter
from lnpd.rpc.described import extended

PUT = Command("lockbox-put", "Plugins", "Locks.", None, (Parameter("channel", "channel", "which"),), plugin="lockbox")
OPEN = Command("lockbox open", "Plugins", "Opens.", None, (Parameter("box", "channel", "which"),), plugin="lockbox")
ADDED = {"open": [Parameter("boxes", "integer", "how many", False, plugin="lockbox")]}
VALUES: dict[str, list[Known]] = {
    "peer": [Known("03b2", "127.0.0.1:9736", True), Known("03c4", "", True)],
    "channel": [Known("c3c3", "normal 1000000", True)],
    "invoice": [Known("lnbcrt1abc", "open a coffee")],
    "names": [Known("lockbox", "lockbox ready")],
}


def known(kind: str) -> Sequence[Known]:
    return VALUES.get(kind, [])


def offered(line: str) -> dict[str, str]:
    found = suggestions(line, (*(extended(command, ADDED) for command in COMMANDS), PUT, OPEN, *OWN), known)
    return {line[: len(line) - s.length] + s.text: s.help for s in found}


PLUGIN = [command.name for command in COMMANDS if command.name.startswith("plugin ")]
EXPECTED: dict[str, tuple[str, list[str]]] = {
    "commands": ("p", ["ping", "peers", "pay", "payments", *PLUGIN]),
    "one": ("inf", ["info"]),
    "two words": ("plugin l", ["plugin list"]),
    "a plugin's": ("lockb", ["lockbox-put", "lockbox open"]),
    "what a plugin adds": ("open 03b2 100000 --bo", ["open 03b2 100000 --boxes"]),
    "of a plugin's group": ("lockbox ", ["lockbox open"]),
    "a value of one of a group": ("lockbox open ", ["lockbox open c3c3"]),
    "nothing fits": ("zzz", []),
    "a peer": ("ping ", ["ping 03b2", "ping 03c4"]),
    "a peer, begun": ("ping 03c", ["ping 03c4"]),
    "a channel": ("close ", ["close c3c3"]),
    "a plugin's channel": ("lockbox-put c", ["lockbox-put c3c3"]),
    "an invoice": ("pay ln", ["pay lnbcrt1abc"]),
    "an amount is the person's": ("open 03b2 ", []),
    "options after the words": (
        "close c3c3 ",
        ["close c3c3 --force", "close c3c3 --destination", "close c3c3 --not-restored", "close c3c3 --max-fee-sat"],
    ),
    "an option, begun": ("close c3c3 --f", ["close c3c3 --force"]),
    "an option is given once": ("close c3c3 --force --f", []),
    "an option's value": ("open 03b2 100000 --providers ", ["open 03b2 100000 --providers lockbox"]),
    "after an option's value": ("close --destination x ", ["close --destination x c3c3"]),
    "common options": ("info --js", ["info --json"]),
    "help of a command": ("help clo", ["help close"]),
    "leaving": ("ex", ["exit"]),
    "of what is watched": ("watch clo", ["watch close"]),
    "after the program's name": ("lnp inf", ["lnp info"]),
    "the shell's own": ("set con", ["set confirm"]),
    "on or off": ("set confirm o", ["set confirm on", "set confirm off"]),
    "a QR code": ("address --q", ["address --qr"]),
    "in a comment": ("info # p", []),
    "behind what is quoted": ("invoice 'a b' --am", ["invoice 'a b' --amount-msat"]),
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


def test_an_id_is_completed_to_as_few_digits_as_it_takes() -> None:
    one, other = "ab" * 32, "ab" * 5 + "cd" * 27
    assert shortened([one]) == {one: one[:8]}
    assert shortened([one, other, "ff" * 32]) == {one: one[:11], other: other[:11], "ff" * 32: "ff" * 4}
    assert shortened([one, one]) == {one: one[:8]} and shortened([]) == {}


def test_paths_are_completed_folder_by_folder(tmp_path: Path) -> None:
    for name in ("plugins/", "pay.txt", ".hidden"):
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    line = f"plugin start {tmp_path}/p"
    assert list(offered(line)) == [f"plugin start {tmp_path}/pay.txt", f"plugin start {tmp_path}/plugins/"]
    assert offered(f"plugin start {tmp_path}/plug")[f"plugin start {tmp_path}/plugins/"] == "folder"
    assert list(offered(f"plugin start {tmp_path}/.h")) == [f"plugin start {tmp_path}/.hidden"]
    assert offered(f"plugin start {tmp_path}/nowhere/x") == {}
    assert list(offered("plugin stop ")) == []
