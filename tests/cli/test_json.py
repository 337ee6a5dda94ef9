"""Does every command answer a program with JSON, and nothing else on standard output?"""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from lnpd.cli import daemon, lnp
from lnpd.cli.ask import TABLE
from lnpd.cli.exits import OK, WRONG
from lnpd.rpc.commands import Command
from lnpd.rpc.kinds import check
from lnpd.store.store import Store
from tests.cli.called import called
from tests.services.rpc.small_node import CHANNEL_ID, INVOICE, PEER_ID, in_thread

# A value of each kind that is a word of some command.
WORDS = {
    "text": "memo", "sat": "50000", "msat": "21sat", "peer": PEER_ID, "channel": CHANNEL_ID, "invoice": INVOICE,
    "listen_address": "127.0.0.1:9735", "peer_address": f"{PEER_ID}@127.0.0.1:9735", "plugin": "lockbox",
    "bitcoin_address": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "shell": "bash", "ids": "peer",
    "setting": "alias", "path": "box", "outpoint": f"{CHANNEL_ID}:0",
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


# --- lnpd, whose moment of readiness, restore and regtest are in tests of theirs


def answered(words: list[str], folder: Path, stdin: str = "", code: int = OK) -> Any:  # Any: a JSON value
    done = called(daemon.main, [*words, "--json"], stdin, {"HOME": str(folder)}, folder)
    assert done.code == code, done
    return json.loads(done.out if code in (OK, WRONG) else done.err)


def test_lnpd_answers_a_program(tmp_path: Path) -> None:
    node = tmp_path / "node"
    at = ["--directory", str(node)]
    assert answered(["--version"], tmp_path) == {"version": version("lnpd")}
    told = answered(["--check-config", *at, "--alias", "ada"], tmp_path)
    rows = {row["key"]: row for row in told["settings"]}
    assert told["files"] == [] and rows["alias"]["value"] == "ada" and rows["alias"]["source"] == "argument"
    made = answered(["init", *at, "--plain-seed"], tmp_path)
    assert made["seed"] == str(node / "seed") and made["encrypted"] is False and len(made["words"].split()) == 24
    refused = answered(["init", *at, "--plain-seed"], tmp_path, code=18)["error"]
    assert (refused["name"], refused["code"]) == ("SeedFileExists", None) and str(node) in refused["message"]
    given = answered(["init", "--directory", str(tmp_path / "b"), "--plain-seed", "--words"], tmp_path, made["words"])
    assert given["words"] is None, "what was typed is known"
    Store.open(node, "regtest").close_sync()
    looked = answered(["check", *at], tmp_path)
    assert looked == {"channels": 0, "commitments": 0, "with_chain": False, "problems": []}
    assert answered(["--nonsense"], tmp_path, code=2)["error"]["name"] == "ConfigRefused"


def test_lnpd_tells_a_person_its_version(tmp_path: Path) -> None:
    assert called(daemon.main, ["--version"], folder=tmp_path).out == f"lnpd {version('lnpd')}\n"
