"""Does a plugin have its options and its moments, and refuse what they are not?"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from lnpd_sdk import envelope
from lnpd_sdk.life import MAX_HANDOVER_BYTES, BadOption
from lnpd_sdk.manifest import OptionSpec
from lnpd_sdk.plugin import Node, Plugin
from lnpd_sdk.questions import Init, OptionChange


def ask(plugin: Plugin, method: str, params: object = None) -> object:
    return asyncio.run(plugin.answer(method, envelope.raw(params)))  # type: ignore[arg-type]


def example() -> tuple[Plugin, list[object], dict[str, Any]]:
    plugin, said = Plugin("mood", "1"), []
    options = {
        "greeting": plugin.option("greeting", str, "hello", "what it says", dynamic=True),
        "most": plugin.option("most", int, 3),
        "share": plugin.option("share", float, 0.5),
        "loud": plugin.option("loud", bool, False),
    }

    @plugin.on_init
    async def begin(node: Node) -> None:
        said.append(("init", options["greeting"].value, plugin.inherited))

    @plugin.on_option
    def changed(node: Node, name: str, value: object) -> None:
        if value == "no":
            raise ValueError("not this")
        said.append((name, value))

    @plugin.on_handover
    def give(node: Node) -> bytes:
        return b"state"

    @plugin.on_stop
    async def end(node: Node) -> None:
        said.append("stop")

    return plugin, said, options


def test_options_are_declared_and_have_their_defaults() -> None:
    plugin, _, options = example()
    assert plugin.manifest().options == (
        OptionSpec("greeting", "text", "hello", "what it says", True),
        OptionSpec("most", "integer", 3),
        OptionSpec("share", "number", 0.5),
        OptionSpec("loud", "boolean", False),
    )
    plugin.option("word", str, "", secret=True)
    assert plugin.manifest().options[-1] == OptionSpec("word", "text", "", secret=True)
    with pytest.raises(TypeError, match="number is a secret, and then a str"):
        plugin.option("number", int, 5, secret=True)
    assert [each.value for each in options.values()] == ["hello", 3, 0.5, False]


def test_its_moments_come_with_what_the_node_says() -> None:
    plugin, said, options = example()
    ask(plugin, "init", Init({"greeting": "hi", "share": 1, "loud": True}, b"before"))
    assert (options["share"].value, options["loud"].value, options["most"].value) == (1.0, True, 3)
    ask(plugin, "option", OptionChange("greeting", "hey"))
    assert ask(plugin, "handover") == b"state"
    asyncio.run(plugin.end())
    assert said == [("init", "hi", b"before"), ("greeting", "hey"), "stop"]


def test_an_option_that_its_author_refuses_stays() -> None:
    plugin, said, options = example()
    with pytest.raises(ValueError, match="not this"):
        ask(plugin, "option", OptionChange("greeting", "no"))
    assert (options["greeting"].value, said) == ("hello", [])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("nothing", 1, "no option"),
        ("most", "3", "of type int"),
        ("most", True, "of type int"),
        ("loud", 1, "of type bool"),
        ("greeting", 1, "of type str"),
    ],
)
def test_an_option_of_another_type_is_refused(name: str, value: str | int | bool, words: str) -> None:
    plugin, _, _ = example()
    with pytest.raises(BadOption, match=words):
        ask(plugin, "option", OptionChange(name, value))
    with pytest.raises(BadOption, match=words):
        ask(plugin, "init", Init({name: value}))


def test_too_much_is_not_handed_over() -> None:
    plugin = Plugin("big", "1")
    assert ask(plugin, "handover") == b""
    plugin.on_handover(lambda node: bytes(MAX_HANDOVER_BYTES + 1))
    with pytest.raises(BadOption, match="at most"):
        ask(plugin, "handover")


BAD: dict[str, Callable[[Plugin], object]] = {
    "twice": lambda plugin: [plugin.option("a", int, 1) for _ in range(2)],
    "of no kind": lambda plugin: plugin.option("a", bytes, b""),  # type: ignore[type-var]
    "with a default of another": lambda plugin: plugin.option("a", int, True),
    "a moment twice": lambda plugin: [plugin.on_stop(lambda node: None) for _ in range(2)],
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_declared(what: str) -> None:
    with pytest.raises(TypeError):
        BAD[what](Plugin("bad", "1"))
