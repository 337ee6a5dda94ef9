"""What do the phases of the pipeline share: a placed output, asking every provider?"""

from collections.abc import Generator, Sequence
from itertools import chain
from typing import Final, NamedTuple

from lnpd_sdk.types import OutputSpec, SealedOutput, View
from msgspec.structs import replace

from lnpd.errors import LnpdError
from lnpd.tx.graph import CommitmentSpec, Method, ProviderCall, ProviderPin
from lnpd.tx.script import Compiled

MOST_BESIDE: Final = 31  # what is more would find no room in one envelope

Answers = Generator[ProviderCall, object, list[tuple[ProviderPin, object]]]


class Placed(NamedTuple):
    """An output that exists, with its script in bytes."""

    spec: OutputSpec
    compiled: Compiled
    script_pubkey: bytes  # differs from the compiled one once a seal is filled in

    @property
    def order(self) -> tuple[int, bytes, int, str, str]:
        """BOLT 3, "Transaction Output Ordering", then provider and id."""
        spec = self.spec
        return spec.value_sat, self.script_pubkey, spec.cltv_expiry, spec.provider, spec.id


def ask(spec: CommitmentSpec, view: View, method: Method, *arguments: object) -> Answers:
    """Each provider of the type that has this phase, in the type's order; none waits for what another one says."""
    states, answers = dict(spec.states), []
    calls: tuple[ProviderCall, ...] = ()
    pins = [pin for pin in spec.type.providers if method in pin.phases]
    for pin in reversed(pins):
        parameters = (view, states.get(pin.name, b""), *arguments)
        calls = (ProviderCall(pin.name, pin.format, method, parameters, calls), *calls)
    for pin, call in zip(pins, calls, strict=True):
        answers.append((pin, (yield call)))
    return answers


def ask_each(calls: Sequence[ProviderCall]) -> Generator[ProviderCall, object, list[object]]:
    """The answers to questions none of which waits for another one."""
    answers: list[object] = []
    for place, call in enumerate(calls, 1):
        answers.append((yield replace(call, beside=tuple(calls[place : place + MOST_BESIDE]))))
    return answers


def side_by_side(asking: Sequence[Generator[ProviderCall, object, object]]) -> Generator[ProviderCall, object, None]:
    """Runs generators that ask alike, step by step, so that what they ask at the same step is asked at once. One that
    is refused something ends."""
    waiting = [(each, call) for each in asking if (call := _next(each, None))]
    while waiting:
        (first, call), *others = waiting
        beside = tuple(chain.from_iterable((each, *each.beside) for _, each in others))
        answer = yield replace(call, beside=(*call.beside, *beside)[:MOST_BESIDE])
        following = _next(first, answer)
        waiting = [*others, *([(first, following)] if following else [])]


def _next(asking: Generator[ProviderCall, object, object], answer: object) -> ProviderCall | None:
    try:
        return asking.send(answer)
    except (StopIteration, LnpdError):
        return None


def shown_outputs(placed: Sequence[Placed]) -> tuple[SealedOutput, ...]:
    """The outputs as `seal` and `descend` are shown them, in the transaction's order."""
    return tuple(SealedOutput(each.spec.value_sat, each.script_pubkey, each.spec) for each in placed)
