"""Can a plugin delay or end the node through a hook?"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from lnpd_sdk.manifest import HookSubscription, Manifest

from lnpd.errors import PluginFault
from lnpd.errors.words import Sparing
from lnpd.hooks.dispatch import Answered, Hooks
from lnpd.hooks.proxy import PluginProxy

CONNECTING: dict[str, Any] = {"node_id": "02", "address": "", "incoming": True}


def plugged(
    hooks: Hooks,
    name: str,
    hook: str,
    answer: Callable[[], Awaitable[object]],
    rank: int = 0,
    grants: tuple[str, ...] = ("hook:peer_connecting",),
    before: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
) -> None:
    async def call(_hook: str, _params: dict[str, object], _seconds: float) -> object:
        return await answer()

    manifest = Manifest(name=name, version="1", hooks=(HookSubscription(hook, (), before, after),))
    hooks.join(PluginProxy(manifest, call, grants=grants), name, rank)


def saying(value: object, log: list[str], name: str) -> Callable[[], Awaitable[object]]:
    async def answer() -> object:
        log.append(name)
        return value

    return answer


async def fault() -> object:
    raise PluginFault("broken", "it raised")


def test_a_chain_ends_at_the_first_answer_and_asks_nobody_behind_it() -> None:
    hooks, log = Hooks(), list[str]()
    for name, value in (("first", None), ("second", "no"), ("last", "never")):
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
    plugged(hooks, "broken", "peer_connecting", fault)
    plugged(hooks, "next", "peer_connecting", saying("no", log, "next"))
    assert asyncio.run(hooks.chain("peer_connecting", **CONNECTING)) == "no"


@pytest.mark.parametrize("answer", [5, {"a": 1}, b"no", ["no"], True])
def test_an_answer_of_another_type_is_no_answer(answer: object) -> None:
    hooks, log = Hooks(), list[str]()
    plugged(hooks, "odd", "peer_connecting", saying(answer, log, "odd"))
    plugged(hooks, "next", "peer_connecting", saying("no", log, "next"))
    assert asyncio.run(hooks.chain("peer_connecting", **CONNECTING)) == "no"
    assert log == ["odd", "next"]


def test_a_long_answer_is_cut() -> None:
    hooks = Hooks()
    plugged(hooks, "long", "peer_connecting", saying("x" * 10_000, [], "long"))
    assert asyncio.run(hooks.chain("peer_connecting", **CONNECTING)) == "x" * 500


def test_an_answer_with_which_something_is_wrong_is_none() -> None:
    hooks, log = Hooks(), list[str]()
    plugged(hooks, "odd", "peer_connecting", saying("shout", log, "odd"))
    plugged(hooks, "next", "peer_connecting", saying("no", log, "next"))

    def check(answer: str) -> str:
        return "too loud" if answer == "shout" else ""

    found = asyncio.run(hooks.first("peer_connecting", check, **CONNECTING))
    assert found == Answered("next", "no")
    assert log == ["odd", "next"]
    assert hooks.figures.of("peer_connecting", "odd").errors == 1


def test_who_joins_later_keeps_its_place_and_who_left_is_not_asked() -> None:
    hooks, log = Hooks(), list[str]()
    plugged(hooks, "second", "peer_connecting", saying(None, log, "second"), rank=1)
    plugged(hooks, "first", "peer_connecting", saying(None, log, "first"), rank=0)
    asyncio.run(hooks.chain("peer_connecting", **CONNECTING))
    assert log == ["first", "second"]
    hooks.leave("first")
    hooks.leave("nobody")
    asyncio.run(hooks.chain("peer_connecting", **CONNECTING))
    assert log == ["first", "second", "second"]
    assert hooks.wanted("peer_connecting")
    hooks.leave("second")
    assert not hooks.wanted("peer_connecting")


def test_plugins_are_asked_before_and_after_those_that_they_name() -> None:
    hooks, log = Hooks(), list[str]()
    plugged(hooks, "a", "peer_connecting", saying(None, log, "a"), after=("c", "not-here"))
    plugged(hooks, "b", "peer_connecting", saying(None, log, "b"))
    plugged(hooks, "c", "peer_connecting", saying(None, log, "c"))
    plugged(hooks, "d", "peer_connecting", saying(None, log, "d"), before=("b",))
    asyncio.run(hooks.chain("peer_connecting", **CONNECTING))
    assert log == ["c", "a", "d", "b"]


def test_a_guarded_hook_is_asked_of_those_that_were_granted_it() -> None:
    hooks, log = Hooks(), list[str]()
    opening: dict[str, object] = {"node_id": "02", "funding_sat": 1, "push_msat": 0, "channel_type": ""}
    plugged(hooks, "without", "open_channel_received", saying("no", log, "without"))
    assert not hooks.wanted("open_channel_received")
    plugged(hooks, "with", "open_channel_received", saying("no", log, "with"), grants=("hook:open_channel_received",))
    assert asyncio.run(hooks.first("open_channel_received", None, **opening)) == Answered("with", "no")
    assert log == ["with"]


def test_a_plugin_is_not_asked_about_what_it_caused_while_it_waits() -> None:
    """What it caused may go on when it does not wait any more: then it is asked."""
    hooks, log = Hooks(), list[str]()
    later: list[asyncio.Task[object]] = []
    over = asyncio.Event()

    async def caused_later() -> object:
        await over.wait()
        return await hooks.chain("peer_connecting", **CONNECTING)

    async def policy() -> object:
        log.append("policy")
        if len(log) == 1:
            later.append(asyncio.create_task(caused_later()))
            return await hooks.chain("peer_connecting", **CONNECTING)
        return "yes"

    plugged(hooks, "policy", "peer_connecting", policy)
    plugged(hooks, "other", "peer_connecting", saying("other", log, "other"))

    async def main() -> tuple[object, object]:
        first = await hooks.chain("peer_connecting", **CONNECTING)
        over.set()
        return first, await later[0]

    assert asyncio.run(main()) == ("other", "yes")
    assert log == ["policy", "other", "policy"]
    assert hooks.figures.of("peer_connecting", "policy").skipped == 1


def test_what_a_plugin_s_own_payment_carries_it_is_asked_while_it_waits_for_it() -> None:
    """Else it could not pay in what only its records say. It is not asked again within its answer."""
    hooks, log = Hooks(), list[str]()
    asking: dict[str, object] = {"payment_hash": "", "payee": "", "amount_msat": 1, "description": ""}

    async def carries() -> object:
        log.append("payer")
        assert await hooks.gather("onion_payload", **asking) == []
        return {"65537": "00"}

    plugged(hooks, "payer", "onion_payload", carries, grants=("hook:onion_payload",))

    async def pays() -> list[object]:
        with hooks.traces.serving("payer", ""):
            return await hooks.gather("onion_payload", **asking)

    assert asyncio.run(pays()) == [{"65537": "00"}]
    assert log == ["payer"]


def test_two_plugins_do_not_ask_each_other_in_a_circle() -> None:
    """Each takes part in a hook whose answers the other one waits for."""
    hooks, log = Hooks(), list[str]()
    asking: dict[str, object] = {"payment_hash": "", "payee": "", "amount_msat": 1, "description": ""}

    async def again() -> object:
        log.append("asked")
        if len(log) < 10:
            await hooks.gather("onion_payload", **asking)
        return {}

    for name in ("a", "b"):
        plugged(hooks, name, "onion_payload", again, grants=("hook:onion_payload",))
    assert asyncio.run(hooks.gather("onion_payload", **asking)) == [{}, {}]
    assert len(log) == 4, "each by the node, and by the other one"
    assert hooks.figures.of("onion_payload", "a").skipped > 0


def test_who_only_tells_tells_those_too_that_wait() -> None:
    hooks, log = Hooks(), list[str]()

    async def pays() -> object:
        log.append("told")
        if len(log) == 1:
            await hooks.gather("block_connected", height=2, block_hash="00")
        return None

    plugged(hooks, "payer", "block_connected", pays)
    asyncio.run(hooks.gather("block_connected", height=1, block_hash="00"))
    assert log == ["told", "told"]


def test_who_fails_without_end_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """How often a hook is called may be up to a peer, or to another plugin that offers it."""
    hooks = Hooks()

    async def fail() -> object:
        raise PluginFault("bad", "no" * 1000)

    async def main() -> None:
        plugged(hooks, "bad", "peer_connecting", fail)
        for _ in range(1_000):
            assert await hooks.chain("peer_connecting", **CONNECTING) is None

    asyncio.run(main())
    assert len(caplog.records) == Sparing.MOST
    assert hooks.figures.of("peer_connecting", "bad").errors == 1_000
