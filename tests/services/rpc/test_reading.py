"""Is what a key may ask that only reads named, command by command? Who adds one has to say here that it is harmless."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest

from lnpd.errors import OnlyReads
from lnpd.rpc.commands import COMMANDS, Command
from lnpd.services.rpc import reading

READABLE = frozenset({
    "info", "help", "events", "log", "doctor", "history", "backup", "check", "ping", "peers", "funds", "channels",
    "commitment", "invoices", "decode", "forwards", "payments", "estimate send", "estimate open", "estimate close",
    "estimate pay", "plugin list", "plugin explain", "plugin grants",
})  # fmt: skip
SECRET_FIELDS = frozenset({"preimage", "secret", "seed", "passphrase", "password", "entropy", "key", "private_key"})


def _fields(kind: Any) -> Iterator[str]:  # Any: a type
    for inner in get_args(kind):
        yield from _fields(inner)
    for name, annotation in getattr(kind, "__annotations__", {}).items():
        yield name
        yield from _fields(annotation)


def test_what_a_reader_may_ask_is_in_the_list() -> None:
    allowed = set()
    for command in COMMANDS:
        try:
            reading.check(command)
        except OnlyReads:
            continue
        allowed.add(command.name)
    assert allowed == READABLE


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.name in READABLE], ids=lambda c: str(c.name))
def test_no_answer_to_a_reader_has_a_field_of_a_secret(command: Command) -> None:
    assert SECRET_FIELDS & set(_fields(command.result)) <= set(command.hidden)


def test_a_plugins_command_is_refused_whatever_it_says_of_itself() -> None:
    with pytest.raises(OnlyReads):
        reading.check(Command("lamp-show", "Plugins", "It changes nothing.", plugin="lamp"))
