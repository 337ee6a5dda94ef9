"""May a proposed update stand, by what it does to the next commitments? (rules 2 and 6 of the extension contract)

Proposer and receiver check it alike, once for each party's next commitment: the commitment `before`, and the same one
`after` the update is folded in.
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from lnpd_sdk.types import PARTIES, OutputSpec, Party, PerParty, Update, other

from lnpd.errors import (
    CreditUnfounded,
    DebitsOtherParty,
    DustProposed,
    GrantExceeded,
    MovesUnbalanced,
    ReserveBroken,
)
from lnpd.tx import checks, fees
from lnpd.tx.graph import CommitmentSpec, ProviderCall
from lnpd.tx.pipeline import contribute, opener_cost_sat, trim, view_of


class Side(NamedTuple):
    """A commitment as far as a proposal is judged by it."""

    spec: CommitmentSpec
    outputs: list[OutputSpec]

    def net_msat(self, party: Party) -> int:
        """A party's balance less what the outputs take from it."""
        return self.spec.balances_msat[party] - sum(each.debits_msat[party] for each in self.outputs)

    def available_msat(self, party: Party) -> int:
        """What is left for a party's reserve: the opener pays the fee and the type's fixed costs."""
        if party == 1:
            return self.net_msat(party)
        survivors, _ = trim(self.spec, self.outputs)
        return self.net_msat(party) - 1000 * opener_cost_sat(self.spec, survivors)


def check_proposal(
    before: CommitmentSpec,
    after: CommitmentSpec,
    update: Update,
    reserve_sat: PerParty,
    grant_msat: int | None = None,
    own_msat: int | None = None,
) -> Generator[ProviderCall, object, None]:
    """Both specifications are of one holder's next commitment, without and with the update.

    `reserve_sat[p]` is what p must keep. `grant_msat` is how much of the balance of the party that did not propose the
    update may move, `own_msat` how much of the proposer's own; None is no limit. Raises a ProposalRefused by rule, or
    what the pipeline raises.
    """
    was = Side(before, (yield from contribute(before, view_of(before))))
    will = Side(after, (yield from contribute(after, view_of(after))))
    checks.unique(will.outputs)
    check_debits(was, will, update)
    check_grant(was, will, update, grant_msat)
    check_own_grant(was, will, update, own_msat)
    check_reserve(was, will, update, reserve_sat)
    check_dust(was, will)


def check_debits(was: Side, will: Side, update: Update) -> None:
    """Only the proposer's net balance may fall; others' rise by what leaves this provider's own outputs.

    Raises MovesUnbalanced, DebitsOtherParty, CreditUnfounded.
    """
    if sum(was.spec.balances_msat) != sum(will.spec.balances_msat):
        raise MovesUnbalanced(f"{update.provider} {update.kind} makes or destroys balance.")
    gains = [will.net_msat(party) - was.net_msat(party) for party in PARTIES]
    if gains[other(update.proposer)] < 0:
        raise DebitsOtherParty(
            f"{update.provider} {update.kind} takes {-gains[other(update.proposer)]} msat from the party that did not "
            "propose it."
        )
    credited = sum(gain for gain in gains if gain > 0)
    released = _released_msat(was.outputs, will.outputs, update.provider)
    if credited > released:
        raise CreditUnfounded(
            f"{update.provider} {update.kind} credits {credited} msat, and {released} msat leave its outputs."
        )


def _released_msat(was: Sequence[OutputSpec], will: Sequence[OutputSpec], provider: str) -> int:
    kept = {each.id: sum(each.debits_msat) for each in will if each.provider == provider}
    return sum(max(0, sum(each.debits_msat) - kept.get(each.id, 0)) for each in was if each.provider == provider)


def check_grant(was: Side, will: Side, update: Update, grant_msat: int | None) -> None:
    """Balance and claims of the party that did not propose: they may not shrink beyond the grant (GrantExceeded)."""
    victim = other(update.proposer)
    lost = was.spec.balances_msat[victim] - will.spec.balances_msat[victim]
    if grant_msat is not None and lost > grant_msat:
        raise GrantExceeded(
            f"{update.provider} {update.kind} would move {lost} msat of the other party, {grant_msat} are granted."
        )


def check_own_grant(was: Side, will: Side, update: Update, left_msat: int | None) -> None:
    """What a plugin's own proposal moves from its node's balance, and what its outputs then hold of it: no more than
    is left of the user's grant. What only gives back is free (GrantExceeded)."""
    party = update.proposer
    moved = max(0, was.spec.balances_msat[party] - will.spec.balances_msat[party])
    if left_msat is None or (not moved and will.net_msat(party) >= was.net_msat(party)):
        return
    held = sum(each.debits_msat[party] for each in will.outputs if each.provider == update.provider)
    if moved + held > left_msat:
        raise GrantExceeded(
            f"{update.provider} {update.kind} would have {moved + held} msat of our money, {left_msat} are granted."
        )


def check_reserve(was: Side, will: Side, update: Update, reserve_sat: PerParty) -> None:
    """A proposer whose means shrink keeps its reserve, and the fee if it is the opener (ReserveBroken)."""
    party = update.proposer
    left = will.available_msat(party)
    if left < was.available_msat(party) and left < 1000 * reserve_sat[party]:
        raise ReserveBroken(
            f"{update.provider} {update.kind} would leave {left} msat to a reserve of {reserve_sat[party]} sat."
        )


def check_dust(was: Side, will: Side) -> None:
    """An output under either dust limit, of a kind without a trim rule, may not newly appear (DustProposed)."""
    small_before = {(each.provider, each.id) for each in _too_small(was)}
    for each in _too_small(will):
        if (each.provider, each.id) not in small_before:
            raise DustProposed(f"{checks.title(each)}: {each.value_sat} sat are too small for one of the commitments.")


def _too_small(side: Side) -> list[OutputSpec]:
    spec, dust_sat = side.spec, max(side.spec.dust_limit_sat)
    return [
        each
        for each in side.outputs
        if each.trim == "refuse"
        and fees.is_trimmed(each.value_sat, dust_sat, each.second_stage_weight, spec.feerate_per_kw)
    ]
