"""What do one provider's outputs come to in a commitment?

Proposals are judged by sums over outputs, and one update changes one output of many. So a tally is made from the tally
before it: what both begin and end with, the same objects, was checked and counted; only what lies between is looked at.
"""

from itertools import compress, count
from operator import is_not
from typing import NamedTuple

import msgspec
from lnpd_sdk.types import PARTIES, OutputSpec, PerParty

from lnpd.tx import checks
from lnpd.tx.graph import CommitmentSpec, ProviderPin

Specs = tuple[OutputSpec, ...]


class Scale(NamedTuple):
    """What decides which outputs are too small: of a commitment's holder, and of the party with the higher limit."""

    dust_sat: int
    higher_dust_sat: int
    feerate_per_kw: int


class Tally(msgspec.Struct, frozen=True):
    """One provider's outputs and their sums. `counts`, `weights` and `debits_msat` are by party, the first two by the
    outputs' owners; `surviving_weight` is that of what is not trimmed; `refused` are the ids of outputs too small for
    one of the commitments, of a kind that may not be."""

    provider: str
    specs: Specs = ()
    by_id: dict[str, OutputSpec] = {}
    counts: PerParty = (0, 0)
    weights: PerParty = (0, 0)
    debits_msat: PerParty = (0, 0)
    surviving_weight: int = 0
    refused: frozenset[str] = frozenset()


def scale_of(spec: CommitmentSpec) -> Scale:
    """The scale by which this commitment trims."""
    return Scale(spec.dust_limit_sat[spec.holder], max(spec.dust_limit_sat), spec.feerate_per_kw)


def tally(pin: ProviderPin, answer: object, scale: Scale, before: Tally | None = None) -> Tally:
    """A provider's answer to `contribute`, checked and counted. `before` is a tally of that provider on that scale.

    Raises WrongProvider, DuplicateOutput, WrongDebits, ValueOnDataCarrier, TooManyOutputs, WeightExceeded.
    """
    before = before or Tally(pin.name)
    specs = checks.outputs_of(pin, answer)
    gone, new = changed(before.specs, specs)
    if not gone and not new:
        return before
    for spec in new:
        checks.own(pin, spec)
        checks.debits(spec)
    after = _counted(before, specs, gone, new, scale)
    if len(after.by_id) != len(specs):
        checks.unique(specs)
    for party in PARTIES:
        checks.limit(pin, after.counts[party], after.weights[party])
    return after


def on_scale(known: Tally, scale: Scale) -> Tally:
    """The same outputs, counted anew."""
    return _counted(Tally(known.provider), known.specs, (), known.specs, scale)


def changed(before: Specs, after: Specs) -> tuple[Specs, Specs]:
    """What went and what came: both without the objects that they begin and end with alike."""
    if not before or not after:
        return before, after
    least = min(len(before), len(after))
    head = next(compress(count(), map(is_not, before, after)), least)
    tail = next(compress(count(), map(is_not, reversed(before), reversed(after))), least)
    tail = min(tail, least - head)
    return before[head : len(before) - tail], after[head : len(after) - tail]


def _counted(before: Tally, specs: Specs, gone: Specs, new: Specs, scale: Scale) -> Tally:
    by_id = dict(before.by_id)
    for spec in gone:
        del by_id[spec.id]
    by_id.update((spec.id, spec) for spec in new)
    counts, weights, debits_msat = list(before.counts), list(before.weights), list(before.debits_msat)
    surviving_weight, refused = before.surviving_weight, set(before.refused)
    for sign, spec in (*((-1, spec) for spec in gone), *((1, spec) for spec in new)):
        party, weight = checks.owner(spec), sign * checks.spec_weight(spec)
        counts[party] += sign
        weights[party] += weight
        for each in PARTIES:
            debits_msat[each] += sign * spec.debits_msat[each]
        if not checks.falls_away(spec, scale.dust_sat, scale.feerate_per_kw):
            surviving_weight += weight
        if spec.trim == "refuse" and spec.value_sat < checks.least_sat(spec, scale.higher_dust_sat):
            (refused.add if sign > 0 else refused.remove)(spec.id)
    return Tally(
        before.provider,
        specs,
        by_id,
        (counts[0], counts[1]),
        (weights[0], weights[1]),
        (debits_msat[0], debits_msat[1]),
        surviving_weight,
        frozenset(refused),
    )
