"""Which updates may stand, so that no token is ever without an output to hold it?

A token needs an output in every commitment: its HTLC's, or its owner's main one. Neither may be trimmed, at no feerate
that the channel may come to, and whatever crosses on the wire. So all that is asked here is asked of the proposer's own
means, against what the other one may do at most:

    update_fee          no higher than the channel's `highest_per_kw`, whatever is in flight
    an HTLC             with tokens: large enough at that feerate for either commitment, and one of `slots`
    the acceptor's      of any kind: one of `slots`, for the opener pays for their outputs
    the opener's        of any kind: leaves it an output at that feerate, with all of the acceptor's slots in use
    a party's           of any kind: leaves an output to who has tokens left

Removals stand always. They can leave nobody without an output: who gets tokens by one gets an HTLC's sats beside them,
which are more than dust.
"""

from typing import Final

import msgspec
from lnpd_sdk.types import ACCEPTOR, OPENER, AddHtlc, Party, SetFee, Update, View

from rgb_channel.records import tokens_of
from rgb_channel.state import Pending, State

HTLC: Final = "htlc"
BASE: Final = "base"
ADD: Final = "add"
FEE: Final = "fee"

# BOLT 3, "Fee Calculation", and the data carrier of 32 bytes that each of these transactions has.
CARRIER_WEIGHT: Final = 4 * (8 + 1 + 34)
COMMITMENT_WEIGHT: Final = 724 + CARRIER_WEIGHT
HTLC_OUTPUT_WEIGHT: Final = 172
HTLC_SUCCESS_WEIGHT: Final = 703 + CARRIER_WEIGHT  # the heavier of the two second stages
HTLC_DUST_SAT: Final = 1_250  # more than the dust limits that nodes have
# A mutual close to the longest scripts that a shutdown may name.
CLOSE_WEIGHT: Final = 4 * (4 + 1 + 41 + 1 + 4) + 2 + 221 + CARRIER_WEIGHT + 2 * 4 * (8 + 1 + 42)


class UpdateUnreadable(ValueError):
    """The body of an update is not what its owner writes."""


def fee_sat(weight: int, feerate_per_kw: int) -> int:
    """The fee of a weight, rounded down."""
    return weight * feerate_per_kw // 1000


def limit_per_kw(view: View, state: State) -> int:
    """The highest feerate that this channel may come to: what was agreed, or what it has already."""
    return max(state.highest_per_kw, view.feerate_per_kw)


def least_htlc_sat(view: View, state: State) -> int:
    """The least that an HTLC with tokens holds, so that no commitment trims it at the highest feerate."""
    return max(view.dust_limit_sat) + fee_sat(HTLC_SUCCESS_WEIGHT, limit_per_kw(view, state))


def enough_htlc_sat(highest_per_kw: int) -> int:
    """Enough for an HTLC with tokens in a channel that may come to this feerate, as people ask for it."""
    return HTLC_DUST_SAT + fee_sat(HTLC_SUCCESS_WEIGHT, highest_per_kw)


def opener_keeps_sat(view: View, state: State, htlcs: int = 0) -> int:
    """What an opener who has so many HTLCs in flight has to have beside them, for a main output at the highest feerate
    with every slot of the acceptor's in use."""
    weight = COMMITMENT_WEIGHT + HTLC_OUTPUT_WEIGHT * (htlcs + state.slots)
    return max(view.dust_limit_sat) + fee_sat(weight, limit_per_kw(view, state))


def beginning_refused(view: View, state: State) -> str:
    """Why a channel with these balances cannot begin so; "" if it can. To be asked by both before it is opened."""
    if view.feerate_per_kw > state.highest_per_kw:
        return f"its feerate of {view.feerate_per_kw} sat per 1000 weight is above {state.highest_per_kw}, the highest"
    if _free_sat(view, state, OPENER) < (keeps := opener_keeps_sat(view, state)):
        highest = limit_per_kw(view, state)
        return f"its opener needs {keeps} sat for an output with tokens at up to {highest} sat per 1000 weight"
    if state.left(ACCEPTOR) and _free_sat(view, state, ACCEPTOR) < max(view.dust_limit_sat):
        return "its acceptor has tokens and would have no output for them"
    return ""


def refused(view: View, state: State | None, update: Update) -> str:
    """Why an update may not stand; "" if it may. Raises UpdateUnreadable, TokensUnreadable."""
    if (update.provider, update.kind) == (HTLC, ADD):
        return _refused_add(view, state, pending_of(update))
    if (update.provider, update.kind) == (BASE, FEE) and state is not None:
        return _refused_fee(view, state, update)
    return ""


def pending_of(update: Update) -> Pending:
    """The HTLC that an `add` adds. Raises UpdateUnreadable, TokensUnreadable."""
    try:
        add = msgspec.msgpack.decode(update.body, type=AddHtlc)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise UpdateUnreadable("the HTLC cannot be read") from None
    return Pending(update.proposer, update.id, add.amount_msat, tokens_of(add.tlvs))


def _refused_fee(view: View, state: State, update: Update) -> str:
    try:
        feerate_per_kw = msgspec.msgpack.decode(update.body, type=SetFee).feerate_per_kw
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise UpdateUnreadable("the feerate cannot be read") from None
    if feerate_per_kw <= (highest := limit_per_kw(view, state)):
        return ""
    return f"at {feerate_per_kw} sat per 1000 weight outputs with tokens could be trimmed: {highest} is the most here"


def _refused_add(view: View, state: State | None, htlc: Pending) -> str:
    if state is None:
        return "this channel holds no asset" if htlc.tokens else ""
    if not _is_possible(htlc) or state.find(htlc.offerer, htlc.id) is not None:
        return f"HTLC {htlc.id} has no amount, or an id that is in use"
    return (_refused_tokens(view, state, htlc) if htlc.tokens else "") or _refused_room(view, state.added(htlc), htlc)


def _is_possible(htlc: Pending) -> bool:
    return 0 < htlc.amount_msat < 2**63 and 0 <= htlc.id < 2**64


def _refused_tokens(view: View, state: State, htlc: Pending) -> str:
    if htlc.tokens > (left := state.left(htlc.offerer)):
        return f"{htlc.tokens} tokens are more than the {left} that its offerer has left"
    if htlc.amount_msat // 1000 < (least := least_htlc_sat(view, state)):
        return f"an HTLC with tokens holds {least} sat at least: with fewer its output could be trimmed"
    if sum(each.tokens > 0 for each in state.offered(htlc.offerer)) >= state.slots:
        return f"a party has at most {state.slots} HTLCs with tokens in flight"
    return ""


def _refused_room(view: View, after: State, htlc: Pending) -> str:
    """Whether everybody who has tokens, or gets some by this HTLC, has an output with it in flight."""
    if htlc.offerer == ACCEPTOR:
        if len(after.offered(ACCEPTOR)) > after.slots:
            return f"the acceptor has at most {after.slots} HTLCs in flight: the opener pays for their outputs"
        if after.left(ACCEPTOR) and _free_sat(view, after, ACCEPTOR) < (dust := max(view.dust_limit_sat)):
            return f"its offerer has tokens left and would have less than {dust} sat to hold them"
        if not htlc.tokens:
            return ""
    keeps = opener_keeps_sat(view, after, len(after.offered(OPENER)))
    if (free := _free_sat(view, after, OPENER)) < keeps:
        return f"the opener would have {free} sat: it keeps {keeps}, or could be left without an output for tokens"
    return ""


def _free_sat(view: View, state: State, party: Party) -> int:
    """What a party has beside its HTLCs, before any fee."""
    return (view.balances_msat[party] - sum(each.amount_msat for each in state.offered(party))) // 1000
