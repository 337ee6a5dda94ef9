"""What does a node ask of an asset in a channel? (the provider `rgb`, format 1)

It observes HTLCs and the feerate, has no updates of its own, and moves no sats: what it puts into every transaction is
an OP_RETURN with 32 bytes.
"""

from typing import Final

from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.script import DataCarrier
from lnpd_sdk.types import (
    PARTIES,
    Blocked,
    Closable,
    Folded,
    OutputSpec,
    Phase,
    ProviderBase,
    ProviderSpec,
    Reject,
    Transaction,
    Update,
    View,
    other,
)

from rgb_channel import rules
from rgb_channel.colour import commitment_of
from rgb_channel.records import TokensUnreadable
from rgb_channel.state import State, StateUnreadable, read

NAME: Final = "rgb"
FORMAT: Final = 1
SEAL_BYTES: Final = 32
REMOVALS: Final = {"fulfill": True, "fail": False, "fail_malformed": False}  # whether the tokens were paid by it

# Second stages are sealed, and a signature covers that on this type alone (lnpd_sdk.types.ProviderSpec).
CHANNEL_TYPE: Final = ChannelTypeSpec(f"{NAME}/static_remotekey", "static_remotekey", ((NAME, FORMAT),), begins=(NAME,))

_CARRIER: Final = OutputSpec(NAME, "carrier", "carrier", 0, DataCarrier(SEAL_BYTES), trim="never")


class Rgb(ProviderBase):
    """The asset of a channel. None of these functions knows whose node it runs on; an empty state is no asset."""

    spec = ProviderSpec(
        NAME,
        formats=(FORMAT,),
        phases=(
            Phase("validate", ("feerate_per_kw", "dust_limit_sat", "balances_msat")),
            Phase("fold", ()),
            Phase("contribute", ()),
            Phase("seal", ("funding_txid", "funding_vout", "holder", "number")),
            Phase("close", ("feerate_per_kw", "dust_limit_sat", "balances_msat")),
        ),
        observes=(rules.HTLC, rules.BASE),
        max_outputs=1,
        seal_length=SEAL_BYTES,
        seals=("second_stage", "close", "claim"),
        holds=True,
    )

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        """Whether every token has an output with this update in force (`rgb_channel.rules`)."""
        if update.provider == NAME:
            return Reject("an asset has no updates of its own: its tokens go with HTLCs")
        try:
            why = rules.refused(view, read(state), update)
        except (rules.UpdateUnreadable, TokensUnreadable, StateUnreadable) as unreadable:
            why = str(unreadable)
        return Reject(why) if why else None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        """HTLCs are noted as they come and go; a fulfilled one moves its tokens. Raises StateUnreadable."""
        held = read(state)
        if held is None or update.provider != rules.HTLC:
            return Folded(state)
        return Folded(_folded(held, update).encode())

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """The carrier of every commitment; the node reserves the others."""
        return (_CARRIER,)

    def seal(self, view: View, state: bytes, transaction: Transaction) -> bytes:
        """The commitment to this transaction's transition. Raises StateUnreadable, Homeless: then nothing is signed."""
        return commitment_of(view, read(state), transaction)

    def close(self, view: View, state: bytes) -> Blocked | Closable:
        """Not while tokens are in flight, nor where someone's tokens would have no output."""
        held = read(state)
        if held is None:
            return Closable()
        if flying := sum(each.tokens > 0 for each in held.pending):
            return Blocked(f"{flying} HTLCs with tokens are in flight")
        fees_sat = rules.fee_sat(rules.CLOSE_WEIGHT, view.feerate_per_kw), 0
        for party in PARTIES:
            left_sat, dust_sat = view.balances_msat[party] // 1000 - fees_sat[party], max(view.dust_limit_sat)
            if held.settled[party] and left_sat < dust_sat:
                who = ("the opener", "the acceptor")[party]
                return Blocked(f"{who} has {held.settled[party]} tokens, and too few sats for an output to hold them")
        return Closable()


def _folded(held: State, update: Update) -> State:
    if update.kind == rules.ADD:
        return held.added(rules.pending_of(update))
    htlc = held.find(other(update.proposer), update.id)
    if htlc is None or update.kind not in REMOVALS:
        return held
    return held.removed(htlc, paid=REMOVALS[update.kind])
