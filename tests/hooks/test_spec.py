"""Does each hook say what it is, with an example that works, and does the node call it?"""

import asyncio
import hashlib
import inspect
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import lnpd_sdk.hooks
import msgspec
import pytest
from lnpd_sdk import envelope
from lnpd_sdk.manifest import Filter
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.questions import RpcRequest

from lnpd.hooks.kinds import KINDS
from lnpd.hooks.registry import Registry
from lnpd.hooks.spec import HookSpecs
from lnpd.wire.catalogue import CORE

ROOT = Path(__file__).parents[2]
NAMES: dict[str, object] = {
    **vars(lnpd_sdk.hooks),
    "Filter": Filter,
    "FRIENDS": frozenset[str](),
    "PLAYING": {"00" * 32},
    "OPEN": False,
    "DEEDS": dict[str, str](),
    "hashlib": hashlib,
}
SAMPLES: dict[object, object] = {str: "00" * 32, int: 1, bool: True}


def sample(kind: Any) -> object:  # Any: type expressions
    """Some value of a field's type."""
    if isinstance(kind, UnionType):
        return sample(get_args(kind)[0])
    return {} if get_origin(kind) is dict else SAMPLES[kind]


@pytest.mark.parametrize("name", KINDS)
def test_a_hook_says_what_it_is_and_what_happens_without_an_answer(name: str) -> None:
    kind = KINDS[name]
    for text in (kind.text, kind.default):
        assert len(text.split()) >= 3
        assert text.rstrip().endswith(".")
    assert list(kind.fields) == list(inspect.signature(getattr(HookSpecs, name)).parameters)[1:]
    assert (kind.kind == "chain") <= (kind.answer is not type(None)), "a chain that nobody can answer"


@pytest.mark.parametrize("name", KINDS)
def test_its_example_works(name: str) -> None:
    """It is registered, called with some value in each field, and answers with what the hook takes."""
    kind, plugin = KINDS[name], Plugin("example", "1")
    exec(kind.example, {"plugin": plugin, **NAMES})
    assert [each.name for each in plugin.manifest().hooks] == [name]

    async def nobody(_hook: str, _params: dict[str, object], _seconds: float) -> object:
        raise AssertionError("nobody calls it")

    async def service(_method: str, _params: object) -> msgspec.Raw:
        return envelope.raw(None)

    Registry(CORE).register(plugin.manifest(), nobody)
    plugin.attach(service)
    question = RpcRequest(name, envelope.raw({field: sample(each) for field, each in kind.fields.items()}))
    answer = asyncio.run(plugin.answer("hook", envelope.raw(question)))
    if kind.answer is not type(None):
        msgspec.convert(msgspec.msgpack.decode(envelope.encode(answer)), kind.answer)


def test_the_kinds_and_the_specification_name_the_same_hooks() -> None:
    assert set(KINDS) == {name for name in dir(HookSpecs) if not name.startswith("_")}


@pytest.mark.parametrize("name", KINDS)
def test_the_node_calls_it(name: str) -> None:
    """Some service names it."""
    assert any(f'"{name}"' in path.read_text() for path in (ROOT / "lnpd" / "services").rglob("*.py"))
