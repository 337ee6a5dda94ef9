"""How is a plugin asked, wherever it runs?

    PluginProcess (process.py)    its own process, over its own endpoint
    PluginHere    (here.py)       the same object in this process

Both are a `Plugin` here: they differ in how a call reaches the plugin's code and in what ends it.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame, CallFailed
from lnpd_sdk.manifest import Manifest, OptionValue
from lnpd_sdk.questions import OptionChange, ProviderQuestion, RpcRequest

from lnpd.errors import (
    ManifestRefused,
    PluginFault,
    PluginLate,
    PluginUnasked,
    ProviderFault,
    ProviderUnasked,
    ReloadRefused,
    WouldDeadlock,
)
from lnpd.hooks.answers import DEADLINE_SECONDS
from lnpd.hooks.figures import CountingEach, HookFigures
from lnpd.hooks.trace import Traces
from lnpd.services.plugins.child import Child
from lnpd.services.plugins.output import Voice
from lnpd.services.plugins.results import result_of
from lnpd.services.plugins.spans import span, spans

MAX_HOOK_ANSWER_BYTES = 256 * 1024  # initial_states is the longest: a state in hex, or a few

WITHIN_PURE = ("log",)  # what a pure function may ask the node for

Status = Literal["starting", "ready", "waiting", "quarantined", "refused", "stopped"]


class Owner(Protocol):
    """Whom a plugin tells of what happens to it. `environment` is what its process is told beside what it
    inherits; `figures` count what plugins are asked."""

    environment: dict[str, str]
    figures: HookFigures

    @property
    def traces(self) -> Traces:
        """Which plugins are asked now."""
        ...

    def endpoint(self, number: int, start: int) -> str:
        """The endpoint of a start."""
        ...

    async def turn(self, plugin: "Plugin") -> None:
        """Returns when those before it on the command line are settled: names and grants go in that order."""
        ...

    async def options(self, plugin: "Plugin", manifest: Manifest) -> dict[str, OptionValue]:
        """The values of its options. OptionRefused names one that cannot be."""
        ...

    async def spawn(self, plugin: "Plugin", endpoint: str, token: bytes) -> Child:
        """Starts its process. OSError, SandboxMissing."""
        ...

    def may_replace(self, plugin: "Plugin", manifest: Manifest) -> None:
        """Whether it may go on with another manifest than it has. Raises an LnpdError that says why not."""
        ...

    def replace(self, plugin: "Plugin", manifest: Manifest) -> None:
        """Registers this manifest in the place of the one that it has; raises as `register` does, and changes
        nothing then."""
        ...

    def register(self, plugin: "Plugin", manifest: Manifest) -> None:
        """Registers a manifest as a whole, or raises an LnpdError and registers nothing."""
        ...

    async def joined(self, plugin: "Plugin") -> None:
        """It is ready."""
        ...

    async def resumed(self, plugin: "Plugin") -> None:
        """It can be asked again, as before: it was to be reloaded, and was not."""
        ...

    async def left(self, plugin: "Plugin") -> None:
        """It is gone."""
        ...

    async def serve(self, plugin: "Plugin", method: str, params: msgspec.Raw) -> object:
        """It asks for a service of the node."""
        ...


class Plugin(ABC):
    """A plugin as the node knows it. `why` says what went wrong last; `faults` counts what did.

    `dropped` counts messages of peers, and questions, for which there was no room left.
    """

    def __init__(self, host: Owner, name: str, path: str) -> None:
        self.host, self.name, self.path = host, name, path
        self.status: Status = "starting"
        self.why = ""
        self.starts, self.faults, self.dropped, self._dropped_before = 0, 0, 0, 0
        self.manifest: Manifest | None = None
        self.voice = Voice(name, path)
        self.settled = asyncio.Event()  # registered, or failed for the first time
        self.known_as = ""  # grants and channels belong to a name: a later start may not take another

    @property
    def dropped_lately(self) -> int:
        """What was dropped since it was started or reloaded last."""
        return self.dropped - self._dropped_before

    def begins(self) -> None:
        """Counts a new life of it."""
        self.starts, self._dropped_before = self.starts + 1, self.dropped

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """The process's id while it runs."""

    @abstractmethod
    async def call(self, method: str, params: object, deadline_seconds: float) -> bytes:
        """The msgpack of the plugin's answer. PluginLate after the deadline, PluginFault if there is none for another
        reason. CallFailed is its own refusal."""

    @abstractmethod
    def fail(self, why: str) -> None:
        """The plugin cannot be trusted with the next question."""

    @abstractmethod
    async def start(self) -> None:
        """Starts it and returns when it is registered, or failed for the first time."""

    @abstractmethod
    async def stop(self) -> None:
        """Ends it; what it registered leaves with it."""

    async def reload(self) -> None:
        """Puts a new process in the place of the present one. ReloadRefused: the old one goes on."""
        raise ReloadRefused(f"{self.name} has no process of its own that could be replaced.")

    @property
    def waiting(self) -> int:
        """How many questions wait for its answer."""
        return 0

    async def change(self, change: OptionChange) -> None:
        """Tells it of an option. CallFailed if it refuses, PluginFault if it does not answer."""
        await self.call("option", change, DEADLINE_SECONDS)

    # --- its manifest
    @property
    def providers(self) -> frozenset[str]:
        """The names of its providers."""
        return frozenset(spec.name for spec in self.manifest.providers) if self.manifest else frozenset()

    def enrol(self, manifest: Manifest) -> None:
        """Registers it under the name of its manifest; raises what the host raises, and ManifestRefused."""
        if self.known_as not in ("", manifest.name):
            raise ManifestRefused(f"the plugin {self.known_as} calls itself {manifest.name[:40]!r} now")
        self.host.register(self, manifest)
        self.manifest = manifest
        self.name = self.known_as = self.voice.name = manifest.name

    def forget(self) -> Manifest | None:
        """Its manifest, for the last time: the next start has to register anew."""
        manifest, self.manifest = self.manifest, None
        return manifest

    async def served(self, method: str, params: msgspec.Raw, trace: str) -> object:
        """Its call of a service of the node, as a part of the trace in which it is asked itself. WouldDeadlock."""
        if method not in WITHIN_PURE and (function := self.host.traces.pure(self.name, trace)):
            raise WouldDeadlock(
                f"{self.name} asks for {method} while it answers {function}: a channel waits for that answer,"
                " and what is asked for could wait for the channel. A provider's functions are pure: ask after them."
            )
        with self.host.traces.serving(self.name, trace):
            return await self.host.serve(self, method, params)

    # --- questions
    async def ask(self, question: ProviderQuestion) -> bytes:
        """A provider's answer; ProviderFault if there is none. The host then calls `fail`: nothing about money may
        hang on a plugin that errs."""
        with self._asking(question):
            return await self.call("provider", question, DEADLINE_SECONDS)

    async def ask_together(self, questions: tuple[ProviderQuestion, ...]) -> bytes:
        """The first answers to several questions; ProviderFault if there is none to the first. As `ask`."""
        with self._asking(*questions):
            return await self.call("providers", questions, DEADLINE_SECONDS)

    @contextmanager
    def _asking(self, *questions: ProviderQuestion) -> Iterator[None]:
        """Counts questions to providers while they are asked; whatever goes wrong concerns the first."""
        first, functions = questions[0], [f"{each.provider}.{each.method}" for each in questions]
        try:
            figures = CountingEach(self.host.figures.of(function, self.name) for function in functions)
            with self.host.traces.asking_purely(self.name, functions[0]), figures, spans(functions, self.name):
                yield
        except CallFailed as error:
            raise ProviderFault(first.provider, f"{first.method} failed: {error.named}") from None
        except PluginFault as error:
            fault = ProviderUnasked if isinstance(error, PluginUnasked) else ProviderFault
            raise fault(first.provider, str(error).removeprefix(f"{self.name}: ")) from None

    async def hook(self, name: str, params: dict[str, object], deadline_seconds: float = DEADLINE_SECONDS) -> object:
        """A hook's answer; PluginFault if there is none. What it raised, or was late with, is counted."""
        try:
            with span(f"hook {name}", self.name):  # counted where it is decided whom to ask
                data = await self.call("hook", RpcRequest(name, envelope.raw(params)), deadline_seconds)
            if len(data) > MAX_HOOK_ANSWER_BYTES:
                raise BadFrame(f"its answer of {len(data)} bytes is over {MAX_HOOK_ANSWER_BYTES}")
            answer: object = envelope.decode(data, object)
            return answer
        except (CallFailed, BadFrame, PluginLate) as error:  # the end of its process is counted once, for all who wait
            self.faults += 1
            raise PluginFault(self.name, f"hook {name}: {error}") from None

    async def rpc(self, name: str, params: dict[str, object], deadline_seconds: float) -> object:
        """An RPC method's result, as JSON values. CallFailed is what the plugin refused or raised; PluginFault if it
        did not answer, or with what no result may be."""
        try:
            request = RpcRequest(name, envelope.raw(params))
        except BadFrame as error:
            raise CallFailed("BadParameters", f"{name}: {error}") from None
        question = f"rpc {name}"
        counting = self.host.figures.of(question, self.name).call()
        with self.host.traces.asking(self.name), counting, span(question, self.name):
            data = await self.call("rpc", request, deadline_seconds)
        try:
            return result_of(data)
        except BadFrame as error:
            raise PluginFault(self.name, f"{name}: {error}") from None
