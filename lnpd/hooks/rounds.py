"""Which questions to a plugin's providers travel in one envelope?

Those that are asked at the same time, each once, as far as there is room; what finds none is asked in its turn.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import CONTRACT_VERSION
from lnpd_sdk.questions import ProviderQuestion
from lnpd_sdk.types import Provider, ProviderSpec

from lnpd.hooks.older import arguments_for
from lnpd.tx.graph import ProviderCall

MAX_QUESTIONS = 32  # in one envelope
MAX_BYTES = 1024 * 1024  # of their arguments; a frame has four times as many

# Asks a plugin: the msgpack of its answer, or a ProviderFault.
Asker = Callable[[ProviderQuestion], Awaitable[bytes]]
# Asks it several things: the msgpack of the list of its first answers.
Together = Callable[[tuple[ProviderQuestion, ...]], Awaitable[bytes]]
# Tells a plugin's host that an answer was wrong, and why.
Wrong = Callable[[str], None]


class Entry:
    """A provider that is there: a core one, or how its plugin is asked, which was made for this version of the
    contract. An old one is not asked `together`."""

    def __init__(
        self,
        spec: ProviderSpec,
        provider: Provider | None = None,
        ask: Asker | None = None,
        wrong: Wrong | None = None,
        together: Together | None = None,
        contract: int = CONTRACT_VERSION,
    ) -> None:
        self.spec, self.provider, self.contract = spec, provider, contract
        self.ask, self.wrong, self.together = ask, wrong, together
        self.phases = {phase.name: phase for phase in spec.phases}
        self.observed = {spec.name, *spec.observes}


class Asked(NamedTuple):
    """A question of a round, at a place of it. `key` is its digest, or, as long as it waits for the fold that it comes
    after, what tells it from the others."""

    place: int
    call: ProviderCall
    key: bytes
    entry: Entry
    question: ProviderQuestion


class Round:
    """The questions of one envelope, in their order."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._known: dict[tuple[str, bytes], Asked] = {}
        self._room = MAX_BYTES

    @classmethod
    def of(cls, call: ProviderCall, key: bytes, entry: Entry) -> "Round":
        """One question alone."""
        here = cls()
        here.add(call, key, entry)
        return here

    def add(self, call: ProviderCall, key: bytes, entry: Entry, fold: Asked | None = None) -> Asked | None:
        """One more question, if it is a new one; None if there is no room."""
        if (known := self._known.get((call.provider, key))) is not None:
            return known
        if len(self.asked) >= MAX_QUESTIONS or self._room <= 0:
            return None
        arguments = envelope.raw(arguments_for(entry.contract, call))
        self._room -= memoryview(arguments).nbytes
        if self._room < 0 and self.asked:
            return None
        question = ProviderQuestion(call.provider, call.format, call.method, arguments, fold and fold.place)
        asked = self._known[call.provider, key] = Asked(len(self.asked), call, key, entry, question)
        self.asked.append(asked)
        return asked

    @property
    def questions(self) -> tuple[ProviderQuestion, ...]:
        """As they travel."""
        return tuple(each.question for each in self.asked)


def answers_in(data: bytes, most: int) -> list[msgspec.Raw]:
    """The answers to a round: one at least, `most` at most. BadFrame."""
    answers: list[msgspec.Raw] = envelope.decode(data, list[msgspec.Raw])
    if not 1 <= len(answers) <= most:
        raise envelope.BadFrame(f"{len(answers)} answers to {most} questions")
    return answers
