"""How does an author write a plugin?

    plugin = Plugin("hello", version="0.1.0")

    @plugin.rpc("Greets someone.")
    async def hello(node: Node, name: str = "world") -> dict[str, str]:
        return {"greeting": f"hello {name}"}

    if __name__ == "__main__":
        plugin.run()

The same object is served from its own process by `run`, or registered in the node's process: its code does not know.

What a function of the author's raises becomes a fault that names the plugin, the exception's class and its text; it
never ends the node. The functions of a provider are stricter: a raised exception there ends the plugin's process (it
is started again), and freezes the channels that pin the provider.
"""

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal, TypeVar

import msgspec

from lnpd_sdk import envelope
from lnpd_sdk.envelope import BusError
from lnpd_sdk.functions import check_call, check_form, check_provider, taken_by, takes_all
from lnpd_sdk.guard import guarded, in_test_mode
from lnpd_sdk.hearing import Hearing
from lnpd_sdk.life import Living
from lnpd_sdk.manifest import ChannelTypeSpec, FeatureSpec, Filter, HookOffer, HookSubscription, Manifest, RpcMethod
from lnpd_sdk.moves import Cost, Moves
from lnpd_sdk.nearest import nearest
from lnpd_sdk.node import Node
from lnpd_sdk.parameters import BadParameters, fields_of, methods_of, parameters_of, typed
from lnpd_sdk.questions import (
    PROVIDER_METHODS,
    QUESTIONS,
    Event,
    PeerMessage,
    ProviderQuestion,
    RpcRequest,
    continued,
)
from lnpd_sdk.services.base import Caller
from lnpd_sdk.types import Provider, Reject

__all__ = ["BadParameters", "Cost", "Event", "Moves", "Node", "Plugin", "UnknownQuestion"]

TOGETHER_SECONDS, TOGETHER_BYTES = 1.0, 1 << 20  # of answers, after which no further one of several questions is begun

F = TypeVar("F", bound=Callable[..., Any])  # Any: an author's function has its own parameters
P = TypeVar("P", bound=type[Provider])


class UnknownQuestion(BusError):
    """The host asked for something that this plugin did not declare."""


class Plugin(Living, Hearing):
    """A plugin: what it declares, and the functions that answer for it.

    `name` is lower-case letters, digits and hyphens, at most 32. `capabilities` are what it asks the user for
    (`lnpd_sdk.manifest.Manifest`). `node` is what it may ask of the node, from its start on. `guarded`: in test mode
    its providers' functions run under `lnpd_sdk.guard`. Declarations raise TypeError where one of them is made twice or
    cannot be.
    """

    def __init__(self, name: str, version: str, help: str = "", capabilities: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.name, self.version, self.help, self.capabilities = name, version, help, capabilities
        check_form(f"the plugin {name}", Manifest(name=name, version=version, help=help, capabilities=capabilities))
        self.node: Node | None = None
        self.guarded = in_test_mode()
        self._providers: dict[str, Provider] = {}
        self._rpc: dict[str, tuple[RpcMethod, Callable[..., object]]] = {}
        self._hooks: dict[str, tuple[HookSubscription, Callable[..., object], bool]] = {}  # whether it takes all fields
        self._offers: dict[str, HookOffer] = {}
        self._types: list[ChannelTypeSpec] = []
        self._messages: list[str] = []
        self._features: list[FeatureSpec] = []
        self._receivers: dict[str, Callable[..., object]] = {}

    # --- declarations
    def provider(self, kind: P) -> P:
        """Class decorator: this provider's pure functions shape commitments (`lnpd_sdk.types.Provider`).

        The class is instantiated once, without arguments. Its `spec` says what it is asked: TypeError for a phase
        without its method, and for a method that no phase asks.
        """
        check_provider(kind)
        self._declare(self._providers, kind.spec.name, kind(), "provider")
        return kind

    def rpc(
        self, help: str, name: str = "", example: str = "", result: str = "", extends: str = "",
        moves: Moves | None = None,
    ) -> Callable[[F], F]:  # fmt: skip
        """Decorator: an RPC method of the node, and thereby a command of `lnp`.

        The function's first parameter is the `Node`; the others, `str`, `int`, `bool` or `bytes` (hex outside), are
        the method's, by name; `Annotated[int, "what it is"]` gives one its help. Without `name` it is called
        PLUGIN-FUNCTION; "PLUGIN WORD" makes it one of a group of commands (`lnp rgb issue`). It returns, or resolves
        to, what JSON can hold. Before one that `moves` money a person is asked.

            @plugin.rpc("Opens a channel with an asset in it.", extends="open")
            async def open(node: Node, asset: Annotated[str, "ASSET:AMOUNT"], peer: str, amount_sat: int) -> Any:

        With `extends` it adds options to a command of the node's that changes something: those parameters which that
        has not. Where one of them is given, the function is called in the command's place, with all that was given and
        nothing else; what it does not take is refused, so that nothing is left out. It may call the command itself
        (`Node.rpc`), and answers as that does. Two plugins cannot add one parameter to a command.
        """

        def register(function: F) -> F:
            method = name or f"{self.name}-{function.__name__.replace('_', '-')}"
            spec = RpcMethod(method, help, parameters_of(function), result, example, extends, moves)
            self._declare(self._rpc, method, (spec, function), "RPC method")
            return function

        return register

    def hook(
        self,
        name: str,
        /,
        *filters: Filter,
        before: tuple[str, ...] = (),
        after: tuple[str, ...] = (),
        **equals: str | int | bool,
    ) -> Callable[[F], F]:
        """Decorator: called for the hook `name` where all `filters` hold and its fields equal the given values.

            @plugin.hook("open_channel_received", Filter("funding_sat", at_most=50_000), after=("watchtower",))
            async def small(node: Node, **fields: object) -> str:
                return "too small for us"

        The function's first parameter is the `Node`; of the hook's fields it is given by name those that it names, and
        with `**fields` the others too. The node refuses a plugin that names one that the hook has not; `_own=value` is
        the function's own. An answer that is late (the hook's deadline) or raised is no answer. Plugins named in
        `before` and `after` are asked later and earlier than this one.
        """

        def register(function: F) -> F:
            every = (*filters, *(Filter(field, value) for field, value in equals.items()))
            subscription = HookSubscription(name, every, before, after, taken_by(function))
            self._declare(self._hooks, name, (subscription, function, takes_all(function)), "hook")
            return function

        return register

    def offer(
        self, kind: Literal["gather", "chain"] = "gather", default: str = "", deadline_seconds: float = 5.0
    ) -> Callable[[F], F]:
        """Decorator: a hook that other plugins can take part in, as in the node's own; `PLUGIN/FUNCTION` is its name.

            @plugin.offer("chain")
            def lit(room: str, watts: int) -> None:
                "A lamp is about to be lit; a text forbids it."

        The function only declares: its parameters, `str`, `int`, `bool` or `bytes`, are the hook's fields, its
        docstring the help. `node.call_hook("lamp/lit", room="hall", watts=60)` calls the hook.
        """

        def register(function: F) -> F:
            name = f"{self.name}/{function.__name__}"
            words = " ".join((inspect.getdoc(function) or "").split())
            offer = HookOffer(name, kind, fields_of(function), words, default, deadline_seconds)
            self._declare(self._offers, name, offer, "offer of the hook")
            return function

        return register

    def channel_type(self, spec: ChannelTypeSpec) -> None:
        """Declares a channel type; the user opens channels of it by its name."""
        check_form(f"the channel type {spec.name}", spec)
        self._types.append(spec)

    def messages(self, rows: str) -> None:
        """Declares wire messages, in the notation of the wire catalogue (the BOLTs' own). Needs `messages` granted.

            plugin.messages('''
                message,40001,greeting
                data,u16,len
                data,len*byte,words
            ''')

        Numbers are 32768 and above. As everywhere in Lightning, a peer that does not know an odd one ignores it, and
        one that does not know an even one ends the connection: so even ones are only sent to a peer whose `init` said
        that it has this plugin's messages (`NAME/messages` in its list of extensions), which it decides when the
        connection begins.

        A message is a map of its fields by name. Integers are integers; bytes are bytes (msgpack's bin; no hex); utf8
        is text; arrays are lists; composite types are maps; a count is left out, for it follows from what it counts.
        `tlvs` is a map of the records that are there: a record of one field is that field's value, of several a map of
        them, a flag's is True.
        """
        self._messages.append(rows)

    def records(self, rows: str) -> None:
        """Declares TLV records of the plugin's own on the node's messages, and in the onion's `payload`, in the
        notation of `messages`. Needs `messages` granted.

            plugin.records('''
                tlv_stream,update_add_htlc_tlvs
                type,70001,greeting
                data,u16,tone
            ''')

        A message's stream is NAME_tlvs; types are 65536 and above. A type that somebody has in this stream already is
        refused, with both names. Ten messages carry them: messages.md says which hook asks for what is sent, and which
        ones show what came, each plugin its own. Types that are sent are odd: a peer without the plugin ignores them. A
        record that is not as these rows say ends the connection that it came over, as with the BOLTs' own; even types
        are understood, and never sent. What a type's value is never changes: a message that is sent again carries the
        old bytes, whatever the rows are by then.
        """
        self._messages.append(rows)

    def feature(self, name: str, bit: int, contexts: str = "I", depends_on: tuple[str, ...] = ()) -> None:
        """Declares a feature bit of the plugin's own (`lnpd_sdk.manifest.FeatureSpec`). Needs `messages` granted.

            plugin.feature("greetings", 827)

        The hook `peer_connected` tells which bits a peer has: bit n of `int(features, 16)`.
        """
        self._features.append(FeatureSpec(name, bit, contexts, depends_on))

    def message(self, name: str) -> Callable[[F], F]:
        """Decorator: called for each of the plugin's own messages `name` that a peer sends.

            @plugin.message("greeting")
            async def heard(node: Node, node_id: str, fields: dict[str, Any]) -> None:

        `node_id` is the peer's, in hex; `fields` as `messages` says, checked against the rows. One message is handled
        after the other, in each peer's order; what is late (5 s) or raised is counted, and the next one comes. Too many
        that wait are dropped: a message is no promise, whatever must not be lost is asked for again.
        """

        def register(function: F) -> F:
            check_call(function, "node", "node_id", "fields")
            self._declare(self._receivers, name, function, "receiver of the message")
            return function

        return register

    def manifest(self) -> Manifest:
        """All of it, as data. TypeError for a message's receiver or a method's `moves` that names what is not there."""
        declared = {row.split(",")[2].strip() for row in self._rows() if row.startswith("message,")}
        for name in self._receivers:
            if name not in declared:
                near = nearest(name, declared)
                raise TypeError(f"{self.name} receives the message {name}, which none of its rows declares{near}")
        return Manifest(
            name=self.name,
            version=self.version,
            help=self.help,
            messages="\n".join(self._messages),
            features=tuple(self._features),
            providers=tuple(p.spec for p in self._providers.values()),
            channel_types=tuple(self._types),
            rpc=methods_of(self.name, [spec for spec, _ in self._rpc.values()]),
            hooks=tuple(spec for spec, *_ in self._hooks.values()),
            options=self.options,
            offers=tuple(self._offers.values()),
            notifications=self.notifications,
            topics=self.topics,
            capabilities=self.capabilities,
        )

    def _rows(self) -> list[str]:
        rows = [row.strip() for text in self._messages for row in text.splitlines()]
        return [row for row in rows if row.count(",") >= 2]

    def _declare(self, table: dict[str, Any], name: str, value: object, what: str) -> None:
        if name in table:
            raise TypeError(f"{self.name} declares the {what} {name} twice")
        table[name] = value

    # --- answers
    def attach(self, call: Caller) -> None:
        """Gives the plugin its way to the node: `call(method, params)` asks it. Whoever runs the plugin does this."""
        self.node = Node(call)

    async def answer(self, method: str, params: bytes | msgspec.Raw) -> object:
        """Answers one question of the host; `params` is the msgpack of its parameters.

        Raises UnknownQuestion, BadFrame (`params` have not the agreed form), BadParameters, NotPure (in test mode), and
        what the author's function raises.
        """
        value = self.begin(method, params)
        return await value if isinstance(value, Awaitable) else value

    def begin(self, method: str, params: bytes | msgspec.Raw) -> object:
        """The answer itself, where the author's function has it at once; else what has to be awaited for it. Raises as
        `answer` does."""
        answer, question = ANSWERS.get(method), QUESTIONS.get(method)
        if answer is None or question is None:
            raise UnknownQuestion(f"{self.name} does not answer {method!r}")
        return answer(self, None if question.arguments is None else envelope.decode(params, question.arguments))

    def _samples(self) -> dict[str, object]:
        return {name: getattr(provider, "samples", tuple)() for name, provider in self._providers.items()}

    def ask_together(self, questions: tuple[ProviderQuestion, ...]) -> object:
        """Answers questions to the providers, in their order, as far as it can: what is left is asked again if it is
        needed. As `begin`, if it cannot answer the first."""
        answers: list[object] = []
        encoded: list[msgspec.Raw] = []
        until, room = time.monotonic() + TOGETHER_SECONDS, TOGETHER_BYTES
        for question in questions:
            try:
                answer = self.ask(question, None if question.after is None else answers[question.after])
                if isinstance(answer, Awaitable):
                    return self._ending(encoded, answer)
                encoded.append(envelope.raw(answer))
            except Exception:  # the author's code may raise anything: it is told of when this one is asked again
                if not encoded:
                    raise
                break
            answers.append(answer)
            room -= len(bytes(encoded[-1]))
            if isinstance(answer, Reject) or room < 0 or time.monotonic() > until:
                break
        return encoded

    async def _ending(self, encoded: list[msgspec.Raw], answer: Awaitable[object]) -> list[msgspec.Raw]:
        """These answers, and one that has to be awaited."""
        try:
            return [*encoded, envelope.raw(await answer)]
        except Exception:
            if not encoded:
                raise
            return encoded

    def ask(self, question: ProviderQuestion, before: object = None) -> object:
        """Answers a question to one of the providers, which may come after an answer to a `fold`. Raises as `answer`
        does."""
        provider = self._providers.get(question.provider)
        kinds = PROVIDER_METHODS.get(question.method)
        if provider is None or kinds is None or question.format not in provider.spec.formats:
            raise UnknownQuestion(
                f"{self.name} has no provider {question.provider!r} with {question.method!r} at format "
                f"{question.format}"
            )
        function, arguments = getattr(provider, question.method), envelope.decode(question.arguments, kinds.arguments)
        if question.after is not None:
            arguments = continued(arguments, before)
        if self.guarded:
            return guarded(f"{type(provider).__name__}.{question.method}", function, *arguments)
        return function(*arguments)

    def _begin_rpc(self, request: RpcRequest) -> object:
        spec, function = self._rpc.get(request.name, (None, None))
        if spec is None or function is None:
            raise UnknownQuestion(f"{self.name} has no RPC method {request.name!r}")
        given = typed(request.name, spec.parameters, envelope.decode(request.params, dict[str, Any]))
        return function(self.node, **given)

    def _begin_hook(self, request: RpcRequest) -> object:
        spec, function, all_fields = self._hooks.get(request.name, (None, None, False))
        if spec is None or function is None:
            raise UnknownQuestion(f"{self.name} does not take part in hook {request.name!r}")
        fields = envelope.decode(request.params, dict[str, Any])
        if not all_fields:  # a hook may have more of them on another node
            fields = {field: value for field, value in fields.items() if field in spec.takes}
        return function(self.node, **fields)

    async def _take_message(self, message: PeerMessage) -> None:
        function = self._receivers.get(message.name)
        if function is not None:  # a message may be one that the plugin only sends
            value = function(self.node, message.node_id, envelope.decode(message.fields, dict[str, Any]))
            if isinstance(value, Awaitable):
                await value

    def run(self) -> None:
        """Serves the plugin to the node that started this process, until the node ends or says stop."""
        from lnpd_sdk.client import main  # the sockets are needed only here

        main(self)


# Any: what the question's row in QUESTIONS says that it is asked with.
ANSWERS: Final[dict[str, Callable[[Plugin, Any], object]]] = {
    "provider": lambda plugin, question: plugin.ask(question),
    "providers": lambda plugin, questions: plugin.ask_together(questions),
    "rpc": lambda plugin, request: plugin._begin_rpc(request),
    "hook": lambda plugin, request: plugin._begin_hook(request),
    "peer_message": lambda plugin, message: plugin._take_message(message),
    "notifications": lambda plugin, given: plugin.hear(given),
    "samples": lambda plugin, _: plugin._samples(),
    "init": lambda plugin, init: plugin.begin_life(init),
    "option": lambda plugin, change: plugin.change(change),
    "handover": lambda plugin, _: plugin.hand_over(),
    "ping": lambda _plugin, _: None,
}
"""Who answers each of QUESTIONS, given what it is asked with."""
