"""Which second-stage transactions hang below a commitment? (the pipeline's last phase, `descend`)

They are made from the sealed commitment's txid, pass `seal` themselves, and are pre-signed by the counterparty.
"""

from collections.abc import Generator, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec
from lnpd_sdk.script import DataCarrier, SignatureSlot, SpendPath
from lnpd_sdk.types import ChildTx, SealedOutput, Transaction, View

from lnpd.errors import ChildRefused, DuplicateOutput, SealSlotTaken
from lnpd.tx import checks
from lnpd.tx.graph import Child, CommitmentSpec, Output, ProviderCall, ProviderPin
from lnpd.tx.phases import Placed, ask, shown_outputs
from lnpd.tx.rules import is_counterpartys
from lnpd.tx.script import Compiled, Compiler
from lnpd.tx.seals import filled_each, pin_of, sealing, with_carrier
from lnpd.tx.transaction import Tx, TxIn, TxOut


def descend(
    spec: CommitmentSpec, view: View, compiler: Compiler, placed: Sequence[Placed], tx: Tx
) -> Generator[ProviderCall, object, tuple[Child, ...]]:
    """The children of a sealed commitment, in the order of the outputs that they spend.

    Asks every provider that has the phase; (), without a question, if none has. Raises ChildRefused, DuplicateOutput,
    SealSlotTaken, SealUncovered and what lnpd.tx.checks raises.
    """
    if not any("descend" in pin.phases for pin in spec.type.providers):
        return ()
    txid = tx.txid
    commitment = Transaction("commitment", shown_outputs(placed), txid)
    answers = yield from ask(spec, view, "descend", commitment)
    where = {(each.spec.provider, each.spec.id): vout for vout, each in enumerate(placed)}
    drafts: list[_Draft] = []
    seen: set[tuple[str, str, str]] = set()
    for wanted in chain.from_iterable(checks.children_of(pin, answer) for pin, answer in answers):
        key = (wanted.provider, wanted.parent, wanted.kind)
        if key in seen:
            raise DuplicateOutput(f"{checks.title(wanted)}: there are two of this kind.")
        seen.add(key)
        vout = where.get((wanted.provider, wanted.parent))
        if vout is None:
            raise ChildRefused(f"{checks.title(wanted)}: it spends no output of this commitment.")
        drafts.append(_draft(spec, compiler, placed[vout], wanted, vout))
    drafts = yield from _sealed(spec, view, drafts, commitment)
    children = [_child(spec, each, commitment) for each in drafts]
    checks.fit_commitment_signed(children)
    children.sort(key=lambda child: child.vout)
    return tuple(children)


class _Draft(NamedTuple):
    """A child whose carrier, if it has one, may not be filled yet."""

    wanted: ChildTx
    vout: int
    parent: Placed
    path: SpendPath
    outputs: tuple[Output, ...]


def _draft(spec: CommitmentSpec, compiler: Compiler, parent: Placed, wanted: ChildTx, vout: int) -> _Draft:
    wanted = with_carrier(sealing(spec.type, "second_stage"), wanted)
    path = _presigned(spec, parent, wanted)
    checks.child(wanted, parent.spec, path, spec.dust_limit_sat[spec.holder])
    outputs = tuple(
        _child_output(wanted, index, compiler.compile(output.script)) for index, output in enumerate(wanted.outputs)
    )
    return _Draft(wanted, vout, parent, path, outputs)


def _child(spec: CommitmentSpec, draft: _Draft, commitment: Transaction) -> Child:
    wanted, vout, parent, path, outputs = draft
    tx = Tx(
        inputs=(TxIn(commitment.txid, vout, wanted.sequence),),
        outputs=tuple(TxOut(output.value_sat, output.script_pubkey) for output in outputs),
        locktime=wanted.locktime,
    )
    witness_script = parent.compiled.witness_script
    checks.second_stage(checks.title(wanted), parent.spec, tx.outputs, path, witness_script, spec.feerate_per_kw)
    return Child(
        wanted.provider,
        wanted.parent,
        wanted.kind,
        vout,
        path,
        tx,
        wanted.sighash,
        outputs,
        wanted.gated,
        wanted.adaptor_point,
    )


def _presigned(spec: CommitmentSpec, parent: Placed, wanted: ChildTx) -> SpendPath:
    """The child's path, with the child's sighash on the one signature of the counterparty; raises ChildRefused."""
    path = next((path for path in parent.compiled.paths if path.name == wanted.path), None)
    if path is None:
        raise ChildRefused(f"{checks.title(wanted)}: its output has no path named {wanted.path}.")
    theirs = [key for key in path.keys if is_counterpartys(key, spec.keys)]
    if len(theirs) != 1 or len(path.keys) < 2:
        raise ChildRefused(f"{checks.title(wanted)}: the path {path.name} does not need exactly both parties.")
    slot = SignatureSlot(theirs[0], wanted.sighash)
    if slot in path.witness:
        return path
    witness = tuple(slot if isinstance(each, SignatureSlot) and each.key == slot.key else each for each in path.witness)
    return msgspec.structs.replace(path, witness=witness)


def _child_output(wanted: ChildTx, index: int, compiled: Compiled) -> Output:
    return Output(
        provider=wanted.provider,
        id=f"{wanted.parent}/{index}",
        kind=f"{wanted.kind}_output",
        value_sat=wanted.outputs[index].value_sat,
        script=wanted.outputs[index].script,
        script_pubkey=compiled.script_pubkey,
        witness_script=compiled.witness_script,
        paths=compiled.paths,
    )


def _sealed(
    spec: CommitmentSpec, view: View, drafts: Sequence[_Draft], commitment: Transaction
) -> Generator[ProviderCall, object, list[_Draft]]:
    """The children with their carriers filled: none of them depends on another one, so all are asked for at once."""
    slots = {place: slot for place, draft in enumerate(drafts) if (slot := _slot(spec, draft)) is not None}
    carriers = yield from filled_each(
        (pin, spec.states, view, _shown(drafts[place], commitment)) for place, (_, pin) in slots.items()
    )
    found = list(drafts)
    for (place, (position, pin)), script_pubkey in zip(slots.items(), carriers, strict=True):
        outputs = list(drafts[place].outputs)
        outputs[position] = msgspec.structs.replace(outputs[position], provider=pin.name, script_pubkey=script_pubkey)
        found[place] = drafts[place]._replace(outputs=tuple(outputs))
    return found


def _slot(spec: CommitmentSpec, draft: _Draft) -> tuple[int, ProviderPin] | None:
    """Which output of a child is the carrier, and who fills it; raises SealSlotTaken, SealRefused."""
    slots = [position for position, output in enumerate(draft.outputs) if isinstance(output.script, DataCarrier)]
    if not slots:
        return None
    name = checks.title(draft.wanted)
    if len(slots) > 1:
        raise SealSlotTaken(f"{name}: it has more than one seal slot.")
    pin = sealing(spec.type, "second_stage") or pin_of(spec.type, draft.wanted.provider)
    checks.seal_length(name, pin, draft.outputs[slots[0]].script)
    return slots[0], pin


def _shown(draft: _Draft, commitment: Transaction) -> Transaction:
    reserved = tuple(SealedOutput(each.value_sat, each.script_pubkey) for each in draft.outputs)
    return Transaction("second_stage", reserved, parent=commitment, vout=draft.vout)
