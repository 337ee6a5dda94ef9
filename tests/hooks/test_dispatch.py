"""Can a plugin delay or end the node through a hook?"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from lnpd_sdk.manifest import HookSubscription, Manifest

from lnpd.errors import PluginFault
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.kinds import KINDS
from lnpd.hooks.proxy import PluginProxy
from lnpd.hooks.spec import HookSpecs

CONNECTING = {"node_id": "02", "address": "", "incoming": True}


def plugged(hooks: Hooks, name: str, hook: str, answer: Callable[[], Awaitable[object]]) -> None:
    async def call(_hook: str, _params: dict[str, object]) -> object:
        return await answer()

    proxy = PluginProxy(Manifest(name=name, version="1", hooks=(HookSubscription(hook),)), call)
    hooks.plugins.register(proxy, name)


def saying(value: object, log: list[str], name: str) -> Callable[[], Awaitable[object]]:
    async def answer() -> object:
        log.append(name)
        return value

    return answer


async def fault() -> object:
    raise PluginFault("broken", "it raised")


def test_a_chain_ends_at_the_first_answer_and_asks_nobody_behind_it() -> None:
    hooks, log = Hooks(), list[str]()
    for name, value in (("last", "never"), ("second", "no"), ("first", None)):  # pluggy asks the newest first
        plugged(hooks, name, "peer_connecting", saying(value, log, name))
    assert asyncio.run(hooks.chain("peer_connecting", **CONNECTING)) == "no"
    assert log == ["first", "second"]


def test_everyone_is_asked_at_once_and_faults_are_left_out() -> None:
    hooks, log = Hooks(), list[str]()
    plugged(hooks, "good", "block_connected", saying("yes", log, "good"))
    plugged(hooks, "broken", "block_connected", fault)
    assert asyncio.run(hooks.gather("block_connected", height=1, block_hash="00")) == ["yes"]


def test_a_fault_in_a_chain_is_no_answer() -> None:
    hooks, log = Hooks(), list[str]()
    plugged(hooks, "next", "peer_connecting", saying("no", log, "next"))
    plugged(hooks, "broken", "peer_connecting", fault)
    assert asyncio.run(hooks.chain("peer_connecting", **CONNECTING)) == "no"


@pytest.mark.parametrize("answer", [5, {"a": 1}, b"no", ["no"], True])
def test_an_answer_of_another_type_is_no_answer(answer: object) -> None:
    hooks, log = Hooks(), list[str]()
    plugged(hooks, "next", "peer_connecting", saying("no", log, "next"))
    plugged(hooks, "odd", "peer_connecting", saying(answer, log, "odd"))
    assert asyncio.run(hooks.chain("peer_connecting", **CONNECTING)) == "no"
    assert log == ["odd", "next"]


def test_a_long_answer_is_cut() -> None:
    hooks = Hooks()
    plugged(hooks, "long", "peer_connecting", saying("x" * 10_000, [], "long"))
    assert asyncio.run(hooks.chain("peer_connecting", **CONNECTING)) == "x" * 500


@pytest.mark.parametrize("name", KINDS)
def test_every_hook_says_what_it_is(name: str) -> None:
    text = getattr(HookSpecs, name).__doc__
    assert text
    assert text.rstrip().endswith(".")


def test_the_kinds_and_the_specification_name_the_same_hooks() -> None:
    assert set(KINDS) == {name for name in vars(HookSpecs) if not name.startswith("_")}


@pytest.mark.parametrize("name", KINDS)
def test_every_hook_is_called_by_the_node(name: str) -> None:
    """Some service names it, beside the one that only passes names on."""
    services = Path(__file__).parents[2] / "lnpd" / "services"
    assert any(f'"{name}"' in path.read_text() for path in services.rglob("*.py"))
