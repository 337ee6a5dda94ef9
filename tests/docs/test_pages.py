"""Do the printed pages say what the code says, and does everything in the code have its text?"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from lnpd_sdk.types import Phase, Provider, ProviderBase

from contrib.docs.backup import EXAMPLES
from contrib.docs.contract import SDK, asks
from contrib.docs.listing import FOLDER, PAGES, Page
from contrib.docs.markdown import classes, line_of, members, methods, signature, table
from contrib.docs.rules import RULES
from lnpd import errors
from lnpd.config import RULES as CONFIG_RULES
from lnpd.config.table import OPTIONS
from lnpd.hooks.capabilities import CAPABILITIES
from lnpd.hooks.kinds import KINDS
from lnpd.hooks.spec import HookSpecs
from lnpd.rpc.commands import COMMANDS
from lnpd.services.backup.problems import THEN, Then
from lnpd.services.events import TOPICS
from lnpd.services.plugins.offers.table import OFFERS
from lnpd.services.signer.refusals import Rule
from lnpd.store.points import PERSISTENCE_POINTS
from lnpd.wire.catalogue import CORE

ROOT = Path(__file__).parents[2]
PHASES = get_args(get_type_hints(Phase)["name"])


def text(name: str) -> str:
    """A page, as it stands in the project."""
    return (FOLDER / name).read_text()


@pytest.mark.parametrize("page", PAGES, ids=[page.path.name for page in PAGES])
def test_a_page_is_what_the_code_prints(page: Page) -> None:
    assert page.path.read_text() == page.text(), "run `make docs`"


def test_there_is_no_page_that_nobody_prints() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {page.path.name for page in PAGES if page.path.parent == FOLDER}
    linked = [line for line in text("README.md").splitlines() if line.startswith("- [")]
    assert len(linked) == len(PAGES) - 1


# Nothing lacks its text


def is_sentence(words: str) -> bool:
    """Whether something was said, up to its end."""
    return len(words.split()) >= 2 and words.rstrip()[-1:] in ".:?"


@pytest.mark.parametrize("name", KINDS)
def test_hooks(name: str) -> None:
    assert is_sentence(line_of(getattr(HookSpecs, name)))
    assert f"## {name}\n" in text("hooks.md")


@pytest.mark.parametrize("phase", PHASES)
def test_phases(phase: str) -> None:
    assert is_sentence(line_of(getattr(Provider, phase)))
    assert is_sentence(line_of(getattr(ProviderBase, phase)))
    assert signature(getattr(Provider, phase)) in text("providers.md")


def test_commands() -> None:
    for command in COMMANDS:
        assert is_sentence(command.help), command.name
        assert all(parameter.help for parameter in command.parameters), command.name
        assert command.examples or not command.parameters, f"{command.name} has no example"
        assert all(example.startswith(f"lnp {command.name}") for example in command.examples), command.name
    assert {kind for command in COMMANDS for kind in command.refused} >= {errors.CloseBlocked, errors.PaymentFailed}


def test_options() -> None:
    assert [row.flag for row in OPTIONS if len(row.help.split()) < 2] == []
    assert all(sentence in text("configuration.md") for _, sentence in CONFIG_RULES)


def test_events_and_persistence_points() -> None:
    assert [name for name, topic in TOPICS.items() if not is_sentence(topic.text)] == []
    assert [name for name, words in PERSISTENCE_POINTS.items() if not is_sentence(words)] == []


def test_refusals_of_the_signer() -> None:
    rows = members(Rule)
    assert [row.value.strip("'") for row in rows] == [str(rule) for rule in Rule]
    assert [row.name for row in rows if not row.comment] == []


def test_errors() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.LnpdError)]
    assert len(kinds) > 300
    assert [kind.__name__ for kind in kinds if f"| `{kind.__name__}` |" not in text("errors.md")] == []
    assert [kind.__name__ for kind in kinds if not is_sentence(line_of(kind))] == []


def test_messages() -> None:
    printed = text("messages.md")
    assert [row.name for row in CORE.numbers.values() if f"| {row.number} | `{row.name}` |" not in printed] == []


def test_types_of_the_sdk() -> None:
    printed = text("sdk.md")
    for module in SDK:
        for cls in classes(module):
            assert f"### {cls.__name__}\n" in printed
            assert is_sentence(line_of(cls)), cls
            assert [name for name, function in methods(cls) if not line_of(function)] == [], cls


def test_every_service_of_the_host_is_a_method_of_the_sdk() -> None:
    assert set(OFFERS) == set(asks()) - {"call"}


@pytest.mark.parametrize("name", OFFERS)
def test_a_service_has_its_text_an_example_and_a_test(name: str) -> None:
    offer = OFFERS[name]
    assert is_sentence(offer.text) and is_sentence(line_of(asks()[name])) and is_sentence(line_of(offer.params))
    assert offer.capability in ("", *CAPABILITIES)
    assert f"node.{name}(" in offer.example
    compile(f"async def f():\n    {offer.example}", name, "exec")
    assert any(f".{name}(" in source for source in sources(ROOT / "tests", ROOT / "plugins")), "no test calls it"


def sources(*folders: Path) -> Iterator[str]:
    """The text of each file of Python below these folders, but for this one."""
    for folder in folders:
        yield from (path.read_text() for path in folder.rglob("*.py") if path != Path(__file__))


# What is in the code, and in no table yet


def topics(source: str) -> Iterator[str]:
    """The topics that a module publishes: the argument of Notify and record, or what a variable `topic` may be."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="Notify"), args=[_, ast.Constant(value=str(topic)), *_]):
                yield topic
            case ast.Call(
                func=ast.Attribute(attr="record"), args=[ast.Name(id="write"), ast.Constant(value=str(topic)), *_]
            ):
                yield topic
            case ast.Call(func=ast.Attribute(attr="publish"), args=[ast.Constant(value=str(topic)), *_]):
                yield topic
            case ast.Assign(targets=[ast.Name(id="topic")], value=ast.Constant(value=str(topic))):
                yield topic
            case ast.Assign(
                targets=[ast.Tuple(elts=[ast.Name(id="topic"), *_])],
                value=ast.Tuple(elts=[ast.Constant(value=str(topic)), *_]),
            ):
                yield topic


def test_every_topic_is_in_the_table() -> None:
    found = {topic for path in (ROOT / "lnpd").rglob("*.py") for topic in topics(path.read_text())}
    assert found == set(TOPICS)


@pytest.mark.parametrize(
    "source",
    [
        "Notify('key', 'x', ())",
        "Events.record(write, 'x', {})",
        "await events.publish('x', {})",
        "topic = 'x'",
        "topic, us = 'x', True",
    ],
)
def test_a_topic_is_found_however_it_is_published(source: str) -> None:
    wrapped = f"async def f():\n    {source}\n"
    assert list(topics(wrapped)) == ["x"]


# The rules and their tests


def test_every_test_that_a_rule_names_exists() -> None:
    named = {test for rows in RULES.values() for rule in rows for test in rule.broken_by}
    files = sorted({test.partition("::")[0] for test in named})
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:xdist", *files],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert named - set(listed.stdout.splitlines()) == set()


def test_every_bad_plugin_breaks_a_rule() -> None:
    named = " ".join(test for rows in RULES.values() for rule in rows for test in rule.broken_by)
    bad = [path.stem for path in (ROOT / "tests" / "plugins" / "bad").glob("*.py")]
    assert len(bad) > 10
    assert [name for name in bad if f"[{name}]" not in named] == []


def test_a_column_without_words_is_left_out() -> None:
    assert (
        table(("a", "b", "c"), [("1", "", "x|y"), ("2", "", "")])
        == "| a | c |\n| --- | --- |\n| 1 | x\\|y |\n| 2 |  |\n"
    )


def test_what_the_page_on_backups_names_exists() -> None:
    page = text("backup.md")
    known = {command.name for command in COMMANDS}
    assert set(re.findall(r"\blnp (?:--directory \S+ )?([a-z][a-z-]+)", page)) <= known
    assert set(re.findall(r"\blnpd ([a-z]+) ", page)) & {"init", "restore", "check", "regtest"} == {"restore", "check"}
    flags = {row.flag for row in OPTIONS} | {p.flag for command in COMMANDS for p in command.parameters}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page)) <= flags
    assert EXAMPLES.keys() == THEN.keys() == set(get_args(Then))
