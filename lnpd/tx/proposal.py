"""May a proposed update stand, by what it does to the next commitments? (rules 2 and 6 of the extension contract)

Proposer and receiver check it alike, once for each party's next commitment: the commitment `before`, and the same one
`after` the update is folded in.
"""

from collections.abc import Generator
from typing import Final, NamedTuple

from lnpd_sdk.types import PARTIES, PerParty, Update, other
from msgspec.structs import replace

from lnpd.errors import (
    CreditUnfounded,
    DebitsOtherParty,
    DustProposed,
    GrantExceeded,
    MovesUnbalanced,
    ReserveBroken,
)
from lnpd.tx import checks
from lnpd.tx.accounts import NOTHING, Account, account_of, check_account
from lnpd.tx.feerates import MAX_FEERATE_PER_KW
from lnpd.tx.graph import CommitmentSpec, ProviderCall, ProviderPin
from lnpd.tx.pipeline import opener_cost_sat, view_of
from lnpd.tx.seals import wanted
from lnpd.tx.states import CORE
from lnpd.tx.tally import Scale, Tally, changed, on_scale, scale_of, tally

SHAPING: Final = frozenset({"settle", "attach", "descend"})  # phases that may make something else of another state


class Side(NamedTuple):
    """A commitment as far as a proposal is judged by it: what each provider's outputs come to.

    `net_msat` is each party's balance less what the outputs take from it, `available_msat` what of that is left for its
    reserve: the opener pays the fee and the type's fixed costs.
    """

    spec: CommitmentSpec
    scale: Scale
    tallies: tuple[Tally, ...]
    net_msat: PerParty
    available_msat: PerParty

    def of(self, provider: str) -> Tally:
        """One provider's outputs."""
        return next((each for each in self.tallies if each.provider == provider), Tally(provider))

    def at_feerate(self, feerate_per_kw: int) -> "Side":
        """The same outputs at another feerate, at which others may be trimmed."""
        if feerate_per_kw == self.spec.feerate_per_kw:
            return self
        spec = replace(self.spec, feerate_per_kw=feerate_per_kw)
        scale = scale_of(spec)
        return _summed(spec, scale, tuple(on_scale(each, scale) for each in self.tallies))

    def at_worst(self, provider: str) -> CommitmentSpec | None:
        """This commitment at the highest feerate there may be, if this provider's outputs pay for their second stages:
        these have to be possible then too, or update_fee would meet what cannot be built."""
        pays = any(each.second_stage_weight and each.trim == "refuse" for each in self.of(provider).specs)
        return replace(self.spec, feerate_per_kw=MAX_FEERATE_PER_KW) if pays else None


def _summed(spec: CommitmentSpec, scale: Scale, tallies: tuple[Tally, ...]) -> Side:
    opener, acceptor = spec.balances_msat
    weight = spec.type.commitment_weight
    for each in tallies:
        opener -= each.debits_msat[0]
        acceptor -= each.debits_msat[1]
        weight += each.surviving_weight
    available = opener - 1000 * opener_cost_sat(spec, weight)
    return Side(spec, scale, tallies, (opener, acceptor), (available, acceptor))


class SideMemory:
    """The sides of the last proposals, for what is `after` one of them is `before` the next. A driver may keep one a
    channel; what was forgotten is asked and counted again."""

    def __init__(self, size: int = 8) -> None:
        self._size = size
        self._sides: dict[CommitmentSpec, Side] = {}

    def side(self, spec: CommitmentSpec, near: Side | None = None) -> Generator[ProviderCall, object, Side]:
        """A commitment's side. `near` is one that differs in little. Raises OutputRefused by rule."""
        known = self._sides.get(spec)
        if known is None:
            known = self._sides[spec] = yield from side_of(spec, near)
            if len(self._sides) > self._size:
                del self._sides[next(iter(self._sides))]
        return known


def side_of(spec: CommitmentSpec, near: Side | None = None) -> Generator[ProviderCall, object, Side]:
    """What every provider wants in this commitment, counted; see `SideMemory.side`."""
    scale = scale_of(spec)
    before = {each.provider: each for each in near.tallies} if near is not None and near.scale == scale else {}
    answers = yield from wanted(spec, view_of(spec))
    return _summed(spec, scale, tuple([tally(pin, answer, scale, before.get(pin.name)) for pin, answer in answers]))


def touched(was: Side, will: Side, update: Update) -> tuple[str, ...]:
    """The extensions whose part of the commitment the update changes: its own, and those that make something of it. For
    one that only fills carriers, another state is other bytes at the same place: there is nothing in that to judge."""
    before, after = dict(was.spec.states), dict(will.spec.states)

    def shapes(pin: ProviderPin) -> bool:
        moved = pin.name == update.provider or after[pin.name] != before[pin.name]
        other_outputs = will.of(pin.name).specs != was.of(pin.name).specs
        return other_outputs or (moved and not SHAPING.isdisjoint(pin.phases))

    return tuple(pin.name for pin in will.spec.type.providers if pin.name not in CORE and shapes(pin))


def check_bystanders(was: Side, will: Side, update: Update) -> None:
    """An extension takes nothing by the updates of others, the core's among them (UnaskedDebit)."""
    for after in will.tallies:
        before = was.of(after.provider)
        if after is not before and after.provider not in CORE and after.provider != update.provider:
            place = f"party {will.spec.holder}'s commitment by {update.provider} {update.kind}"
            check_account(after.provider, place, account_of(after, (0, 0)), account_of(before, (0, 0)))


def effect_of(was: Side, will: Side, update: Update) -> Account:
    """What an update does to the account of its provider; the core's are not kept."""
    if update.provider in CORE:
        return NOTHING
    before, after = was.spec.balances_msat, will.spec.balances_msat
    moved_msat = (after[0] - before[0], after[1] - before[1])
    return account_of(will.of(update.provider), moved_msat) - account_of(was.of(update.provider), (0, 0))


def check_debits(was: Side, will: Side, update: Update) -> None:
    """Only the proposer's net balance may fall; others' rise by what leaves this provider's own outputs.

    Raises MovesUnbalanced, DebitsOtherParty, CreditUnfounded.
    """
    if sum(was.spec.balances_msat) != sum(will.spec.balances_msat):
        raise MovesUnbalanced(f"{update.provider} {update.kind} makes or destroys balance.")
    gains = [will.net_msat[party] - was.net_msat[party] for party in PARTIES]
    if gains[other(update.proposer)] < 0:
        raise DebitsOtherParty(
            f"{update.provider} {update.kind} takes {-gains[other(update.proposer)]} msat from the party that did not "
            "propose it."
        )
    credited = sum(gain for gain in gains if gain > 0)
    if credited and credited > (released := _released_msat(was.of(update.provider), will.of(update.provider))):
        raise CreditUnfounded(
            f"{update.provider} {update.kind} credits {credited} msat, and {released} msat leave its outputs."
        )


def _released_msat(was: Tally, will: Tally) -> int:
    gone, _ = changed(was.specs, will.specs)
    left = (will.by_id.get(each.id) for each in gone)
    return sum(
        max(0, sum(each.debits_msat) - sum(kept.debits_msat if kept else ()))
        for each, kept in zip(gone, left, strict=True)
    )


def check_grant(was: Side, will: Side, update: Update, grant_msat: int | None) -> None:
    """Balance and claims of the party that did not propose: they may not shrink beyond the grant (GrantExceeded)."""
    victim = other(update.proposer)
    lost = was.spec.balances_msat[victim] - will.spec.balances_msat[victim]
    if grant_msat is not None and lost > grant_msat:
        raise GrantExceeded(f"{update.provider} would move {lost} msat of the other party, {grant_msat} are granted.")


def check_own_grant(was: Side, will: Side, update: Update, left_msat: int | None) -> None:
    """What a plugin's own proposal moves from its node's balance, and what its outputs then hold of it: no more than
    is left of the user's grant. What only gives back is free (GrantExceeded)."""
    party = update.proposer
    moved = max(0, was.spec.balances_msat[party] - will.spec.balances_msat[party])
    if left_msat is None or (not moved and will.net_msat[party] >= was.net_msat[party]):
        return
    held = will.of(update.provider).debits_msat[party]
    if moved + held > left_msat:
        raise GrantExceeded(f"{update.provider} would have {moved + held} msat of our money, {left_msat} are granted.")


def check_reserve(was: Side, will: Side, update: Update, reserve_sat: PerParty) -> None:
    """A proposer whose means shrink keeps its reserve, and the fee if it is the opener (ReserveBroken)."""
    party = update.proposer
    left = will.available_msat[party]
    if left < was.available_msat[party] and left < 1000 * reserve_sat[party]:
        missing_sat = -((left - 1000 * reserve_sat[party]) // 1000)
        raise ReserveBroken(
            f"It would take {missing_sat:,} sat too much: beside the fees, a reserve of {reserve_sat[party]:,} sat "
            "stays with who proposes it."
        )


def check_dust(was: Side, will: Side) -> None:
    """An output under either dust limit, of a kind without a trim rule, may not newly appear (DustProposed): not at
    this feerate, nor at one that update_fee may bring."""
    for after in will.tallies:
        for name in sorted(after.refused - was.of(after.provider).refused):
            each = after.by_id[name]
            least_sat = checks.least_sat(each, will.scale.higher_dust_sat)
            why = f", whatever feerate comes: its second stage pays from it, so it takes {least_sat} at least"
            raise DustProposed(
                f"{checks.title(each)}: {each.value_sat} sat are too small for one of the commitments"
                f"{why if each.second_stage_weight else ''}."
            )
