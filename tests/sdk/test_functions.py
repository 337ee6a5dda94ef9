"""Is a function that the node could not call refused where it is declared, by its name and with what it should be?"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from lnpd_sdk import envelope
from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Event, Node, Plugin
from lnpd_sdk.questions import RpcRequest
from lnpd_sdk.types import Folded, Phase, ProviderBase, ProviderSpec, Update, View


def ok(node: Any, **fields: object) -> None: ...
def none() -> None: ...
def other(client: Any) -> None: ...
def client(client: Node) -> None: ...
def forgot(name: str) -> None: ...
def defaulted(node_id: Any = "") -> None: ...
def only_fields(**fields: object) -> None: ...
def positional(node: Any, height: int, /) -> None: ...
def two(node: Any, event: Event) -> None: ...
def unknown(node: "Nod", name: str) -> None: ...  # type: ignore[name-defined]  # noqa: F821  it is the mistake
def number(node: Node, amount: float) -> None: ...


def hook(function: Callable[..., Any]) -> object:
    return Plugin("lamp", "1").hook("block_connected")(function)


def rpc(function: Callable[..., Any]) -> object:
    return Plugin("lamp", "1").rpc("")(function)


def message(function: Callable[..., Any]) -> object:
    return Plugin("lamp", "1").message("lamp_lit")(function)


def on(function: Callable[..., Any]) -> object:
    return Plugin("lamp", "1").on("payment_sent")(function)


def on_option(function: Callable[..., Any]) -> object:
    return Plugin("lamp", "1").on_option(function)


REFUSED: dict[str, tuple[Callable[..., object], Callable[..., object], str]] = {
    "a hook without anything": (hook, none, "none: its first parameter is the node"),
    "a hook with fields alone": (hook, only_fields, "its first parameter is the node"),
    "a hook that forgot the node": (hook, forgot, "forgot: its first parameter is the node, and is named so, not name"),
    "a hook whose node has a default": (hook, defaulted, "its first parameter is the node, .* not node_id"),
    "a hook's field by its place": (
        hook,
        positional,
        "fields come by name, and height takes none",
    ),
    "a command that forgot the node": (rpc, forgot, "its first parameter is the node, .* not name"),
    "a command whose node may be anything": (
        rpc,
        lambda client: None,
        "its first parameter is the node, .* not client",
    ),
    "a command with a name that is not there": (rpc, unknown, "unknown: an annotation names what is not there: .*Nod"),
    "a command with a number": (rpc, number, "number: parameter amount must be str, int, bool or bytes"),
    "a receiver without fields": (message, two, r"two\(node, event\) is called as two\(node, node_id, fields\)"),
    "a listener without an event": (on, other, r"other\(client\) is called as other\(node, event\)"),
    "an option's function": (on_option, other, r"other\(client\) is called as other\(node, name, value\)"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_could_not_be_called_is_refused_where_it_is_declared(what: str) -> None:
    declare, function, words = REFUSED[what]
    with pytest.raises(TypeError, match=words):
        declare(function)


@pytest.mark.parametrize(("declare", "function"), [(hook, ok), (hook, client), (rpc, client), (on, two)])
def test_what_can_be_called_is_taken(declare: Callable[..., object], function: Callable[..., object]) -> None:
    assert declare(function) is function


def ask(plugin: Plugin, hook: str, fields: dict[str, object]) -> None:
    asyncio.run(plugin.answer("hook", envelope.raw(RpcRequest(hook, envelope.raw(fields)))))


def test_a_hooks_function_is_given_the_fields_that_it_names() -> None:
    plugin = Plugin("lamp", "1")
    heard: list[object] = []

    @plugin.hook("block_connected")
    def some(node: Node, height: int) -> None:
        heard.append(height)

    @plugin.hook("peer_connected")
    def others(node: Node, node_id: str, _own: str = "", **fields: object) -> None:
        heard.append((node_id, fields))

    assert [each.takes for each in plugin.manifest().hooks] == [("height",), ("node_id",)]
    ask(plugin, "block_connected", {"height": 5, "new": 1})
    ask(plugin, "peer_connected", {"node_id": "02", "new": 1})
    assert heard == [5, ("02", {"new": 1})]


def fold(self: object, view: View, state: bytes, update: Update) -> Folded:
    return Folded(state)


PROVIDERS: dict[str, tuple[dict[str, object], tuple[Phase, ...], str]] = {
    "a phase without its method": ({}, (Phase("fold"),), "lamp declares the phase fold, and Lamp has no such method$"),
    "a method of nearly that name": ({"folds": fold}, (Phase("fold"),), "no such method; did you mean 'folds'"),
    "a method without its phase": ({"fold": fold}, (), "has a method fold, which is never asked: .* lacks Phase"),
    "a phase that is none": ({}, (Phase("fild"),), "declares 'fild', no phase; did you mean 'fold'"),  # type: ignore[arg-type]
    "a method that takes something else": (
        {"close": fold},
        (Phase("close"),),
        r"close\(self, view, state, update\) is called as close\(self, view, state\)",
    ),
    "a field that no view has": (
        {"fold": fold},
        (Phase("fold", ("holdr",)),),
        "a view has no 'holdr', which fold names; did you mean 'holder'",
    ),
    "fields without their comma": (
        {"fold": fold},
        (Phase("fold", "holder"),),  # type: ignore[arg-type]  # it is the mistake
        r"the fields of the phase fold are a tuple: \('holder',\)",
    ),
}


@pytest.mark.parametrize("what", PROVIDERS)
def test_a_provider_is_what_it_declares(what: str) -> None:
    written, phases, words = PROVIDERS[what]
    kind = type("Lamp", (ProviderBase,), {**written, "spec": ProviderSpec("lamp", (1,), phases)})
    with pytest.raises(TypeError, match=words):
        Plugin("lamp", "1").provider(kind)


def test_a_tuple_of_one_without_its_comma_is_told_so() -> None:
    comma = r"Expected `array`, got `\w+` - at `\$\.{}.*`; a tuple of one thing has a comma in it: \(1,\)"
    plugin = Plugin("lamp", "1")
    with pytest.raises(TypeError, match="the plugin lamp: " + comma.format("capabilities")):
        Plugin("lamp", "1", capabilities=("messages"))  # type: ignore[arg-type]  # it is the mistake, here and below
    with pytest.raises(TypeError, match="the channel type lamp/lit: " + comma.format("providers")):
        plugin.channel_type(ChannelTypeSpec("lamp/lit", "static_remotekey", (("lamp", 1))))  # type: ignore[arg-type]
    for spec, field in (
        (ProviderSpec("lamp", (1), ()), "formats"),  # type: ignore[arg-type]
        (ProviderSpec("lamp", (1,), (Phase("fold"))), "phases"),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match="the provider lamp: " + comma.format(field)):
            plugin.provider(type("Lamp", (ProviderBase,), {"spec": spec, "fold": fold}))


def test_a_provider_without_a_spec_is_refused() -> None:
    with pytest.raises(TypeError, match="the provider class ProviderBase has no spec"):
        Plugin("lamp", "1").provider(ProviderBase)


def test_a_receiver_of_an_unknown_message_is_told_the_nearest() -> None:
    plugin = Plugin("lamp", "1")
    plugin.messages("message,40001,lamp_lit")
    plugin.message("lamp_lid")(lambda node, node_id, fields: None)
    with pytest.raises(TypeError, match="lamp_lid, which none of its rows declares; did you mean 'lamp_lit'"):
        plugin.manifest()
