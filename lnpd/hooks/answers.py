"""Who answers a question to a provider, and is the answer fit to be used?

Core providers are asked directly. A plugin's is asked wherever it runs; what only depends on fields of the view that
did not change is remembered, without asking. Every answer is held against the one that was given to the same question
before: a provider that answers differently would let the two nodes, or yesterday and today, disagree about money.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame
from lnpd_sdk.questions import PROVIDER_METHODS, ProviderQuestion
from lnpd_sdk.types import Blocked, Closable, Folded, Provider, ProviderSpec, Ready, Reject, Update, View, Wait

from lnpd.errors import ManifestRefused, ProviderFault, ProviderUnasked
from lnpd.errors.words import one_line
from lnpd.hooks.figures import HookFigures
from lnpd.hooks.memory import UNKNOWN, Memory
from lnpd.tx.graph import ProviderCall

DEADLINE_SECONDS = 5.0
MAX_STATE_BYTES = 64 * 1024  # a state is part of the channel's snapshot, which is written at every step
MAX_REASON = 500  # characters; a reason is logged and sent to the peer

# Asks a plugin: the msgpack of its answer, or a ProviderFault.
Asker = Callable[[ProviderQuestion], Awaitable[bytes]]
# Tells a plugin's host that an answer was wrong, and why.
Wrong = Callable[[str], None]


class _Entry:
    def __init__(self, spec: ProviderSpec, provider: Provider | None, ask: Asker | None, wrong: Wrong | None) -> None:
        self.spec, self.provider, self.ask, self.wrong = spec, provider, ask, wrong
        self.phases = {phase.name: phase for phase in spec.phases}
        self.observed = {spec.name, *spec.observes}


class Pending:
    """`answer_now` cannot answer: the provider has to be asked with `answer`."""


PENDING = Pending()


class Answers:
    """Answers `ProviderCall`s by name. Every failure of a plugin's is a ProviderFault that names the provider.

    With `ask_twice` each question goes out two times, so that an answer of chance is found while a plugin is written.
    """

    def __init__(self, ask_twice: bool = False) -> None:
        self._entries: dict[str, _Entry] = {}
        self._memories: dict[str, Memory] = {}
        self.ask_twice = ask_twice
        self.round_trips = 0
        self.figures = HookFigures()  # by PROVIDER.METHOD, and who answers

    # --- who is there
    def add_core(self, provider: Provider) -> None:
        """A provider that runs in this process and is this node's own."""
        self._entries[provider.spec.name] = _Entry(provider.spec, provider, None, None)

    def add(self, spec: ProviderSpec, ask: Asker, wrong: Wrong | None = None) -> None:
        """A plugin's provider. `wrong` is told of an answer that cannot be used. ManifestRefused if it is there."""
        if spec.name in self._entries:
            raise ManifestRefused(f"the provider {spec.name} is there already")
        self._entries[spec.name] = _Entry(spec, None, ask, wrong)

    def remove(self, name: str) -> None:
        """The provider is gone: questions to it fail until it comes back. What it answered stays known."""
        self._entries.pop(name, None)

    def missing(self, pins: Mapping[str, int]) -> str:
        """Why a channel that pins these providers (name: format) must wait; empty if it need not."""
        for name, number in pins.items():
            entry = self._entries.get(name)
            if entry is None:
                return f"no plugin here provides {name}"
            if number not in entry.spec.formats:
                return f"{name} does not speak commitment format {number}"
        return ""

    # --- answering
    def answer_now(self, call: ProviderCall) -> object:
        """The answer if it needs nobody else: a core provider's, a default, a remembered one. Else PENDING."""
        entry = self._entry(call)
        if (default := _default(entry, call)) is not PENDING:
            return default
        if entry.provider is not None:
            return getattr(entry.provider, call.method)(*call.arguments)
        memory, key = self._memory(call.provider), _key(entry, call)
        memory.hold(key, _view(call))
        known = memory.recall(key)
        return PENDING if known is UNKNOWN else known

    async def answer(self, call: ProviderCall) -> object:
        """The answer, asked for if need be, together with those beside it. ProviderFault if there is none of one of
        them that can be used."""
        if (known := self.answer_now(call)) is not PENDING:
            return known
        if others := [each for each in call.beside if self._is_open(each)]:
            return (await asyncio.gather(self._answered(call), *map(self._answered, others)))[0]
        return await self._answered(call)

    def _is_open(self, call: ProviderCall) -> bool:
        """Whether a plugin that is there has to be asked."""
        entry = self._entries.get(call.provider)
        there = entry is not None and entry.provider is None and call.format in entry.spec.formats
        return there and self.answer_now(call) is PENDING

    async def _answered(self, call: ProviderCall) -> object:
        entry, memory = self._entry(call), self._memory(call.provider)
        key = _key(entry, call)
        try:
            answer = await self._asked(entry, call)
            size = memory.compare(key, call.method, answer)
            if self.ask_twice:
                memory.compare(key, call.method, await self._asked(entry, call))
        except ProviderFault as error:
            if entry.wrong is not None and not isinstance(error, ProviderUnasked):
                entry.wrong(str(error))
            raise
        memory.keep(key, answer, size)
        return answer

    def _entry(self, call: ProviderCall) -> _Entry:
        entry = self._entries.get(call.provider)
        if entry is None or call.format not in entry.spec.formats:
            raise ProviderFault(call.provider, self.missing({call.provider: call.format}))
        return entry

    def _memory(self, provider: str) -> Memory:
        return self._memories.setdefault(provider, Memory(provider))

    async def _asked(self, entry: _Entry, call: ProviderCall) -> object:
        assert entry.ask is not None
        question = ProviderQuestion(call.provider, call.format, call.method, envelope.raw(call.arguments))
        self.round_trips += 1
        try:
            with self.figures.of(f"{call.provider}.{call.method}", call.provider).call():
                data = await entry.ask(question)
            return _bounded(call, envelope.decode(data, PROVIDER_METHODS[call.method].answer))
        except BadFrame as error:
            raise ProviderFault(call.provider, f"{call.method} was answered with something else: {error}") from None


def _bounded(call: ProviderCall, answer: object) -> object:
    match answer:
        case Folded(state=state) if len(state) > MAX_STATE_BYTES:
            raise ProviderFault(
                call.provider, f"answered fold with a state of {len(state)} bytes, over {MAX_STATE_BYTES}"
            )
        case Reject(reason=reason) | Blocked(reason=reason) | Wait(reason=reason):
            return msgspec.structs.replace(answer, reason=one_line(reason, MAX_REASON))
    return answer


def _default(entry: _Entry, call: ProviderCall) -> Any:  # Any: each method has its own answer
    """What need not be asked: a phase that the provider does not have, an update that it does not observe."""
    if call.method in ("validate", "fold"):
        update = call.arguments[2]
        assert isinstance(update, Update)
        if call.method not in entry.phases or not ("*" in entry.observed or update.provider in entry.observed):
            return None if call.method == "validate" else Folded(_state(call))
        return PENDING
    if call.method not in entry.phases:
        return {"seal": b"", "gate": Ready(), "close": Closable()}.get(call.method, ())
    return PENDING


def _state(call: ProviderCall) -> bytes:
    state = call.arguments[1]
    assert isinstance(state, bytes)
    return state


def _view(call: ProviderCall) -> View:
    view = call.arguments[0]
    assert isinstance(view, View)
    return view


def _key(entry: _Entry, call: ProviderCall) -> bytes:
    """A digest of the question, of the view only what this phase declared to depend on."""
    view, rest = _view(call), call.arguments[1:]
    fields = entry.phases[call.method].view_fields
    seen: object = view if fields is None else [getattr(view, name) for name in fields]
    return sha256(envelope.encode((call.format, call.method, fields, seen, rest))).digest()
