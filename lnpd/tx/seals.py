"""How is a slot filled, and where does the host reserve one in a transaction that its provider does not make?

A provider reserves its slots in commitments, and in its own children, itself. The others follow from the type: who
seals (`seals` of its pin) has one carrier in each such transaction, which is its first output. There is one such
provider a place, since nodes relay one OP_RETURN a transaction.

In a second stage the counterparty's signature has to cover the carrier: with `single_anyonecanpay` the holder of a
revoked commitment could put a carrier of its own there, and what is sealed would go where its penalty does not reach.
So the signature covers everything (`all`), no coin may join, and the fee of the carrier comes out of the output that is
spent, as its `second_stage_weight` says. That rules out option_anchors, where HTLC transactions pay no fee: one whose
fee is in it and never rises would be late as soon as the feerate does. What is sealed there too lives on a type whose
feerate the channel itself keeps high enough (update_fee): static_remotekey.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar, get_args

from lnpd_sdk.script import DataCarrier, Sighash
from lnpd_sdk.types import (
    PARTIES,
    ChildOutput,
    ChildTx,
    OutputSpec,
    Party,
    Sealed,
    SealedOutput,
    Transaction,
    View,
)
from msgspec.structs import replace

from lnpd.errors import SealSlotTaken, SealUncovered
from lnpd.tx import checks
from lnpd.tx.fees import output_weight
from lnpd.tx.graph import (
    ANCHORS_FEATURE,
    ChannelType,
    Child,
    CommitmentSpec,
    Graph,
    Output,
    ProviderCall,
    ProviderPin,
)
from lnpd.tx.phases import Answers, ask, ask_each
from lnpd.tx.rules import ANCHOR_KINDS, is_counterpartys
from lnpd.tx.script import data_carrier
from lnpd.tx.states import HTLC, States
from lnpd.tx.transaction import TxOut

PLACES: Final[tuple[Sealed, ...]] = get_args(Sealed)

T = TypeVar("T")
Sealing = Generator[ProviderCall, object, T]
Filling = Sealing[bytes]


def pin_of(kind: ChannelType, provider: str) -> ProviderPin:
    """The pin of a provider that the type has."""
    return next(pin for pin in kind.providers if pin.name == provider)


def sealing(kind: ChannelType, place: Sealed) -> ProviderPin | None:
    """Who has the slot of this place."""
    return next((pin for pin in kind.providers if place in pin.seals), None)


def holder_of(kind: ChannelType) -> str:
    """The provider for whose plugin the wallet holds what comes home from a channel; empty if there is none."""
    return next((pin.name for pin in kind.providers if pin.holds), "")


def check_seals(kind: ChannelType) -> None:
    """Each place is sealed by one provider at most (SealSlotTaken), and second stages where signatures cover a carrier
    (SealUncovered)."""
    for place in PLACES:
        names = [pin.name for pin in kind.providers if place in pin.seals]
        if len(names) > 1:
            raise SealSlotTaken(f"{names[0]} and {names[1]} both seal every {place}: only one of them can.")
    pin = sealing(kind, "second_stage")
    if pin is not None and ANCHORS_FEATURE in kind.features:
        raise SealUncovered(
            f"{pin.name} seals every second stage, and with {ANCHORS_FEATURE} no signature would cover what it seals:"
            " the type has to be based on static_remotekey."
        )


def reserved(pin: ProviderPin) -> TxOut:
    """The carrier before it is filled."""
    return TxOut(0, data_carrier(bytes(pin.seal_length)))


def carrier_weight(kind: ChannelType, place: Sealed) -> int:
    """What the carrier of this place adds to a transaction; 0 where there is none."""
    pin = sealing(kind, place)
    return output_weight(reserved(pin).script_pubkey) if pin else 0


def is_carrier(pin: ProviderPin, output: TxOut) -> bool:
    """Whether an output is this provider's carrier, whatever is in it."""
    empty = reserved(pin)
    head = empty.script_pubkey[: -pin.seal_length]
    same = len(output.script_pubkey) == len(empty.script_pubkey) and output.script_pubkey.startswith(head)
    return same and not output.value_sat


def filled(pin: ProviderPin, states: States, view: View, shown: Transaction) -> Filling:
    """The sealed scriptPubKey of this provider's carrier; raises SealRefused."""
    content = yield _asked(pin, states, view, shown)
    return _carrier(pin, shown.purpose, content)


def filled_each(wanted: Iterable[tuple[ProviderPin, States, View, Transaction]]) -> Sealing[list[bytes]]:
    """As `filled`, of transactions none of which depends on another one."""
    rows = list(wanted)
    contents = yield from ask_each([_asked(*row) for row in rows])
    return [_carrier(pin, shown.purpose, content) for (pin, *_, shown), content in zip(rows, contents, strict=True)]


def _asked(pin: ProviderPin, states: States, view: View, shown: Transaction) -> ProviderCall:
    return ProviderCall(pin.name, pin.format, "seal", (view, dict(states).get(pin.name, b""), shown))


def _carrier(pin: ProviderPin, purpose: str, content: object) -> bytes:
    return data_carrier(checks.sealed(f"{pin.name} {purpose}", content, pin.seal_length))


def fill_close(
    pin: ProviderPin, states: States, view: View, outputs: Sequence[TxOut], parties: Sequence[Party | None]
) -> Filling:
    """The sealed scriptPubKey of the carrier of a mutual close with these outputs, each of which pays its party its
    balance; raises SealRefused."""
    paid = zip(_shown(outputs), parties, strict=True)
    shown = tuple(replace(output, party=party) for output, party in paid)
    return (yield from filled(pin, states, view, Transaction("close", shown)))


def kept_states(kind: ChannelType, states: States) -> States:
    """What of a commitment's states the answers of its sealing providers depend on: their own, and the HTLCs that they
    are shown. None where nobody seals."""
    if not any(pin.seal_length for pin in kind.providers):
        return ()
    known = dict(states)
    return tuple((pin.name, known.get(pin.name, b"")) for pin in kind.providers if pin.seal_length or pin.name == HTLC)


# Second stages of other providers


def wanted(spec: CommitmentSpec, view: View) -> Answers:
    """What each provider contributes, unchecked. An output that pays for its second stage pays for a carrier there."""
    answers = yield from ask(spec, view, "contribute")
    pin = sealing(spec.type, "second_stage")
    if pin is None:
        return answers
    weight = carrier_weight(spec.type, "second_stage")
    return [(each, answer if each == pin else _paying(answer, weight)) for each, answer in answers]


def _paying(answer: object, weight: int) -> object:
    if not isinstance(answer, tuple):
        return answer
    return tuple(
        _heavier(each, weight) if isinstance(each, OutputSpec) and each.second_stage_weight > 0 else each
        for each in answer
    )


@lru_cache(maxsize=4096)  # the same object for the same output: who has judged it knows it again
def _heavier(spec: OutputSpec, weight: int) -> OutputSpec:
    return replace(spec, second_stage_weight=spec.second_stage_weight + weight)


def with_carrier(pin: ProviderPin | None, child: ChildTx) -> ChildTx:
    """A second stage with the carrier of who seals it. Raises SealUncovered."""
    if pin is None or pin.name == child.provider:
        return child
    if child.sighash != Sighash.ALL:
        raise SealUncovered(
            f"{checks.title(child)}: {pin.name} seals it, and a signature with {child.sighash} covers one output alone."
        )
    return replace(child, outputs=(ChildOutput(0, DataCarrier(pin.seal_length)), *child.outputs))


# Claims


def seal_claims(spec: CommitmentSpec, view: View, commitment: Transaction, graph: Graph) -> Sealing[Graph]:
    """The graph, each output with the carriers of its claims: they wait for no provider when they are made."""
    pin = sealing(spec.type, "claim")
    if pin is None:
        return graph
    claims = _Claims(spec, pin, view)
    outputs, *below = yield from claims.sealed(
        [(commitment, graph.outputs), *((_second_stage(child, commitment), child.outputs) for child in graph.children)]
    )
    children = (replace(child, outputs=each) for child, each in zip(graph.children, below, strict=True))
    return replace(graph, outputs=outputs, children=tuple(children))


def _second_stage(child: Child, commitment: Transaction) -> Transaction:
    """A child as its claims' seals are shown it; others may add to what not all of it is signed of."""
    txid = child.tx.txid if child.sighash == Sighash.ALL else b""
    return Transaction("second_stage", _shown(child.outputs), txid, commitment, child.vout)


@dataclass(frozen=True)
class _Claims:
    """Who is asked about the claims of one commitment, and with what."""

    spec: CommitmentSpec
    pin: ProviderPin
    view: View

    def sealed(self, parents: Sequence[tuple[Transaction, Sequence[Output]]]) -> Sealing[list[tuple[Output, ...]]]:
        """The outputs of these transactions with their carriers."""
        places = [
            (number, vout, party)
            for number, (_, outputs) in enumerate(parents)
            for vout, output in enumerate(outputs)
            for party in PARTIES
            if self._may_claim(output, party)
        ]
        carrier = _shown((reserved(self.pin),))
        claims = [Transaction("claim", carrier, b"", parents[number][0], vout, party) for number, vout, party in places]
        contents = yield from ask_each([_asked(self.pin, self.spec.states, self.view, shown) for shown in claims])
        scripts = dict(zip(places, (_carrier(self.pin, "claim", content) for content in contents), strict=True))
        return [
            tuple(
                replace(output, claim_seals=tuple(scripts.get((number, vout, party), b"") for party in PARTIES))
                for vout, output in enumerate(outputs)
            )
            for number, (_, outputs) in enumerate(parents)
        ]

    def _may_claim(self, output: Output, party: Party) -> bool:
        """Whether a party has a way of its own. An anchor is spent for its fee, together with coins of the wallet."""
        if isinstance(output.script, DataCarrier) or output.kind in ANCHOR_KINDS:
            return False
        theirs = party != self.spec.holder
        return any(
            path.keys and all(is_counterpartys(key, self.spec.keys) == theirs for key in path.keys)
            for path in output.paths
        )


def _shown(outputs: Iterable[TxOut | Output]) -> tuple[SealedOutput, ...]:
    return tuple(SealedOutput(each.value_sat, each.script_pubkey) for each in outputs)
