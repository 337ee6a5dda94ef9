"""How do HTLCs enter a commitment, and what hangs below them? (BOLT 3, HTLC outputs and HTLC transactions)"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from itertools import repeat
from typing import Final

import msgspec
from lnpd_sdk.script import Script, Sighash, Template
from lnpd_sdk.types import (
    AddHtlc,
    Blocked,
    ChildOutput,
    ChildTx,
    Closable,
    FailHtlc,
    Folded,
    FulfillHtlc,
    Htlc,
    OutputSpec,
    Party,
    PerParty,
    Phase,
    ProviderBase,
    ProviderSpec,
    Reject,
    SealedOutput,
    Transaction,
    Update,
    View,
    other,
)

from lnpd.errors import UpdateUnreadable
from lnpd.providers.base import body_of
from lnpd.tx.fees import HTLC_OUTPUT_WEIGHT, HTLC_SUCCESS_WEIGHT, HTLC_TIMEOUT_WEIGHT, fee_sat
from lnpd.tx.graph import ANCHORS_FEATURE
from lnpd.tx.states import HTLC, HtlcState, decode_htlcs, encode_state

MAX_ACCEPTED_HTLCS: Final = 483  # BOLT 2, open_channel
MAX_CLTV_EXPIRY: Final = 499_999_999  # BOLT 2, update_add_htlc
MAX_TLVS: Final = 32

ADD: Final = "add"
FULFILL: Final = "fulfill"
FAIL: Final = "fail"
FAIL_MALFORMED: Final = "fail_malformed"

_SECOND_STAGE: Final = Template("to_local")
_adds: Final = msgspec.msgpack.Decoder(AddHtlc)
_fulfills: Final = msgspec.msgpack.Decoder(FulfillHtlc)
_fails: Final = msgspec.msgpack.Decoder(FailHtlc)


class Htlcs(ProviderBase):
    """Each HTLC is an output that debits its offerer, with a second-stage transaction for the commitment's holder."""

    spec = ProviderSpec(
        name=HTLC,
        formats=(1,),
        phases=(Phase("validate"), Phase("fold"), Phase("contribute"), Phase("descend"), Phase("close")),
        max_outputs=MAX_ACCEPTED_HTLCS,
        max_weight=MAX_ACCEPTED_HTLCS * HTLC_OUTPUT_WEIGHT,
    )

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        """What BOLT 2 says of one update by itself; limits of number and value are the channel's."""
        if update.provider != HTLC:
            return None
        check = _VALIDATE.get(update.kind)
        if check is None:
            return Reject(f"The htlc provider knows no update {update.kind!r}.")
        try:
            return check(decode_htlcs(state), update)
        except UpdateUnreadable as unreadable:
            return Reject(str(unreadable))

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        """An added HTLC is in the state, a removed one is not; a fulfilled one moves its amount to the recipient."""
        if update.provider != HTLC:
            return Folded(state)
        before = decode_htlcs(state)
        if update.kind == ADD:
            return Folded(encode_state(_with(before, update)))
        htlc = _removed(before, update)
        if htlc is None:
            return Folded(state)
        place = before.place(htlc.offerer, htlc.id)
        after = encode_state(HtlcState(before.next_ids, (*before.htlcs[:place], *before.htlcs[place + 1 :])))
        return Folded(after, _paid(htlc) if update.kind == FULFILL else (0, 0))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """One output an HTLC. Under anchors the second stage pays no fee, so only the output's own dust counts."""
        anchors = ANCHORS_FEATURE in view.features
        return tuple(map(_output, decode_htlcs(state).htlcs, repeat(view.holder), repeat(anchors)))

    def descend(self, view: View, state: bytes, transaction: Transaction) -> tuple[ChildTx, ...]:
        """HTLC-timeout for each HTLC that the holder offered, HTLC-success for each that it received."""
        anchors = ANCHORS_FEATURE in view.features
        return tuple(
            _child(output, view.feerate_per_kw, anchors)
            for output in transaction.outputs
            if output.spec is not None and output.spec.provider == HTLC
        )

    def close(self, view: View, state: bytes) -> Blocked | Closable:
        """A channel closes by agreement when no HTLC is left."""
        pending = len(decode_htlcs(state).htlcs)
        return Blocked(f"{pending} HTLCs are in flight.") if pending else Closable()


# Updates


def _validate_add(state: HtlcState, update: Update) -> Reject | None:
    add = body_of(_adds, update)
    if update.id < state.next_ids[update.proposer]:
        return Reject(f"The id {update.id} of an HTLC was used before.")
    if add.amount_msat <= 0:
        return Reject("An HTLC's amount must be above 0.")
    if len(add.payment_hash) != 32:
        return Reject("A payment hash has 32 bytes.")
    if not 1 <= add.cltv_expiry <= MAX_CLTV_EXPIRY:
        return Reject(f"An expiry of {add.cltv_expiry} is no block height.")
    if len(add.tlvs) > MAX_TLVS:
        return Reject(f"An HTLC carries at most {MAX_TLVS} records.")
    return None


def _validate_fulfill(state: HtlcState, update: Update) -> Reject | None:
    preimage = body_of(_fulfills, update).preimage
    htlc = _removed(state, update)
    if htlc is None:
        return _unknown(update)
    if len(preimage) != 32 or sha256(preimage).digest() != htlc.payment_hash:
        return Reject(f"The preimage does not match the payment hash of HTLC {update.id}.")
    return None


def _validate_fail(state: HtlcState, update: Update) -> Reject | None:
    if update.body:
        body_of(_fails, update)
    return _unknown(update) if _removed(state, update) is None else None


_VALIDATE: Final[dict[str, Callable[[HtlcState, Update], Reject | None]]] = {
    ADD: _validate_add,
    FULFILL: _validate_fulfill,
    FAIL: _validate_fail,
    FAIL_MALFORMED: _validate_fail,
}


def _unknown(update: Update) -> Reject:
    return Reject(f"The other party has offered no HTLC {update.id} that could be removed.")


def _removed(state: HtlcState, update: Update) -> Htlc | None:
    """The HTLC that a removal means: one that the other party offered, for nobody removes their own."""
    return state.find(other(update.proposer), update.id)


def _with(state: HtlcState, update: Update) -> HtlcState:
    add = body_of(_adds, update)
    htlc = Htlc(update.proposer, update.id, add.amount_msat, add.payment_hash, add.cltv_expiry, add.tlvs)
    place = state.place(htlc.offerer, htlc.id)
    htlcs = (*state.htlcs[:place], htlc, *state.htlcs[place:])
    opener, acceptor = state.next_ids
    if update.proposer == 0:
        return HtlcState((max(opener, update.id + 1), acceptor), htlcs)
    return HtlcState((opener, max(acceptor, update.id + 1)), htlcs)


def _paid(htlc: Htlc) -> PerParty:
    amount = htlc.amount_msat
    return (-amount, amount) if htlc.offerer == 0 else (amount, -amount)


# Outputs


# An HTLC's output is the same object in every commitment of one holder: who has judged it knows it again.
@lru_cache(maxsize=4096)
def _output(htlc: Htlc, holder: Party, anchors: bool) -> OutputSpec:
    offered = htlc.offerer == holder
    kind = "offered_htlc" if offered else "received_htlc"
    script: Script = Template(
        f"{kind}_anchors" if anchors else kind, htlc.payment_hash, 0 if offered else htlc.cltv_expiry
    )
    return OutputSpec(
        HTLC,
        f"{htlc.offerer}/{htlc.id}",
        kind,
        htlc.amount_msat // 1000,
        script,
        (htlc.amount_msat, 0) if htlc.offerer == 0 else (0, htlc.amount_msat),
        0 if anchors else HTLC_TIMEOUT_WEIGHT if offered else HTLC_SUCCESS_WEIGHT,
        "dust",
        htlc.cltv_expiry,
    )


def _child(output: SealedOutput, feerate_per_kw: int, anchors: bool) -> ChildTx:
    spec = output.spec
    assert spec is not None
    offered = spec.kind == "offered_htlc"
    value_sat = spec.value_sat - fee_sat(spec.second_stage_weight, feerate_per_kw)
    return ChildTx(
        provider=HTLC,
        parent=spec.id,
        kind="htlc_timeout" if offered else "htlc_success",
        path="timeout" if offered else "success",
        outputs=(ChildOutput(value_sat, _SECOND_STAGE),),
        locktime=spec.cltv_expiry if offered else 0,
        sequence=1 if anchors else 0,
        sighash=Sighash.SINGLE_ANYONECANPAY if anchors else Sighash.ALL,
    )
