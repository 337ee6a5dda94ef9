"""Is what a provider answered fit for a commitment? One check for each rule, each with an error of its own.

What depends on how an output can be spent is in rules.py.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from lnpd_sdk.script import DataCarrier, Sighash, SpendPath, Template
from lnpd_sdk.types import PARTIES, ChildTx, OutputSpec, Party, PerParty

from lnpd.crypto.secp import is_point
from lnpd.errors import (
    BalanceOverdrawn,
    ChildRefused,
    DuplicateOutput,
    FixedCostExceeded,
    SealRefused,
    SealSlotTaken,
    TooManyOutputs,
    ValueCreated,
    ValueOnDataCarrier,
    WeightExceeded,
    WrongDebits,
    WrongProvider,
    WrongSecondStageWeight,
)
from lnpd.tx import fees
from lnpd.tx.feerates import MAX_FEERATE_PER_KW
from lnpd.tx.funding import spending_weight
from lnpd.tx.graph import Child, Funding, ProviderPin
from lnpd.tx.states import CORE
from lnpd.tx.transaction import Tx, TxOut

MAX_ID: Final = 64  # characters of an output's id and kind
MAX_CHILDREN: Final = 2000  # of one provider in one commitment
MAX_UNGATED: Final = 50  # of all extensions: commitment_signed, of 65,535 bytes, has 64 for each, and for 966 HTLCs
MAX_CHILD_OUTPUTS: Final = 16
_NO_RELATIVE_LOCK: Final = 1 << 31  # of a sequence (BIP 68)
_ONLY_OUTPUTS: Final = frozenset({OutputSpec})
LONG_COUNT_WEIGHT: Final = 8  # BOLT 3 counts one byte for the number of outputs; from 253 on it takes three
_KEY_WEIGHT: Final = 4 * (8 + 1 + 22)  # of a P2WPKH output
_SCRIPT_WEIGHT: Final = 4 * (8 + 1 + 34)  # of a P2WSH output


def title(spec: OutputSpec | ChildTx) -> str:
    """How an error's text names an output or a child: provider, id and kind."""
    return f"{spec.provider} {spec.id if isinstance(spec, OutputSpec) else spec.parent} ({spec.kind})"


def outputs_of(pin: ProviderPin, answer: object) -> tuple[OutputSpec, ...]:
    """A provider's answer as outputs; raises WrongProvider."""
    if not isinstance(answer, tuple) or not _ONLY_OUTPUTS.issuperset(map(type, answer)):
        raise WrongProvider(f"{pin.name} answered with something else than outputs.")
    return answer


def own(pin: ProviderPin, spec: OutputSpec) -> None:
    """An output bears its provider's name and a name of its own; raises WrongProvider."""
    if spec.provider != pin.name:
        raise WrongProvider(f"{pin.name} answered with an output of {spec.provider}.")
    if not 1 <= len(spec.id) <= MAX_ID or not 1 <= len(spec.kind) <= MAX_ID:
        raise WrongProvider(f"An output of {pin.name} has an id or kind that is not 1 to {MAX_ID} characters long.")
    if spec.second_stage_weight < 0 or spec.cltv_expiry < 0:
        raise WrongProvider(f"{title(spec)}: a weight or an expiry is negative.")


def specs_of(pin: ProviderPin, answer: object) -> tuple[OutputSpec, ...]:
    """A provider's answer as its own outputs; raises WrongProvider."""
    specs = outputs_of(pin, answer)
    for spec in specs:
        own(pin, spec)
    return specs


def children_of(pin: ProviderPin, answer: object) -> tuple[ChildTx, ...]:
    """A provider's answer as its own second-stage transactions; raises WrongProvider, ChildRefused."""
    if not isinstance(answer, tuple) or not all(isinstance(child, ChildTx) for child in answer):
        raise WrongProvider(f"{pin.name} answered with something else than second-stage transactions.")
    if len(answer) > MAX_CHILDREN:
        raise ChildRefused(f"{pin.name} answered with {len(answer)} second-stage transactions, over {MAX_CHILDREN}.")
    if any(child.provider != pin.name for child in answer):
        raise WrongProvider(f"{pin.name} answered with a second-stage transaction of another provider.")
    if "gate" not in pin.phases and any(child.gated for child in answer):
        raise ChildRefused(f"{pin.name} answered with a gated second-stage transaction and has no gate.")
    return answer


def fit_commitment_signed(children: Sequence[Child]) -> None:
    """The signatures that do not go ahead have room in one message, whatever HTLCs there are; raises ChildRefused."""
    ungated = [child for child in children if child.provider not in CORE and not child.gated]
    if len(ungated) > MAX_UNGATED:
        raise ChildRefused(
            f"{len(ungated)} second-stage transactions are not gated, {ungated[0].provider}'s among them: "
            f"commitment_signed has room for {MAX_UNGATED} signatures."
        )


def unique(specs: Iterable[OutputSpec]) -> None:
    """Raises DuplicateOutput."""
    seen: set[tuple[str, str]] = set()
    for spec in specs:
        key = (spec.provider, spec.id)
        if key in seen:
            raise DuplicateOutput(f"{spec.provider} has two outputs named {spec.id}.")
        seen.add(key)


def debits(spec: OutputSpec) -> None:
    """Value and debits of an output that takes from the balances; raises WrongDebits, ValueOnDataCarrier."""
    opener, acceptor = spec.debits_msat
    if opener < 0 or acceptor < 0 or spec.value_sat != (opener + acceptor) // 1000:
        raise WrongDebits(f"{title(spec)}: {spec.value_sat} sat against debits of {opener} and {acceptor} msat.")
    if isinstance(spec.script, DataCarrier) != (spec.trim == "never") or (spec.trim == "never" and spec.value_sat):
        raise ValueOnDataCarrier(f"{title(spec)}: data carriers, and only they, are never trimmed and have no value.")


def remaining(balances_msat: PerParty, specs: Iterable[OutputSpec]) -> PerParty:
    """What outputs leave of the balances; raises BalanceOverdrawn."""
    opener, acceptor = balances_msat
    for spec in specs:
        opener -= spec.debits_msat[0]
        acceptor -= spec.debits_msat[1]
    if opener < 0 or acceptor < 0:
        raise BalanceOverdrawn(f"The outputs leave balances of {opener} and {acceptor} msat.")
    return opener, acceptor


def attached(specs: Sequence[OutputSpec], fixed_cost_sat: int) -> None:
    """Raises FixedCostExceeded."""
    for spec in specs:
        if spec.debits_msat != (0, 0) or spec.value_sat < 0:
            raise FixedCostExceeded(f"{title(spec)}: an attached output takes from no balance.")
    total_sat = sum(spec.value_sat for spec in specs)
    if total_sat > fixed_cost_sat:
        raise FixedCostExceeded(
            f"The attached outputs hold {total_sat} sat; the type's fixed cost is {fixed_cost_sat}."
        )


def owner(spec: OutputSpec) -> Party:
    """The party whose limits an output counts for: the one that it takes more from."""
    return 0 if spec.debits_msat[0] >= spec.debits_msat[1] else 1


def spec_weight(spec: OutputSpec) -> int:
    """Weight units of an output, known before its script is compiled."""
    script = spec.script
    if isinstance(script, DataCarrier):
        return 4 * (8 + 1 + script.length + 2 + (script.length > 75))
    return _KEY_WEIGHT if isinstance(script, Template) and script.name == "to_remote" else _SCRIPT_WEIGHT


def falls_away(spec: OutputSpec, dust_sat: int, feerate_per_kw: int) -> bool:
    """Whether an output is too small for this dust limit and the fee of its second stage."""
    return spec.trim != "never" and fees.is_trimmed(spec.value_sat, dust_sat, spec.second_stage_weight, feerate_per_kw)


def least_sat(spec: OutputSpec, dust_sat: int) -> int:
    """What an output that may not be trimmed has to hold. A fee that comes out of it is counted at the highest feerate
    that a signer signs: else its owner could keep the opener from raising the commitment's, for as long as it likes."""
    return dust_sat + fees.fee_sat(spec.second_stage_weight, MAX_FEERATE_PER_KW)


def limits(pin: ProviderPin, specs: Sequence[OutputSpec]) -> None:
    """Raises TooManyOutputs, WeightExceeded: limits are for each party's outputs of one provider."""
    for party in PARTIES:
        weights = [spec_weight(spec) for spec in specs if owner(spec) == party]
        limit(pin, len(weights), sum(weights))


def limit(pin: ProviderPin, count: int, weight: int) -> None:
    """One party's outputs of one provider; raises TooManyOutputs, WeightExceeded."""
    if count > pin.max_outputs:
        raise TooManyOutputs(f"{pin.name} has {count} outputs of one party; its limit is {pin.max_outputs}.")
    if weight > pin.max_weight:
        raise WeightExceeded(f"{pin.name} adds {weight} weight units for one party, over {pin.max_weight}.")


def seal_slots(specs: Iterable[OutputSpec], pins: dict[str, ProviderPin]) -> None:
    """One seal slot in a transaction, of a provider that may have it; raises SealSlotTaken, SealRefused."""
    carriers = [spec for spec in specs if isinstance(spec.script, DataCarrier)]
    if len(carriers) > 1:
        raise SealSlotTaken(f"{title(carriers[1])}: the seal slot of this transaction is {title(carriers[0])}'s.")
    for spec in carriers:
        seal_length(title(spec), pins[spec.provider], spec.script)


def seal_length(name: str, pin: ProviderPin, script: object) -> None:
    """A reserved slot has the length that was agreed for its provider; raises SealRefused."""
    if not isinstance(script, DataCarrier) or "seal" not in pin.phases or script.length != pin.seal_length:
        raise SealRefused(f"{name}: {pin.name} may reserve {pin.seal_length} bytes and fill them in `seal`.")


def sealed(name: str, content: object, length: int) -> bytes:
    """A seal's content, of exactly the reserved length; raises SealRefused."""
    if not isinstance(content, bytes) or len(content) != length:
        raise SealRefused(f"{name}: the seal's content is not {length} bytes long.")
    return content


def child(spec: ChildTx, parent: OutputSpec, path: SpendPath, dust_limit_sat: int) -> None:
    """Locks, outputs and sighash of a second-stage transaction; raises ChildRefused, ValueCreated, SealRefused."""
    name = title(spec)
    if spec.adaptor_point and not (spec.gated and is_point(spec.adaptor_point)):
        raise ChildRefused(f"{name}: its adaptor point is none, or the child is not gated.")
    if not 0 <= spec.locktime < 500_000_000 or not 0 <= spec.sequence <= 0xFFFFFFFF:
        raise ChildRefused(f"{name}: the locktime is no block height, or the sequence is no 32-bit number.")
    if 0xFFFF < spec.sequence < _NO_RELATIVE_LOCK:
        raise ChildRefused(f"{name}: sequence {spec.sequence:#x} waits for a time, and not for blocks (BIP 68).")
    if path.older and not path.older <= spec.sequence <= 0xFFFF:
        raise ChildRefused(f"{name}: sequence {spec.sequence} does not wait the {path.older} blocks of {path.name}.")
    if spec.locktime < path.after or (spec.locktime and spec.sequence == 0xFFFFFFFF):
        raise ChildRefused(f"{name}: it does not wait for height {path.after or spec.locktime}.")
    if not 1 <= len(spec.outputs) <= MAX_CHILD_OUTPUTS or (
        spec.sighash == Sighash.SINGLE_ANYONECANPAY and len(spec.outputs) != 1
    ):
        raise ChildRefused(f"{name}: it has no output, too many, or some that its signature would not cover.")
    for output in spec.outputs:
        carrier = isinstance(output.script, DataCarrier)
        if output.value_sat < (0 if carrier else dust_limit_sat) or (carrier and output.value_sat):
            raise ChildRefused(f"{name}: an output of {output.value_sat} sat is dust, or is value on a data carrier.")
    if spec.sighash == Sighash.SINGLE_ANYONECANPAY and not spec.sequence:  # the wallet's PSBTs cannot say so
        raise ChildRefused(f"{name}: with the sequence 0 no coin could join it; 0xfffffffd waits for nothing either.")
    if spec.sighash == Sighash.ALL and not parent.second_stage_weight:  # then its fee is 0, and no coin may join it
        raise ChildRefused(f"{name}: no node would relay it: its output declares no weight, whose fee it could pay.")
    if sum(output.value_sat for output in spec.outputs) > parent.value_sat:
        raise ValueCreated(f"{name}: its outputs are worth more than the {parent.value_sat} sat that it spends.")


def second_stage(
    name: str, parent: OutputSpec, outputs: tuple[TxOut, ...], path: SpendPath, witness_script: bytes, feerate: int
) -> None:
    """The fee that comes out of an output is that of its declared weight, at least that of the child's own.

    Raises WrongSecondStageWeight.
    """
    paid_sat = parent.value_sat - sum(output.value_sat for output in outputs)
    declared = parent.second_stage_weight
    weight = fees.transaction_weight(fees.input_weight(path, witness_script), 1, outputs)
    if declared and weight > declared:
        raise WrongSecondStageWeight(f"{name}: it weighs up to {weight}, its output declared {declared}.")
    lowest = fees.fee_sat(weight, feerate) if declared else 0
    if not lowest <= paid_sat <= fees.fee_sat(declared, feerate):
        raise WrongSecondStageWeight(f"{name}: it pays a fee of {paid_sat} sat for a declared weight of {declared}.")


def commitment(tx: Tx, funding: Funding, charged_weight: int) -> int:
    """The fee that a commitment pays in all, in sat; raises ValueCreated, WeightExceeded.

    `charged_weight` is what its fee was computed from: what is attached must fit into the type's constant.
    """
    fee_sat = funding.capacity_sat - sum(output.value_sat for output in tx.outputs)
    if fee_sat < 0:
        raise ValueCreated(f"The outputs are worth {-fee_sat} sat more than the channel's capacity.")
    weight = tx.weight + 2 + spending_weight(funding)
    if weight > min(fees.MAX_STANDARD_WEIGHT, charged_weight + LONG_COUNT_WEIGHT):
        raise WeightExceeded(
            f"The commitment weighs up to {weight}; its fee is for {charged_weight}, and nodes relay up to "
            f"{fees.MAX_STANDARD_WEIGHT}."
        )
    return fee_sat
