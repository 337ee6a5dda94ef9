"""Does a plugin say what it declares, answer what it is asked, and name what it is not?"""

import asyncio
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame, BusError, CallFailed
from lnpd_sdk.manifest import ChannelTypeSpec, Filter, HookSubscription, Manifest, Parameter
from lnpd_sdk.plugin import BadParameters, Cost, Moves, Node, Plugin, UnknownQuestion
from lnpd_sdk.questions import PeerMessage, ProviderQuestion, RpcRequest
from lnpd_sdk.services.channels import Proposal
from lnpd_sdk.services.messages import Outgoing
from lnpd_sdk.types import Folded, Phase, ProviderBase, ProviderSpec, Reject, Update, View

VIEW = View(bytes(32), 0, 1_000_000, 0, 1, 253, (354, 354), (144, 144), (500_000_000, 500_000_000), ())
UPDATE = Update(0, "memo", "ext", 0, b"x")
TYPE = ChannelTypeSpec("memo/type", "static_remotekey", (("memo", 1),))


class Memo(ProviderBase):
    spec = ProviderSpec("memo", (1, 3), (Phase("fold"), Phase("validate")))

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        return Reject("no") if update.body == b"no" else None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        return Folded(state + update.body)


def example() -> Plugin:
    plugin = Plugin("memo", "1.2", "Remembers.", ("updates:5",))
    plugin.provider(Memo)
    plugin.channel_type(TYPE)
    plugin.messages("message,44001,memo_one")
    plugin.messages("message,44003,memo_two")

    @plugin.rpc("Shows what it was given.", example="lnp memo-show-all 1")
    async def show_all(
        node: Node,
        amount_sat: Annotated[int, "how much"],
        channel_id: str = "",
        node_id: str = "",
        data: bytes = b"",
        deep: bool = False,
        word: str = "w",
    ) -> list[object]:
        return [amount_sat, channel_id, node_id, data.hex(), deep, word]

    @plugin.rpc("Fails.", name="memo-fail")
    def fail(node: Node) -> None:
        raise KeyError("my bug")

    @plugin.hook("block_connected", height=5)
    async def block(node: Node, height: int, block_hash: str) -> str:
        return f"{height} {block_hash}"

    return plugin


def ask(plugin: Plugin, method: str, params: object) -> Any:
    return asyncio.run(plugin.answer(method, envelope.raw(params)))  # type: ignore[arg-type]  # it is a coroutine


def rpc(name: str, **params: object) -> Any:
    return ask(example(), "rpc", RpcRequest(name, envelope.raw(params)))


def question(method: str, *arguments: object, provider: str = "memo", number: int = 1) -> ProviderQuestion:
    return ProviderQuestion(provider, number, method, envelope.raw(arguments))


def test_the_manifest_holds_all_declarations_and_travels() -> None:
    manifest = example().manifest()
    assert (manifest.name, manifest.version, manifest.help, manifest.contract) == ("memo", "1.2", "Remembers.", 3)
    assert manifest.providers == (Memo.spec,)
    assert manifest.channel_types == (TYPE,)
    assert manifest.messages == "message,44001,memo_one\nmessage,44003,memo_two"
    assert manifest.capabilities == ("updates:5",)
    assert manifest.hooks == (
        HookSubscription("block_connected", (Filter("height", 5),), takes=("height", "block_hash")),
    )
    assert [row.name for row in manifest.rpc] == ["memo-show-all", "memo-fail"]
    assert manifest.rpc[0].example == "lnp memo-show-all 1"
    assert envelope.decode(envelope.encode(manifest), Manifest) == manifest


def test_parameters_come_from_the_signature() -> None:
    assert example().manifest().rpc[0].parameters == (
        Parameter("amount_sat", "integer", "how much", True),
        Parameter("channel_id", "channel", "", False),
        Parameter("node_id", "peer", "", False),
        Parameter("data", "hex", "", False),
        Parameter("deep", "boolean", "", False),
        Parameter("word", "text", "", False),
    )


def test_values_are_given_as_the_function_takes_them() -> None:
    assert rpc("memo-show-all", amount_sat=7) == [7, "", "", "", False, "w"]
    given = rpc("memo-show-all", amount_sat=7, channel_id="aa", node_id="02", data="00ff", deep=True, word="x")
    assert given == [7, "aa", "02", "00ff", True, "x"]


BAD: dict[str, tuple[dict[str, object], str]] = {
    "missing": ({}, "memo-show-all needs amount_sat"),
    "unknown": ({"amount_sat": 1, "more": 1}, "memo-show-all has no parameter 'more'"),
    "no integer": ({"amount_sat": "1"}, "memo-show-all: amount_sat: .*int"),
    "a boolean is no integer": ({"amount_sat": True}, "amount_sat: .*int"),
    "a fraction": ({"amount_sat": 1.5}, "amount_sat: .*int"),
    "null": ({"amount_sat": None}, "amount_sat: .*int"),
    "no hex": ({"amount_sat": 1, "data": "zz"}, "memo-show-all: data: .*hex"),
    "hex that is no text": ({"amount_sat": 1, "data": 5}, "data: .*str"),
    "no boolean": ({"amount_sat": 1, "deep": 1}, "deep: .*bool"),
}


@pytest.mark.parametrize("what", BAD)
def test_parameters_that_do_not_fit_are_named(what: str) -> None:
    params, words = BAD[what]
    with pytest.raises(BadParameters, match=words):
        rpc("memo-show-all", **params)


NUMBERS = st.integers(-(2**63), 2**63)


@given(st.dictionaries(st.text(max_size=12), st.none() | NUMBERS | st.text() | st.lists(NUMBERS), max_size=4))
def test_arbitrary_parameters_raise_nothing_else(params: dict[str, Any]) -> None:
    request = RpcRequest("memo-show-all", envelope.raw(params))
    try:
        ask(example(), "rpc", request)
    except BadParameters as error:
        assert str(error).startswith("memo-show-all")


def test_a_provider_is_asked_with_typed_arguments() -> None:
    assert ask(example(), "provider", question("fold", VIEW, b"s", UPDATE)) == Folded(b"sx")
    assert ask(example(), "provider", question("fold", VIEW, b"s", UPDATE, number=3)) == Folded(b"sx")
    refused = msgspec.structs.replace(UPDATE, body=b"no")
    assert ask(example(), "provider", question("validate", VIEW, b"s", refused)) == Reject("no")
    assert ask(example(), "ping", None) is None


def test_a_hook_is_asked_by_name() -> None:
    params = envelope.raw({"height": 5, "block_hash": "00"})
    assert ask(example(), "hook", RpcRequest("block_connected", params)) == "5 00"


UNKNOWN: dict[str, tuple[str, object, type[BusError]]] = {
    "a method": ("eval", None, UnknownQuestion),
    "a provider": ("provider", question("fold", VIEW, b"", UPDATE, provider="other"), UnknownQuestion),
    "a phase": ("provider", question("__init__"), UnknownQuestion),
    "a format": ("provider", question("fold", VIEW, b"", UPDATE, number=2), UnknownQuestion),
    "an rpc method": ("rpc", RpcRequest("pay", envelope.raw({})), UnknownQuestion),
    "a hook": ("hook", RpcRequest("peer_connected", envelope.raw({})), UnknownQuestion),
    "arguments of another form": ("provider", question("fold", 1, 2), BadFrame),
    "parameters of another form": ("rpc", [1], BadFrame),
    "rpc parameters that are a list": ("rpc", RpcRequest("memo-show-all", envelope.raw([1])), BadFrame),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_it_does_not_answer_is_said(what: str) -> None:
    method, params, error = UNKNOWN[what]
    with pytest.raises(error):
        ask(example(), method, params)


def test_what_the_author_raises_comes_out() -> None:
    with pytest.raises(KeyError, match="my bug"):
        rpc("memo-fail")


def test_declarations_that_cannot_be_are_type_errors() -> None:
    plugin = example()
    with pytest.raises(TypeError, match="provider memo twice"):
        plugin.provider(Memo)
    with pytest.raises(TypeError, match="RPC method memo-fail twice"):
        plugin.rpc("", name="memo-fail")(lambda node: None)
    with pytest.raises(TypeError, match="hook block_connected twice"):
        plugin.hook("block_connected")(lambda node: None)
    with pytest.raises(TypeError, match="its first parameter is the node"):
        plugin.rpc("", name="x")(lambda: None)

    def wrong(node: Node, amounts: list[int]) -> None: ...

    def many(node: Node, *words: str) -> None: ...

    for function in (wrong, many):
        with pytest.raises(TypeError, match="must be str, int, bool or bytes"):
            plugin.rpc("")(function)


def moving(moves: Moves) -> Plugin:
    plugin = Plugin("ray", "1")

    @plugin.rpc("Sends.", moves=moves)
    def send(node: Node, amount_msat: int, fee_sat: int = 0, word: str = "") -> None: ...

    @plugin.rpc("What it costs.")
    def cost(node: Node, amount_msat: int, deep: bool = False) -> Cost:
        return Cost(amount_msat, 5, note="a note")

    @plugin.rpc("Asks for what nobody gives.", name="ray-other")
    def other(node: Node, room: str) -> None: ...

    return plugin


def test_a_method_says_that_it_moves_money() -> None:
    plugin = moving(Moves("amount_msat", "fee_sat", "ray-cost"))
    assert plugin.manifest().rpc[0].moves == Moves("amount_msat", "fee_sat", "ray-cost")
    told = ask(plugin, "rpc", RpcRequest("ray-cost", envelope.raw({"amount_msat": 7})))
    assert told == Cost(7, 5, note="a note")
    for moves, words in (
        (Moves("amount"), "ray-send has no integer 'amount' that counts _sat or _msat"),
        (Moves("word"), "no integer 'word'"),
        (Moves("amount_msat", "word"), "no integer 'word'"),
        (Moves(estimate="ray-send"), "'ray-send', no method of the plugin that moves nothing"),
        (Moves(estimate="pay"), "'pay', no method of the plugin that moves nothing"),
        (Moves(estimate="ray-other"), "ray-send has no text 'room', which ray-other takes"),
    ):
        with pytest.raises(TypeError, match=words):
            moving(moves).manifest()


def test_the_node_is_asked_by_name_and_refuses_by_name() -> None:
    asked: list[tuple[str, object]] = []

    async def call(method: str, params: object) -> msgspec.Raw:
        asked.append((method, params))
        if method == "log":
            raise CallFailed("CapabilityMissing", "no")
        return envelope.raw({"propose": 7, "channels": [{"channel_id": "aa"}]}[method])

    async def main() -> None:
        plugin = example()
        plugin.attach(call)
        node = plugin.node
        assert node is not None
        assert await node.propose("aa", "memo", b"body") == 7
        assert await node.channels() == [{"channel_id": "aa"}]
        with pytest.raises(CallFailed) as refused:
            await node.log("info", "text")
        assert refused.value.code == "CapabilityMissing"

    asyncio.run(main())
    assert asked[0] == ("propose", Proposal("aa", "memo", b"body"))


def test_started_by_hand_it_says_how_to_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LNPD_ENDPOINT", raising=False)
    with pytest.raises(SystemExit, match=r"lnpd --plugin="):
        example().run()


def talker() -> tuple[Plugin, list[Any]]:
    """A plugin with two messages, of which it receives one."""
    heard: list[Any] = []
    plugin = Plugin("talker", "1")
    plugin.messages("# what it says\nmessage,44001,say\ndata,u64,number\n  message,44003,only_sent,option_quiesce\n")

    @plugin.message("say")
    async def on_say(node: Node, node_id: str, fields: dict[str, Any]) -> str:
        heard.append((node, node_id, fields))
        return "not sent anywhere"

    return plugin, heard


def test_a_message_reaches_its_receiver_with_its_fields() -> None:
    plugin, heard = talker()
    fields = {"number": 7, "tlvs": {"key": b"\x00"}}
    for name in ("say", "only_sent"):
        question = PeerMessage("02aa", name, envelope.raw(fields))
        assert asyncio.run(plugin.answer("peer_message", envelope.raw(question))) is None
    assert heard == [(plugin.node, "02aa", fields)]


def test_a_receiver_belongs_to_a_message_that_is_declared() -> None:
    plugin, _ = talker()
    assert plugin.manifest().messages.count("message,") == 2
    with pytest.raises(TypeError, match="talker declares the receiver of the message say twice"):
        plugin.message("say")(print)
    plugin.message("only_sent")(print)
    plugin.manifest()
    plugin.message("number")(print)
    with pytest.raises(TypeError, match="receives the message number, which none of its rows declares"):
        plugin.manifest()


def test_a_sent_message_is_a_call_of_the_node() -> None:
    asked: list[tuple[str, object]] = []

    async def call(method: str, params: object) -> msgspec.Raw:
        asked.append((method, params))
        return envelope.raw(None)

    asyncio.run(Node(call).send("02aa", "say", {"number": 7}))
    assert asked == [("send", Outgoing("02aa", "say", {"number": 7}))]
