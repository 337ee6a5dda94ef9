"""What do the phases of the pipeline share: a placed output, asking every provider?"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from lnpd_sdk.types import OutputSpec, SealedOutput, View

from lnpd.tx.graph import CommitmentSpec, Method, ProviderCall, ProviderPin
from lnpd.tx.script import Compiled

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


def shown_outputs(placed: Sequence[Placed]) -> tuple[SealedOutput, ...]:
    """The outputs as `seal` and `descend` are shown them, in the transaction's order."""
    return tuple(SealedOutput(each.spec.value_sat, each.script_pubkey, each.spec) for each in placed)
