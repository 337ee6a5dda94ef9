"""Which second-stage transactions hang below a commitment? (the pipeline's last phase, `descend`)

They are made from the sealed commitment's txid, pass `seal` themselves, and are pre-signed by the counterparty.
"""

from collections.abc import Generator, Sequence
from itertools import chain

import msgspec
from lnpd_sdk.script import DataCarrier, SignatureSlot, SpendPath
from lnpd_sdk.types import ChildTx, SealedOutput, Transaction, View

from lnpd.errors import ChildRefused, DuplicateOutput, SealSlotTaken
from lnpd.tx import checks
from lnpd.tx.graph import Child, CommitmentSpec, Output, ProviderCall
from lnpd.tx.phases import Placed, ask, shown_outputs
from lnpd.tx.rules import is_counterpartys
from lnpd.tx.script import Compiled, Compiler
from lnpd.tx.seals import filled, pin_of, sealing, with_carrier
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
    children: list[Child] = []
    seen: set[tuple[str, str, str]] = set()
    for wanted in chain.from_iterable(checks.children_of(pin, answer) for pin, answer in answers):
        key = (wanted.provider, wanted.parent, wanted.kind)
        if key in seen:
            raise DuplicateOutput(f"{checks.title(wanted)}: there are two of this kind.")
        seen.add(key)
        vout = where.get((wanted.provider, wanted.parent))
        if vout is None:
            raise ChildRefused(f"{checks.title(wanted)}: it spends no output of this commitment.")
        children.append((yield from _child(spec, view, compiler, placed[vout], wanted, commitment, vout)))
    checks.fit_commitment_signed(children)
    children.sort(key=lambda child: child.vout)
    return tuple(children)


def _child(
    spec: CommitmentSpec,
    view: View,
    compiler: Compiler,
    parent: Placed,
    wanted: ChildTx,
    commitment: Transaction,
    vout: int,
) -> Generator[ProviderCall, object, Child]:
    wanted = with_carrier(sealing(spec.type, "second_stage"), wanted)
    name, path = checks.title(wanted), _presigned(spec, parent, wanted)
    checks.child(wanted, parent.spec, path, spec.dust_limit_sat[spec.holder])
    outputs = tuple(
        _child_output(wanted, index, compiler.compile(output.script)) for index, output in enumerate(wanted.outputs)
    )
    outputs = yield from _seal_child(spec, view, wanted, outputs, commitment, vout)
    tx = Tx(
        inputs=(TxIn(commitment.txid, vout, wanted.sequence),),
        outputs=tuple(TxOut(output.value_sat, output.script_pubkey) for output in outputs),
        locktime=wanted.locktime,
    )
    witness_script = parent.compiled.witness_script
    checks.second_stage(name, parent.spec, tx.outputs, path, witness_script, spec.feerate_per_kw)
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


def _seal_child(
    spec: CommitmentSpec,
    view: View,
    wanted: ChildTx,
    outputs: tuple[Output, ...],
    commitment: Transaction,
    vout: int,
) -> Generator[ProviderCall, object, tuple[Output, ...]]:
    slots = [position for position, output in enumerate(outputs) if isinstance(output.script, DataCarrier)]
    if not slots:
        return outputs
    name = checks.title(wanted)
    if len(slots) > 1:
        raise SealSlotTaken(f"{name}: it has more than one seal slot.")
    pin = sealing(spec.type, "second_stage") or pin_of(spec.type, wanted.provider)
    carrier = outputs[slots[0]].script
    checks.seal_length(name, pin, carrier)
    reserved = tuple(SealedOutput(each.value_sat, each.script_pubkey) for each in outputs)
    shown = Transaction("second_stage", reserved, parent=commitment, vout=vout)
    script_pubkey = yield from filled(pin, spec.states, view, shown)
    sealed = list(outputs)
    sealed[slots[0]] = msgspec.structs.replace(outputs[slots[0]], provider=pin.name, script_pubkey=script_pubkey)
    return tuple(sealed)
