"""How do the two main outputs and the feerate enter a commitment? (BOLT 3, `to_local` and `to_remote`; update_fee)"""

from typing import Final, TypeVar

import msgspec
from lnpd_sdk.script import Template
from lnpd_sdk.types import (
    OPENER,
    PARTIES,
    Folded,
    OutputSpec,
    PerParty,
    Phase,
    ProviderBase,
    ProviderSpec,
    Reject,
    SetFee,
    Update,
    View,
)

from lnpd.errors import UpdateUnreadable
from lnpd.tx.graph import ANCHORS_FEATURE
from lnpd.tx.states import BASE, BaseState, encode_state

FEE: Final = "fee"
MAX_FEERATE: Final = 0xFFFFFFFF

B = TypeVar("B")
_set_fee: Final = msgspec.msgpack.Decoder(SetFee)


def body_of(decoder: msgspec.msgpack.Decoder[B], update: Update) -> B:
    """The body of an update, decoded; raises UpdateUnreadable."""
    try:
        return decoder.decode(update.body)
    except (msgspec.MsgspecError, RecursionError):
        raise UpdateUnreadable(f"The body of {update.provider} {update.kind} cannot be read.") from None


class Base(ProviderBase):
    """Pays out what is left of each balance, and follows the feerate, which the opener alone may change."""

    spec = ProviderSpec(
        name=BASE, formats=(1,), phases=(Phase("validate"), Phase("fold"), Phase("settle")), max_outputs=2
    )

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        """An `update_fee` is the opener's, and its feerate fits in 32 bits (BOLT 2, update_fee)."""
        if update.provider != BASE:
            return None
        if update.kind != FEE:
            return Reject(f"The base provider knows no update {update.kind!r}.")
        if update.proposer != OPENER:
            return Reject("Only the opener changes the feerate.")
        try:
            feerate = body_of(_set_fee, update).feerate_per_kw
        except UpdateUnreadable as unreadable:
            return Reject(str(unreadable))
        if not 0 <= feerate <= MAX_FEERATE:
            return Reject(f"A feerate of {feerate} is not a 32-bit number.")
        return None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        """The last feerate holds."""
        if update.provider != BASE:
            return Folded(state)
        return Folded(encode_state(BaseState(body_of(_set_fee, update).feerate_per_kw)))

    def settle(self, view: View, state: bytes, remaining_msat: PerParty) -> tuple[OutputSpec, ...]:
        """One output a party, if what is left reaches the holder's dust limit."""
        outputs = []
        for party in PARTIES:
            value_sat = remaining_msat[party] // 1000
            if value_sat >= view.dust_limit_sat[view.holder] and value_sat > 0:
                outputs.append(_main_output(view, party, value_sat, remaining_msat[party]))
        return tuple(outputs)


def _main_output(view: View, party: int, value_sat: int, debit_msat: int) -> OutputSpec:
    kind = "to_local" if party == view.holder else "to_remote"
    anchors = party != view.holder and ANCHORS_FEATURE in view.features
    return OutputSpec(
        provider=BASE,
        id=f"main/{party}",
        kind=kind,
        value_sat=value_sat,
        script=Template("to_remote_anchors" if anchors else kind),
        debits_msat=(debit_msat, 0) if party == OPENER else (0, debit_msat),
        trim="dust",
    )
