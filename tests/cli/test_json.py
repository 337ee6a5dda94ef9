"""Does every command answer a program with JSON, and nothing else on standard output?"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lnpd.cli import lnp
from lnpd.cli.ask import TABLE
from lnpd.cli.exits import OK, WRONG
from lnpd.rpc.commands import Command
from lnpd.rpc.kinds import check
from tests.cli.called import called
from tests.services.rpc.small_node import CHANNEL_ID, INVOICE, PEER_ID, in_thread

# A value of each kind that is a word of some command.
WORDS = {
    "text": "memo", "sat": "50000", "msat": "21sat", "peer": PEER_ID, "channel": CHANNEL_ID, "invoice": INVOICE,
    "listen_address": "127.0.0.1:9735", "peer_address": f"{PEER_ID}@127.0.0.1:9735", "plugin": "lockbox",
    "bitcoin_address": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "shell": "bash", "ids": "peer",
    "setting": "alias", "path": "box",
}  # fmt: skip
MORE = {"close": ["--force"]}  # the small node refuses others
NO_ANSWER = {
    "events": "has no end; tests/cli/test_lnp.py reads its lines",
    "log": "has no end with --follow; tests/cli/test_log.py",
    "fund": "the small node's faucet has a defect",
    "plugin run": "is a shell",
    "plugin check": "needs a plugin; tests/cli/plugin/test_check.py",
    "plugin replay": "needs a golden file",
    "watch": "has no end",
    "wait": "waits for what never comes",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("asked")
    with in_thread(folder):
        yield folder


@pytest.mark.parametrize("command", [c for c in TABLE if c.name not in NO_ANSWER], ids=lambda command: command.name)
def test_each_command_answers_a_program(command: Command, place: Path) -> None:
    words = [*command.name.split(), *(WORDS[p.kind] for p in command.parameters if p.required)]
    more = [] if command.name == "plugin new" else ["--directory", str(place)]  # there it is where the plugin goes
    done = called(lnp.main, [*more, *words, *MORE.get(command.name, []), "--json"], folder=place)
    assert done.code in ((OK, WRONG) if command.name == "doctor" else (OK,)) and done.err == "", done
    json.loads(done.out)


def test_what_is_left_out_is_left_out_for_a_reason() -> None:
    assert all(NO_ANSWER.values())
    for kind, word in WORDS.items():
        if kind not in ("sat", "msat", "path"):
            check(kind, kind, word)
