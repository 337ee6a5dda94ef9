"""Does `lnp plugin check` find what a node would refuse, and what two nodes would disagree about?"""

import json
import textwrap
from pathlib import Path

import pytest

from lnpd.cli import lnp
from lnpd.cli.plugin.check import check
from lnpd.cli.plugin.report import Report
from lnpd.cli.plugin.shown import MAX_CHARACTERS, shown

ROOT = Path(__file__).resolve().parents[3]
BAD = ROOT / "tests" / "plugins" / "bad"

HEAD = """
import os, time
from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import *

plugin = Plugin("odd", "1")
plugin.channel_type(ChannelTypeSpec("odd/plain", "static_remotekey", (("odd", 1),)))

def box(view, sat, debits=None):
    own = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({view.to_self_delay[view.holder]})))")
    theirs = Miniscript("and_v(v:pk(counterparty_payment),older(1))")
    return OutputSpec("odd", "1", "box", sat, own if view.holder == 0 else theirs, debits or (1000 * sat, 0))

@plugin.provider
class Odd(ProviderBase):
    spec = ProviderSpec("odd", (1,), (Phase("validate"), Phase("fold"), Phase("contribute", FIELDS)))

    def validate(self, view, state, update):
        return None if len(update.body) == 8 and update.proposer == 0 else Reject("no")

    def fold(self, view, state, update):
        return Folded(update.body)

    def contribute(self, view, state):
        return ()

    def samples(self):
        return ((25_000).to_bytes(8, "big"), (40_000).to_bytes(8, "big"))
"""
# The functions in place of those above, and (check, where, words) of what is found.
ODD: dict[str, tuple[str, tuple[str, str, str]]] = {
    "a clock": (
        "def fold(self, view, state, update): return Folded(update.body + bytes([int(time.time()) % 256]))",
        ("answers", "odd.fold", "NotPure: Odd.fold uses the clock (time.time) in odd.py, line"),
    ),
    "the order of a set": (
        "def fold(self, view, state, update): return Folded(b''.join({bytes([n, n]) for n in range(40)}))",
        ("answers", "odd.fold", "it answers differently in another process"),
    ),
    "a memory": (
        "seen = []\ndef fold(self, view, state, update): self.seen.append(1); return Folded(bytes(len(self.seen)))",
        ("answers", "odd.fold", "it answers differently when it was asked again"),
    ),
    "an exception": (
        "def validate(self, view, state, update): return None if update.body[0] == 0 else Reject('no')",
        ("answers", "odd.validate", "IndexError: index out of range"),
    ),
    "an undeclared field": (
        "def contribute(self, view, state): return (box(view, 20_000 + view.number),) if state else ()",
        ("view", "odd.contribute", "its answer depends on view.number, which its Phase does not name"),
    ),
    "the other's money": (
        "def contribute(self, view, state): return (box(view, 25_000, (0, 25_000_000)),) if state else ()",
        ("proposals", "odd", "DebitsOtherParty: odd ext takes 25000000 msat from the party that did not propose it."),
    ),
    "money out of nothing": (
        "def fold(self, view, state, update): return Folded(update.body, (5, 5))",
        ("proposals", "odd.fold", "its moves (5, 5) are not 0 in all"),
    ),
    "an order": (
        "def validate(self, view, state, update): return None if len(update.body) == 8 else Reject('no')\n"
        "def fold(self, view, state, update): return Folded(state + bytes([update.proposer]))",
        ("commuting", "odd.fold", "the order matters"),
    ),
    "one or the other": (
        "def validate(self, view, state, update): return Reject('too late') if state or not update.body else None",
        ("commuting", "odd.validate", "one rules the other out"),
    ),
    "a script of no use": (
        "def contribute(self, view, state): return ('x',)",
        ("answers", "odd.contribute", "contribute was answered with something else"),
    ),
}


# With what it was found, where that is one thing alone.
GIVEN: dict[str, str | tuple[str, ...]] = {
    "an exception": "state '', update '' of party 0, view capacity_sat=",
    "an undeclared field": "view.number ",
    "the other's money": "state '', update 00000000000061a8 of party 0",
    "an order": "state '', update 00000000000061a8 of party 0, and update 00000000000061a8 of party 1",
}


def written(folder: Path, body: str) -> Path:
    path = folder / "odd.py"
    fields = '("holder", "to_self_delay")'
    methods = textwrap.indent(body, "    ")
    path.write_text(f'{HEAD.replace("FIELDS", fields)}\n{methods}\n\nif __name__ == "__main__":\n    plugin.run()\n')
    return path


@pytest.mark.parametrize("what", ODD)
def test_what_is_wrong_is_found_and_named(tmp_path: Path, what: str) -> None:
    body, (name, where, words) = ODD[what]
    report = check(written(tmp_path, body))
    found = [each for each in report.findings if (each.check, each.where) == (name, where)]
    (wrong,) = [each for each in found if each.text.startswith(words)]
    assert wrong.given.startswith(GIVEN.get(what, ("state ", "view."))), report.text()
    assert f"given {wrong.given}\n" in report.text() and len(wrong.given) <= MAX_CHARACTERS


BEGINS = """
@plugin.hook("initial_states", channel_type="odd/plain")
async def begin(node, funding_txid, **fields):
    from lnpd_sdk.hooks import InitialStates
    return ANSWER

@plugin.provider
"""


@pytest.mark.parametrize("answer", ['InitialStates({"odd": funding_txid})', "'this output is not known here'"])
def test_a_provider_is_tried_from_the_state_in_which_it_begins(tmp_path: Path, answer: str) -> None:
    path = written(tmp_path, "def contribute(self, view, state): return () if len(state) in (8, 32) else ('x',)")
    text = path.read_text().replace('(("odd", 1),))', '(("odd", 1),), begins=("odd",))')
    path.write_text(text.replace("@plugin.provider\n", BEGINS.replace("ANSWER", answer)))
    report = check(path)
    assert not report.findings, report.text()
    left_out = "odd: no channel of its was tried: `initial_states` names no state in test mode"
    assert (left_out in report.not_tried) != answer.startswith("Initial")
    assert bool(report.tried["rules"]) == answer.startswith("Initial")


def test_of_the_inputs_the_shortest_is_told() -> None:
    report = Report()
    for figure, given in ((3, ""), (1, "a long one"), (2, "short"), (4, "a longer one")):
        report.wrong("answers", "odd.fold", f"it is {figure} too many", given)
    (wrong,) = report.findings
    assert (wrong.text, wrong.given, wrong.count) == ("it is 2 too many", "short", 4)
    assert shown((b"", bytes(100), 7)) == f"state {'00' * 32}..., 7, ''"
    assert len(shown((b"", b"", ("x" * 300, "y" * 300)))) == MAX_CHARACTERS


def test_what_a_node_refuses_anyway_is_a_note(tmp_path: Path) -> None:
    body = "def contribute(self, view, state): return (box(view, 400),) if state else ()"
    report = check(written(tmp_path, body))
    assert report.findings == ()
    assert report.json()["notes"] == [
        "odd.validate accepts what a node then refuses: DustProposed: odd 1 (box): 400 sat are too small for one of"
        " the commitments."
    ]


def test_a_child_that_is_signed_ahead_takes_its_output() -> None:
    report = check(ROOT / "plugins" / "examples" / "presigned.py")
    assert report.findings == () and report.not_tried == [], report.text()
    assert report.tried["paths"] > 10


@pytest.mark.parametrize(
    ("name", "words"),
    {
        "hidden_branch": "HolderPathUndelayed",
        "wrong_delay": "HolderDelayTooShort",
        "wrong_debits": "WrongDebits",
        "too_many": "TooManyOutputs",
        "clash_on_the_wire": "message 33025: lnpd has it as update_ext, bad claims it",
    }.items(),
)
def test_a_plugin_of_the_museum_is_found(name: str, words: str) -> None:
    report = check(BAD / f"{name}.py")
    assert any(words in each.text for each in report.findings), report.text()


def test_an_honest_plugin_is_found_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert lnp.main(["plugin", "check", str(ROOT / "plugins" / "note.py"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["plugin"], told["ok"], told["findings"], told["not_tried"]) == ("note", True, [], [])
    assert told["tried"]["answers"] > 500 and told["tried"]["rules"] > 10


def test_lockbox_keeps_every_rule_on_every_path() -> None:
    report = check(ROOT / "plugins" / "lockbox.py")
    assert report.findings == () and report.not_tried == [], report.text()
    assert report.tried["paths"] > 50 and report.tried["commuting"] > 50


def test_taproot_outputs_go_every_path() -> None:
    report = check(ROOT / "tests" / "plugins" / "treebox.py")
    assert report.findings == () and report.not_tried == [], report.text()
    assert report.tried["paths"] > 50


def test_a_person_reads_what_is_wrong_and_a_script_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lnp.main(["plugin", "check", str(BAD / "clash.py")]) == 1
    assert "WRONG manifest" in (said := capsys.readouterr().out) and "bad claims the provider htlc" in said
    assert lnp.main(["plugin", "check", str(tmp_path / "none.py")]) == 1
    assert "There is no plugin at" in capsys.readouterr().err


def test_a_file_that_hides_a_module_of_pythons_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "signal.py"
    path.write_text(HEAD + "if __name__ == '__main__':\n    plugin.run()\n")
    assert "signal.py has the name of Python's own module signal" in check(path).text()


def test_what_a_node_takes_without_a_word_is_said(tmp_path: Path) -> None:
    """Messages without their capability, a type that pins a provider of nobody's."""
    more = """
@plugin.on("payment_received", "lamp/lit")
async def heard(node, event): ...

@plugin.rpc("Spends.")
def spend(node, amount_sat: int): ...

plugin.messages("message,40001,greeting")
plugin.channel_type(ChannelTypeSpec("odd/anchors", "anchors_zero_fee_htlc_tx", (("od", 1),)))
plugin.run()
"""
    path = tmp_path / "odd.py"
    head = "from lnpd_sdk.manifest import ChannelTypeSpec\nfrom lnpd_sdk.plugin import Plugin\n"
    path.write_text(head + "plugin = Plugin('odd', '1', capabilities=('updates:0', 'spend:5'))\n" + more)
    (note,) = check(path).notes
    assert note.startswith("it asks for spend:#, and none of its commands says that it moves money")
    assert [words.split(":")[0] for words in check(path).not_tried] == [
        "it declares wire messages, but does not ask for the capability 'messages'",
        "odd/anchors",
    ]


def test_a_topic_that_no_node_has_is_refused_with_the_one_that_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "odd.py"
    path.write_text(
        "from lnpd_sdk.plugin import Plugin\nplugin = Plugin('odd', '1')\n"
        "@plugin.on('payment_recieved')\nasync def heard(node, event): ...\nplugin.run()\n"
    )
    (wrong,) = check(path).findings
    assert wrong.text == (
        "odd hears of 'payment_recieved', which is no topic of this node; did you mean 'payment_received'?"
    )
