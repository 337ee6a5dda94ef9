"""How does an author write a plugin?

    plugin = Plugin("hello", version="0.1.0")

    @plugin.rpc("Greets someone.")
    async def hello(node: Node, name: str = "world") -> dict[str, str]:
        return {"greeting": f"hello {name}"}

    if __name__ == "__main__":
        plugin.run()

The same object is served from its own process by `run`, or registered in the node's process: its code does not know.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, get_type_hints

import msgspec

from lnpd_sdk import envelope
from lnpd_sdk.envelope import BusError
from lnpd_sdk.manifest import ChannelTypeSpec, Filter, HookSubscription, Manifest, Parameter, ParameterKind, RpcMethod
from lnpd_sdk.questions import PROVIDER_METHODS, ProviderQuestion, RpcRequest
from lnpd_sdk.types import Provider

F = TypeVar("F", bound=Callable[..., Any])  # Any: an author's function has its own parameters
P = TypeVar("P", bound=type[Provider])


class UnknownQuestion(BusError):
    """The host asked for something that this plugin did not declare."""


class BadParameters(BusError):
    """An RPC method was called with parameters that it does not take; the text names the first."""


class Node(Protocol):
    """What a plugin may ask of the node that runs it. Every id is 32 bytes in hex."""

    async def call(self, method: str, params: object) -> msgspec.Raw:
        """Any host service by name."""
        ...

    async def propose(self, channel_id: str, provider: str, body: bytes) -> int:
        """Proposes an update of one of the plugin's own providers; returns its id. Refused with a sentence if a
        rule or the peer's view of the channel forbids it."""
        ...

    async def channels(self) -> list[dict[str, Any]]:
        """The channels that pin one of the plugin's providers, with the provider's base state in hex."""
        ...

    async def log(self, level: str, text: str) -> None:
        """Writes a line to the node's log (debug, info, warning, error)."""
        ...


_KINDS: dict[object, ParameterKind] = {str: "text", int: "integer", bool: "boolean", bytes: "hex"}


def _parameters(function: Callable[..., object]) -> tuple[Parameter, ...]:
    hints = get_type_hints(function)
    rows = []
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        kind = "channel" if name == "channel_id" else _KINDS.get(hints.get(name, str))
        if kind is None:
            raise TypeError(f"{function.__name__}: parameter {name} must be str, int, bool or bytes")
        rows.append(Parameter(name, kind, "", parameter.default is inspect.Parameter.empty))
    return tuple(rows)


async def _awaited(value: object) -> object:
    return await value if isinstance(value, Awaitable) else value


class Plugin:
    """A plugin: what it declares, and the functions that answer for it."""

    def __init__(self, name: str, version: str, help: str = "", capabilities: tuple[str, ...] = ()) -> None:
        self.name, self.version, self.help, self.capabilities = name, version, help, capabilities
        self.node: Node | None = None
        self._providers: dict[str, Provider] = {}
        self._rpc: dict[str, tuple[RpcMethod, Callable[..., object]]] = {}
        self._hooks: dict[str, tuple[HookSubscription, Callable[..., object]]] = {}
        self._types: list[ChannelTypeSpec] = []
        self._messages: list[str] = []

    # --- declarations
    def provider(self, kind: P) -> P:
        """Class decorator: this provider's pure functions shape commitments."""
        self._providers[kind.spec.name] = kind()
        return kind

    def rpc(self, help: str, name: str = "", example: str = "", result: str = "") -> Callable[[F], F]:
        """Decorator: an RPC method. The function's first parameter is the `Node`; the others are the method's."""

        def register(function: F) -> F:
            method = name or f"{self.name}-{function.__name__.replace('_', '-')}"
            spec = RpcMethod(method, help, _parameters(function), result, example)
            self._rpc[method] = (spec, function)
            return function

        return register

    def hook(self, name: str, **equals: str | int) -> Callable[[F], F]:
        """Decorator: called for the hook `name` where its fields equal the given values."""

        def register(function: F) -> F:
            filters = tuple(Filter(field, value) for field, value in equals.items())
            self._hooks[name] = (HookSubscription(name, filters), function)
            return function

        return register

    def channel_type(self, spec: ChannelTypeSpec) -> None:
        """Declares a channel type."""
        self._types.append(spec)

    def messages(self, rows: str) -> None:
        """Declares wire messages, in the notation of the wire catalogue."""
        self._messages.append(rows)

    def manifest(self) -> Manifest:
        """All of it, as data."""
        return Manifest(
            name=self.name,
            version=self.version,
            help=self.help,
            messages="\n".join(self._messages),
            providers=tuple(p.spec for p in self._providers.values()),
            channel_types=tuple(self._types),
            rpc=tuple(spec for spec, _ in self._rpc.values()),
            hooks=tuple(spec for spec, _ in self._hooks.values()),
            capabilities=self.capabilities,
        )

    # --- answers
    async def answer(self, method: str, params: bytes | msgspec.Raw) -> object:
        """Answers one question of the host; what it raises becomes a fault that names this plugin."""
        match method:
            case "provider":
                return self.ask(envelope.decode(params, ProviderQuestion))
            case "rpc":
                return await self._answer_rpc(envelope.decode(params, RpcRequest))
            case "hook":
                return await self._answer_hook(envelope.decode(params, RpcRequest))
            case "ping":
                return None
        raise UnknownQuestion(f"{self.name} does not answer {method!r}")

    def ask(self, question: ProviderQuestion) -> object:
        """Answers a question to one of the providers."""
        provider = self._providers.get(question.provider)
        kinds = PROVIDER_METHODS.get(question.method)
        if provider is None or kinds is None:
            raise UnknownQuestion(f"{self.name} has no provider {question.provider!r} with {question.method!r}")
        return getattr(provider, question.method)(*envelope.decode(question.arguments, kinds.arguments))

    async def _answer_rpc(self, request: RpcRequest) -> object:
        spec, function = self._rpc.get(request.name, (None, None))
        if spec is None or function is None:
            raise UnknownQuestion(f"{self.name} has no RPC method {request.name!r}")
        given = envelope.decode(request.params, dict[str, Any])
        known = {p.name for p in spec.parameters}
        for name in given:
            if name not in known:
                raise BadParameters(f"{request.name} has no parameter {name!r}")
        for parameter in spec.parameters:
            if parameter.required and parameter.name not in given:
                raise BadParameters(f"{request.name} needs {parameter.name}")
        hints = get_type_hints(function)
        try:
            typed = {name: msgspec.convert(value, hints[name]) for name, value in given.items()}
        except msgspec.ValidationError as error:
            raise BadParameters(f"{request.name}: {error}") from None
        return await _awaited(function(self.node, **typed))

    async def _answer_hook(self, request: RpcRequest) -> object:
        spec, function = self._hooks.get(request.name, (None, None))
        if spec is None or function is None:
            raise UnknownQuestion(f"{self.name} does not take part in hook {request.name!r}")
        return await _awaited(function(self.node, **envelope.decode(request.params, dict[str, Any])))

    def run(self) -> None:
        """Serves the plugin to the node that started this process, until the node ends or says stop."""
        from lnpd_sdk.client import main  # the sockets are needed only here

        main(self)
