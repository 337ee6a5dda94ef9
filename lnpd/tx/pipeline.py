"""How does a commitment come about from its providers' wishes?

    contribute -> trim -> charge -> settle -> attach -> arrange -> seal -> descend

`build` is a generator: it yields one ProviderCall at a time and is sent the answer, which may come from another
process. Nothing in it depends on which of the two parties runs it, so both build the identical bytes.
"""

from collections.abc import Generator, Mapping, Sequence
from hashlib import sha256
from typing import Final

import msgspec
from lnpd_sdk.script import DataCarrier
from lnpd_sdk.types import (
    OutputSpec,
    PerParty,
    Provider,
    Transaction,
    View,
)

from lnpd.errors import BalancesMismatch, WrongProvider
from lnpd.tx import checks, fees, seals
from lnpd.tx.descend import descend
from lnpd.tx.funding import locktime_and_sequence
from lnpd.tx.graph import Child, CommitmentSpec, Graph, Output, ProviderCall
from lnpd.tx.mains import dressed
from lnpd.tx.phases import Placed, ask, shown_outputs
from lnpd.tx.rules import check_rule_3
from lnpd.tx.script import Compiler, compiler_of
from lnpd.tx.seals import filled, kept_states, pin_of, seal_claims
from lnpd.tx.states import htlcs_of
from lnpd.tx.transaction import Tx, TxIn, TxOut

DIGEST_BYTES: Final = 8
_encoder: Final = msgspec.msgpack.Encoder()


Specs = Generator[ProviderCall, object, list[OutputSpec]]


def view_of(spec: CommitmentSpec) -> View:
    """What every provider is shown of this commitment. Raises StateUnreadable."""
    return View(
        funding_txid=spec.funding.txid,
        funding_vout=spec.funding.vout,
        capacity_sat=spec.funding.capacity_sat,
        holder=spec.holder,
        number=spec.number,
        feerate_per_kw=spec.feerate_per_kw,
        dust_limit_sat=spec.dust_limit_sat,
        to_self_delay=spec.to_self_delay,
        balances_msat=spec.balances_msat,
        features=spec.type.features,
        keys=spec.keys,
        htlcs=htlcs_of(spec.states),
    )


def build(spec: CommitmentSpec) -> Generator[ProviderCall, object, Graph]:
    """The commitment of this specification. Raises OutputRefused and ScriptRefused by rule and provider."""
    view = view_of(spec)
    compiler = compiler_of(spec.keys, spec.to_self_delay[spec.holder])
    wanted = yield from contribute(spec, view)
    survivors, trimmed = trim(spec, wanted)
    charged_weight = weight_of(spec, survivors)
    remaining_msat = charge(spec, wanted, charged_weight)
    survivors += yield from _settle(spec, view, remaining_msat)
    survivors += yield from _attach(spec, view, survivors)
    placed = arrange(compiler, survivors, spec)
    placed = yield from _seal(spec, view, placed)
    tx = _transaction(spec, placed)
    fee_sat = checks.commitment(tx, spec.funding, charged_weight)
    children = yield from descend(spec, view, compiler, placed, tx)
    outputs = tuple(_output(each) for each in placed)
    check_rule_3(outputs, children, spec.keys, spec.to_self_delay[spec.holder])
    graph = Graph(
        funding=spec.funding,
        holder=spec.holder,
        number=spec.number,
        keys=spec.keys,
        feerate_per_kw=spec.feerate_per_kw,
        fee_sat=fee_sat,
        balances_msat=spec.balances_msat,
        tx=tx,
        outputs=outputs,
        children=children,
        trimmed=trimmed,
        digests=_digests(spec, placed, children),
        states=(states := kept_states(spec.type, spec.states)),
        limits=tuple((each.spec.second_stage_weight, each.spec.trim) for each in placed) if states else (),
    )
    return (yield from seal_claims(spec, view, Transaction("commitment", shown_outputs(placed), tx.txid), graph))


class GraphMemory:
    """Commitments that were built before they are signed: they are not built again."""

    def __init__(self, size: int = 4) -> None:
        self._size = size
        self._graphs: dict[CommitmentSpec, Graph] = {}

    def ahead(self, spec: CommitmentSpec) -> Generator[ProviderCall, object, Graph]:
        """The commitment of this specification, kept for whoever takes it. Raises as the pipeline does."""
        graph = self._graphs.get(spec)
        if graph is None:
            graph = self._graphs[spec] = yield from build(spec)
            if len(self._graphs) > self._size:
                del self._graphs[next(iter(self._graphs))]
        return graph

    def take(self, spec: CommitmentSpec) -> Graph | None:
        """A commitment that was built ahead, once."""
        return self._graphs.pop(spec, None) if self._graphs else None


def run(generator: Generator[ProviderCall, object, Graph], providers: Mapping[str, Provider]) -> Graph:
    """Drives `build` with providers in this process. Raises what the pipeline and the providers raise."""
    answer: object = None
    try:
        while True:
            call = generator.send(answer)
            provider = providers.get(call.provider)
            if provider is None:
                raise WrongProvider(f"There is no provider named {call.provider}.")
            answer = getattr(provider, call.method)(*call.arguments)
    except StopIteration as finished:
        graph = finished.value
        assert isinstance(graph, Graph)
        return graph


# contribute


def contribute(spec: CommitmentSpec, view: View) -> Specs:
    """What every provider wants in this commitment, before anything is trimmed."""
    answers = yield from seals.wanted(spec, view)
    wanted: list[OutputSpec] = []
    for pin, answer in answers:
        specs = checks.specs_of(pin, answer)
        checks.limits(pin, specs)
        for each in specs:
            checks.debits(each)
        wanted += specs
    return wanted


# trim, charge


def trim(spec: CommitmentSpec, wanted: Sequence[OutputSpec]) -> tuple[list[OutputSpec], tuple[tuple[str, str], ...]]:
    """The outputs that are large enough for this side's dust limit, and (provider, id) of the others."""
    dust_sat, feerate = spec.dust_limit_sat[spec.holder], spec.feerate_per_kw
    survivors, trimmed = [], []
    for each in wanted:
        if checks.falls_away(each, dust_sat, feerate):
            trimmed.append((each.provider, each.id))
        else:
            survivors.append(each)
    return survivors, tuple(trimmed)


def weight_of(spec: CommitmentSpec, survivors: Sequence[OutputSpec]) -> int:
    """BOLT 3's expected weight: the type's constant and what the survivors add."""
    return spec.type.commitment_weight + sum(map(checks.spec_weight, survivors))


def opener_cost_sat(spec: CommitmentSpec, weight: int) -> int:
    """The fee of the expected weight and the type's fixed costs, in sat."""
    return fees.fee_sat(weight, spec.feerate_per_kw) + spec.type.fixed_cost_sat


def charge(spec: CommitmentSpec, wanted: Sequence[OutputSpec], weight: int) -> PerParty:
    """What is left of the balances, once the opener paid for this weight; trimmed outputs took theirs too, and it goes
    to the fee.

    Raises BalancesMismatch, BalanceOverdrawn.
    """
    if sum(spec.balances_msat) != 1000 * spec.funding.capacity_sat or min(spec.balances_msat) < 0:
        raise BalancesMismatch(f"Balances of {spec.balances_msat} msat are not {spec.funding.capacity_sat} sat.")
    opener, acceptor = checks.remaining(spec.balances_msat, wanted)
    return max(0, opener - 1000 * opener_cost_sat(spec, weight)), acceptor


# settle, attach


def _settle(spec: CommitmentSpec, view: View, remaining_msat: PerParty) -> Specs:
    answers = yield from ask(spec, view, "settle", remaining_msat)
    if len(answers) > 1:
        raise WrongProvider(f"{answers[1][0].name} would pay out balances, which {answers[0][0].name} does.")
    delay = spec.to_self_delay[spec.holder]
    settled = [dressed(spec.type, each, delay) for pin, answer in answers for each in checks.specs_of(pin, answer)]
    for each in settled:
        checks.debits(each)
    checks.remaining(remaining_msat, settled)
    return settled


def _attach(spec: CommitmentSpec, view: View, survivors: Sequence[OutputSpec]) -> Specs:
    answers = yield from ask(spec, view, "attach", tuple(survivors))
    attached = [each for pin, answer in answers for each in checks.specs_of(pin, answer)]
    checks.attached(attached, spec.type.fixed_cost_sat)
    return attached


# arrange


def arrange(compiler: Compiler, survivors: Sequence[OutputSpec], spec: CommitmentSpec) -> list[Placed]:
    """The outputs in the transaction's order, by their reserved scripts."""
    checks.unique(survivors)
    checks.seal_slots(survivors, {pin.name: pin for pin in spec.type.providers})
    placed = []
    for each in survivors:
        compiled = compiler.compile(each.script)
        placed.append(Placed(each, compiled, compiled.script_pubkey))
    placed.sort(key=lambda output: output.order)
    return placed


# seal


def _seal(spec: CommitmentSpec, view: View, placed: list[Placed]) -> Generator[ProviderCall, object, list[Placed]]:
    for position, slot in enumerate(placed):
        if isinstance(slot.spec.script, DataCarrier):
            shown = Transaction("commitment", shown_outputs(placed))
            script_pubkey = yield from filled(pin_of(spec.type, slot.spec.provider), spec.states, view, shown)
            return [*placed[:position], slot._replace(script_pubkey=script_pubkey), *placed[position + 1 :]]
    return placed


def _transaction(spec: CommitmentSpec, placed: Sequence[Placed]) -> Tx:
    locktime, sequence = locktime_and_sequence(spec.number, spec.payment_basepoints)
    return Tx(
        inputs=(TxIn(spec.funding.txid, spec.funding.vout, sequence),),
        outputs=tuple(TxOut(each.spec.value_sat, each.script_pubkey) for each in placed),
        locktime=locktime,
    )


# What is true of every commitment


def _output(placed: Placed) -> Output:
    spec, compiled = placed.spec, placed.compiled
    return Output(
        spec.provider,
        spec.id,
        spec.kind,
        spec.value_sat,
        spec.script,
        placed.script_pubkey,
        compiled.witness_script,
        compiled.paths,
        spec.debits_msat,
        spec.cltv_expiry,
    )


def _digests(
    spec: CommitmentSpec, placed: Sequence[Placed], children: Sequence[Child]
) -> tuple[tuple[str, bytes], ...]:
    """Eight bytes for each provider: what two peers compare before they compare signatures. What it has in the
    transaction of another one, it has sealed there."""
    outputs: dict[str, list[object]] = {pin.name: [] for pin in spec.type.providers}
    for vout, (each, _, script_pubkey) in enumerate(placed):
        outputs[each.provider].append((vout, each.id, each.kind, each.value_sat, script_pubkey, each.debits_msat))
    for child in children:
        for below in child.outputs:
            if below.provider != child.provider:
                outputs[below.provider].append((child.vout, below.id, child.kind, below.script_pubkey))
    return tuple((name, sha256(_encoder.encode(own)).digest()[:DIGEST_BYTES]) for name, own in outputs.items())
