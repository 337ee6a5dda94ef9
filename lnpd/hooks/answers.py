"""Who answers a question to a provider, and is the answer the same as last time?

Core providers are asked directly. A plugin's is asked wherever it runs, with a deadline; what only depends on fields
of the view that did not change comes from a cache, without asking. Every pure answer's digest is remembered: a provider
that answers a repeated question differently would let the two nodes, or yesterday and today, disagree about money.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any, TypeVar

from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame
from lnpd_sdk.questions import PROVIDER_METHODS, ProviderQuestion
from lnpd_sdk.types import Closable, Folded, Provider, ProviderSpec, Update, View

from lnpd.errors import ProviderFault
from lnpd.tx.graph import ProviderCall

T = TypeVar("T")
CACHE_ENTRIES = 10_000
DEADLINE_SECONDS = 5.0

# Asks a plugin's process: (provider, question) -> the msgpack of its answer. It raises PluginFault.
Asker = Callable[[ProviderQuestion], Awaitable[bytes]]


class _Entry:
    def __init__(self, spec: ProviderSpec, provider: Provider | None, ask: Asker | None) -> None:
        self.spec, self.provider, self.ask = spec, provider, ask
        self.phases = {phase.name: phase for phase in spec.phases}
        self.observed = {spec.name, *spec.observes}


class Pending:
    """`answer_now` cannot answer: the provider has to be asked with `answer`."""


PENDING = Pending()


class Answers:
    """Answers `ProviderCall`s by name. Every failure is a ProviderFault that names the provider."""

    def __init__(self, ask_twice: bool = False) -> None:
        self._entries: dict[str, _Entry] = {}
        self._cache: OrderedDict[bytes, object] = OrderedDict()
        self._digests: OrderedDict[bytes, bytes] = OrderedDict()
        self._ask_twice = ask_twice
        self.round_trips = 0

    # --- who is there
    def add_core(self, provider: Provider) -> None:
        """A provider that runs in this process and is this node's own."""
        self._entries[provider.spec.name] = _Entry(provider.spec, provider, None)

    def add(self, spec: ProviderSpec, ask: Asker) -> None:
        """A plugin's provider."""
        self._entries[spec.name] = _Entry(spec, None, ask)

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
        """The answer if it needs nobody else: a core provider's, a default, a cached one. Else PENDING."""
        entry = self._entry(call)
        if (default := _default(entry, call)) is not PENDING:
            return default
        if entry.provider is not None:
            return getattr(entry.provider, call.method)(*call.arguments)
        return self._cache.get(_key(entry, call), PENDING)

    async def answer(self, call: ProviderCall) -> object:
        """The answer, asked for if need be."""
        if (known := self.answer_now(call)) is not PENDING:
            return known
        entry = self._entry(call)
        key = _key(entry, call)
        answer, data = await self._asked(entry, call)
        if self._ask_twice:
            _, again = await self._asked(entry, call)
            self._check_repeated(entry, call, key, again)
        self._check_repeated(entry, call, key, data)
        _remember(self._cache, key, answer)
        return answer

    def _entry(self, call: ProviderCall) -> _Entry:
        if why := self.missing({call.provider: call.format}):
            raise ProviderFault(call.provider, why)
        return self._entries[call.provider]

    async def _asked(self, entry: _Entry, call: ProviderCall) -> tuple[object, bytes]:
        assert entry.ask is not None
        question = ProviderQuestion(call.provider, call.format, call.method, envelope.raw(call.arguments))
        self.round_trips += 1
        data = await entry.ask(question)
        try:
            return envelope.decode(data, PROVIDER_METHODS[call.method].answer), bytes(data)
        except BadFrame as error:
            raise ProviderFault(call.provider, f"{call.method} was answered with something else: {error}") from None

    def _check_repeated(self, entry: _Entry, call: ProviderCall, key: bytes, data: bytes) -> None:
        digest = sha256(data).digest()[:16]
        before = self._digests.get(key)
        if before is not None and before != digest:
            raise ProviderFault(call.provider, f"answered {call.method} differently than before")
        _remember(self._digests, key, digest)


def _default(entry: _Entry, call: ProviderCall) -> Any:  # Any: each method has its own answer
    """What need not be asked: a phase that the provider does not have, an update that it does not observe."""
    if call.method in ("validate", "fold"):
        update = call.arguments[2]
        assert isinstance(update, Update)
        if call.method not in entry.phases or not ("*" in entry.observed or update.provider in entry.observed):
            return None if call.method == "validate" else Folded(_state(call))
        return PENDING
    if call.method not in entry.phases:
        return {"seal": b"", "close": Closable()}.get(call.method, ())
    return PENDING


def _state(call: ProviderCall) -> bytes:
    state = call.arguments[1]
    assert isinstance(state, bytes)
    return state


def _key(entry: _Entry, call: ProviderCall) -> bytes:
    """A digest of the question, of the view only what this phase declared to depend on."""
    view, *rest = call.arguments
    assert isinstance(view, View)
    fields = entry.phases[call.method].view_fields
    seen: object = view if fields is None else [getattr(view, name) for name in fields]
    return sha256(envelope.encode((call.provider, call.format, call.method, seen, rest))).digest()


def _remember(table: OrderedDict[bytes, T], key: bytes, value: T) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > CACHE_ENTRIES:
        table.popitem(last=False)
