"""Who answers a question to a provider, and is the answer fit to be used?

Core providers are asked directly. A plugin's is asked wherever it runs; what only depends on fields of the view that
did not change is remembered, without asking. Every answer is held against the one that was given to the same question
before: a provider that answers differently would let the two nodes, or yesterday and today, disagree about money.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import CONTRACT_VERSION, BadFrame
from lnpd_sdk.questions import PROVIDER_METHODS, ProviderQuestion, continued
from lnpd_sdk.types import Blocked, Closable, Folded, Provider, ProviderSpec, Ready, Reject, Update, View, Wait

from lnpd.errors import ManifestRefused, ProviderFault, ProviderUnasked
from lnpd.errors.words import one_line
from lnpd.hooks.figures import CountingEach, Figures, HookFigures
from lnpd.hooks.memory import UNKNOWN, Memory, Room
from lnpd.hooks.rounds import MAX_QUESTIONS, Asked, Asker, Entry, Round, Together, Wrong, answers_in
from lnpd.tx.graph import Foreseen, ProviderCall
from lnpd.tx.states import MAX_STATE_BYTES

DEADLINE_SECONDS = 5.0
MAX_MOVE_MSAT = 21_000_000 * 10**11  # all that there ever is
MAX_REASON = 500  # characters; a reason is logged and sent to the peer


class Pending:
    """`answer_now` cannot answer: the provider has to be asked with `answer`."""


PENDING = Pending()
SKIPPED = object()  # a question that is not asked ahead
MOST_ALONE = 6  # rounds, beyond which nothing is asked ahead of a plugin that is not asked together


class Answers:
    """Answers `ProviderCall`s by name. Every failure of a plugin's is a ProviderFault that names the provider.

    With `ask_twice` each question goes out two times, so that an answer of chance is found while a plugin is written.
    """

    def __init__(self, ask_twice: bool = False) -> None:
        self._entries: dict[str, Entry] = {}
        self._memories: dict[str, Memory] = {}
        self._room = Room()
        self.ask_twice = ask_twice
        self.round_trips = self.questions = 0
        self.figures = HookFigures()  # by PROVIDER.METHOD, and who answers

    # --- who is there
    def add_core(self, provider: Provider) -> None:
        """A provider that runs in this process and is this node's own."""
        self._entries[provider.spec.name] = Entry(provider.spec, provider)

    def add(
        self,
        spec: ProviderSpec,
        ask: Asker,
        wrong: Wrong | None = None,
        together: Together | None = None,
        contract: int = CONTRACT_VERSION,
    ) -> None:
        """A plugin's provider. `wrong` is told of an answer that cannot be used; those with the same `together` are
        asked in one envelope. `contract` is the version that the plugin speaks. ManifestRefused if it is there."""
        if spec.name in self._entries:
            raise ManifestRefused(f"the provider {spec.name} is there already")
        self._entries[spec.name] = Entry(spec, None, ask, wrong, together, contract)

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
        return self._look(call)[0]

    def _look(self, call: ProviderCall) -> tuple[object, bytes]:
        """As `answer_now`, with the question's digest where it is PENDING."""
        entry = self._entry(call)
        if (default := _default(entry, call)) is not PENDING:
            return default, b""
        if entry.provider is not None:
            return getattr(entry.provider, call.method)(*call.arguments), b""
        memory, key = self._memory(call.provider), _key(entry, call)
        memory.hold(key, _view(call))
        known = memory.recall(key)
        return (PENDING, key) if known is UNKNOWN else (known, b"")

    async def answer(self, call: ProviderCall, ahead: Sequence[Foreseen] = ()) -> object:
        """The answer, asked for if need be, together with those beside it and what is foreseen, as far as there is
        room. ProviderFault if there is none of one of them that can be used."""
        known, key = self._look(call)
        if known is not PENDING:
            return known
        if not ahead and not call.beside:
            return await self._asked(Round.of(call, key, self._entry(call)))
        first, *others = self._rounds(call, ahead)
        if others:
            return (await asyncio.gather(self._asked(first), *map(self._asked, others)))[0]
        return await self._asked(first)

    def _rounds(self, first: ProviderCall, ahead: Sequence[Foreseen]) -> list[Round]:
        """What has to be asked, of a question, those beside it and those foreseen. Each plugin has a round; an older
        one, one for each question."""
        rounds: dict[object, Round] = {}
        for call in (first, *first.beside):
            self._add(rounds, call)
        found: list[object] = []
        for call, after in ahead:
            found.append(self._add(rounds, call, [found[place] for place in after], MOST_ALONE))
        return list(rounds.values())

    def _add(
        self, rounds: dict[object, Round], call: ProviderCall, before: Sequence[object] = (), most: int = MAX_QUESTIONS
    ) -> object:
        """Adds a question to its plugin's round, unless it need not be asked, or not yet. `before` is what this
        returned for those that it comes after: the answer if there is one, the question if it is asked, or SKIPPED."""
        entry = self._entries.get(call.provider)
        if entry is None or entry.provider is not None or call.format not in entry.spec.formats:
            return SKIPPED
        asked = [each for each in before if isinstance(each, Asked)]
        if any(each is SKIPPED or isinstance(each, Reject) for each in before) or (asked and entry.together is None):
            return SKIPPED
        fold = next((each for each in asked if each.call.method == "fold"), None)
        if fold is None:
            for each in before:
                call = _continued(call, each) if isinstance(each, Folded) else call
            known, key = self._look(call)
            if known is not PENDING:
                return known
        elif _default(entry, call) is PENDING:
            key = sha256(fold.key + _key(entry, call)).digest()
        else:
            return SKIPPED
        if entry.together is None and len(rounds) >= most:
            return SKIPPED
        asker = entry.together or (call.provider, key)
        return rounds.setdefault(asker, Round()).add(call, key, entry, fold) or SKIPPED

    async def _asked(self, here: Round) -> object:
        """The answer to the first question of a round; all are remembered, once they are fit to be."""
        try:
            found = await self._answers(here)
            if self.ask_twice:
                found = found[: len(await self._answers(here))]
        except ProviderFault as error:
            wrong = here.asked[0].entry.wrong
            if wrong is not None and not isinstance(error, ProviderUnasked):
                wrong(str(error))
            raise
        for each in found:
            self._memory(each.provider).keep(each.key, each.answer, each.size)
        return found[0].answer

    async def _answers(self, here: Round) -> "list[_Answer]":
        """The first answers of a plugin, one at least."""
        questions, entry = here.questions, here.asked[0].entry
        self.round_trips += 1
        self.questions += len(questions)
        with CountingEach(map(self._figures_of, questions)):
            if len(questions) == 1:
                assert entry.ask is not None
                return self._compared(here, [msgspec.Raw(await entry.ask(questions[0]))])
            assert entry.together is not None
            data = await entry.together(questions)
            try:
                return self._compared(here, answers_in(data, len(questions)))
            except BadFrame as error:
                raise ProviderFault(questions[0].provider, f"answered with something else: {error}") from None

    def _figures_of(self, question: ProviderQuestion) -> Figures:
        return self.figures.of(f"{question.provider}.{question.method}", question.provider)

    def _compared(self, here: Round, answers: list[msgspec.Raw]) -> "list[_Answer]":
        """Each answer as the method's, held against the earlier one."""
        found: list[_Answer] = []
        for (_, call, key, entry, question), data in zip(here.asked, answers, strict=False):
            memory = self._memory(call.provider)
            if question.after is not None:
                call = _continued(call, found[question.after].answer)
                key = _key(entry, call)
                memory.hold(key, _view(call))
            answer = _read(call, data)
            found.append(_Answer(call.provider, key, answer, memory.compare(key, call.method, answer)))
        return found

    def _entry(self, call: ProviderCall) -> Entry:
        entry = self._entries.get(call.provider)
        if entry is None or call.format not in entry.spec.formats:
            raise ProviderFault(call.provider, self.missing({call.provider: call.format}))
        return entry

    def _memory(self, provider: str) -> Memory:
        if (found := self._memories.get(provider)) is None:
            found = self._memories[provider] = self._room.memory(provider)
        return found


class _Answer(NamedTuple):
    """An answer that is fit to be remembered, its question's digest, and its length in bytes."""

    provider: str
    key: bytes
    answer: object
    size: int


def _continued(call: ProviderCall, folded: object) -> ProviderCall:
    """The question that follows from this answer to the fold that it comes after."""
    return ProviderCall(call.provider, call.format, call.method, continued(call.arguments, folded))


def _read(call: ProviderCall, data: msgspec.Raw) -> object:
    """An answer as the method's; ProviderFault."""
    try:
        return _bounded(call, envelope.decode(data, PROVIDER_METHODS[call.method].answer))
    except BadFrame as error:
        raise ProviderFault(call.provider, f"{call.method} was answered with something else: {error}") from None


def _bounded(call: ProviderCall, answer: object) -> object:
    match answer:
        case Folded(state=state) if len(state) > MAX_STATE_BYTES:
            raise ProviderFault(
                call.provider, f"answered fold with a state of {len(state)} bytes, over {MAX_STATE_BYTES}"
            )
        case Folded(moves_msat=moves) if max(map(abs, moves)) > MAX_MOVE_MSAT:
            raise ProviderFault(call.provider, "answered fold with moves of more than there is")
        case Reject(reason=reason) | Blocked(reason=reason) | Wait(reason=reason):
            return msgspec.structs.replace(answer, reason=one_line(reason, MAX_REASON))
    return answer


def _default(entry: Entry, call: ProviderCall) -> Any:  # Any: each method has its own answer
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


def _key(entry: Entry, call: ProviderCall) -> bytes:
    """A digest of the question, of the view only what this phase declared to depend on."""
    view, rest = _view(call), call.arguments[1:]
    fields = entry.phases[call.method].view_fields
    seen: object = view if fields is None else [getattr(view, name) for name in fields]
    return sha256(envelope.encode((call.format, call.method, fields, seen, rest))).digest()
