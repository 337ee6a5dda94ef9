"""Which feerate should the commitments of a channel pay that we opened, and when is that worth an update_fee? (BOLT 2)

    static_remotekey    what confirms soon: nothing can be added later
    anchors             what mempools take, with room for a rise: a child of our anchor pays the rest

It is moved once it is off by a fifth upwards, by a third downwards, or below what mempools take; one update at a time,
and from one tip to the next to the double at most: an estimate that is wrong once costs no more than that. What our
means and the HTLCs in flight do not allow is proposed as far as they do. A lost proposal is made again: what is due
follows from the channel and the estimates of the last tips alone.
"""

from collections.abc import Callable, Generator
from typing import Any, Final

import msgspec
from lnpd_sdk.types import OPENER, PARTIES, PerParty, SetFee

from lnpd.channel import commitments
from lnpd.channel.dust import MSAT_FOR_EACH_PER_KW, exposure_at_msat
from lnpd.channel.events import SetFeerate
from lnpd.channel.queries import Calls, FoldMemory, ProviderQuery, Query, ask, spike_left_msat
from lnpd.channel.state import Channel, Normal
from lnpd.channel.updates import NEXT
from lnpd.errors import CommandRefused
from lnpd.tx.feerates import MIN_FEERATE_PER_KW
from lnpd.tx.graph import CommitmentSpec
from lnpd.tx.proposal import Side
from lnpd.tx.states import BASE, feerate_of

Asking = Generator[Query[Any], Any, int]  # Any: each reply is typed by its own query

SOON_BLOCKS: Final = 6
FLOOR_BLOCKS: Final = 1_008  # the longest that is estimated: no backend says less than its mempool takes
RISE_PERCENT: Final = 20
FALL_PERCENT: Final = 30
ANCHORS_LEAST_PER_KW: Final = 5 * MIN_FEERATE_PER_KW  # a mempool may fill while the peer is away
ANCHORS_MOST_PER_KW: Final = 2_500
FLOOR_MARGIN_PERCENT: Final = 125
RISE_FACTOR: Final = 2
BUFFERED_HTLCS: Final = 2  # one that the peer adds, beside its own buffer for another: else we could not even be paid


class Estimates(msgspec.Struct, frozen=True):
    """What the chain advises: to confirm soon (SOON_BLOCKS), and to be taken by mempools at all (FLOOR_BLOCKS)."""

    soon_per_kw: int
    floor_per_kw: int


def target_per_kw(anchors: bool, estimates: Estimates) -> int:
    """The feerate of commitments with or without anchors, whatever a channel can afford."""
    soon = max(estimates.soon_per_kw, estimates.floor_per_kw, MIN_FEERATE_PER_KW)
    if not anchors:
        return soon
    most = max(ANCHORS_MOST_PER_KW, estimates.floor_per_kw * FLOOR_MARGIN_PERCENT // 100)
    return min(max(soon, ANCHORS_LEAST_PER_KW), most)


def wanted_per_kw(channel: Channel, estimates: Estimates) -> int:
    """The same for this channel, within the limits that its policy sets."""
    target = target_per_kw(channel.channel_type.fixed_cost_sat > 0, estimates)
    return min(max(target, channel.policy.min_feerate_per_kw), channel.policy.max_feerate_per_kw)


def proposed_per_kw(channel: Channel) -> int:
    """The channel's feerate, or the one that was proposed last; 0 before there is any."""
    pending = _pending(channel)
    if pending:
        return pending[-1]
    return feerate_of(channel.base.states) if channel.base.states else 0


def reach_per_kw(channel: Channel, estimates: Estimates, before_per_kw: int = 0) -> int:
    """How far a channel may rise until another tip comes: to the double.

    `before_per_kw` is the same at the tip before: who could not follow then (the peer was away, means were small) goes
    on from there, as long as so much is still due.
    """
    wanted = wanted_per_kw(channel, estimates)
    return min(wanted, RISE_FACTOR * max(proposed_per_kw(channel), min(wanted, before_per_kw)))


def due(channel: Channel, estimates: Estimates, most_per_kw: int | None = None) -> SetFeerate | None:
    """The update_fee that is worth being sent now. None if there is none, or none is possible.

    `most_per_kw` is `reach_per_kw` when the tip came; None: as it is now.
    """
    if not _is_ours_to_change(channel) or channel.shutdown_script or _pending(channel):
        return None
    now, wanted = feerate_of(channel.base.states), wanted_per_kw(channel, estimates)
    if 100 * wanted <= (100 - FALL_PERCENT) * now:
        return SetFeerate(wanted, wanted)
    wanted = _in_reach(channel, estimates, most_per_kw)
    if not _is_low(now, wanted, estimates):
        return None
    least = min(wanted, -(-now * (100 + RISE_PERCENT) // 100))
    most = highest(least, wanted, lambda per_kw: _dust_is_tolerable(channel, per_kw))
    return SetFeerate(most, least) if most else None


def is_short(channel: Channel, estimates: Estimates, most_per_kw: int | None = None) -> bool:
    """Whether the feerate stays below what is due although the peer is there: means or HTLCs allow no more."""
    now, wanted = proposed_per_kw(channel), _in_reach(channel, estimates, most_per_kw)
    return _is_ours_to_change(channel) and _is_low(now, wanted, estimates)


def is_sunk(channel: Channel, estimates: Estimates) -> bool:
    """Whether the peer, who sets the feerate, keeps it below what mempools take, and nothing can be added later."""
    anchors = channel.channel_type.fixed_cost_sat > 0
    ours = channel.us == OPENER or anchors or not isinstance(channel.phase, Normal)
    return not ours and feerate_of(channel.base.states) < estimates.floor_per_kw


def highest(least: int, most: int, allowed: Callable[[int], bool]) -> int:
    """A number from `least` to `most` that is allowed and whose successor is not, `most` if it is; 0 if `least` is not.

    What is allowed may have gaps: at a higher feerate fewer HTLCs have outputs to pay for.
    """
    if allowed(most):
        return most
    if not allowed(least):
        return 0
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if allowed(middle) else (least, middle)
    return least


def _is_ours_to_change(channel: Channel) -> bool:
    return isinstance(channel.phase, Normal) and channel.us == OPENER and channel.live and all(channel.ready)


def _in_reach(channel: Channel, estimates: Estimates, most_per_kw: int | None) -> int:
    if most_per_kw is None:
        return reach_per_kw(channel, estimates)
    return min(wanted_per_kw(channel, estimates), most_per_kw)


def _is_low(now: int, wanted: int, estimates: Estimates) -> bool:
    return 100 * wanted >= (100 + RISE_PERCENT) * now or now < min(wanted, estimates.floor_per_kw)


def _pending(channel: Channel) -> list[int]:
    bodies = [p.update.body for p in channel.log if p.update.provider == BASE]
    return [msgspec.msgpack.decode(body, type=SetFee).feerate_per_kw for body in bodies]


def _dust_is_tolerable(channel: Channel, per_kw: int) -> bool:
    """To us, who bring it about, without what we would let a peer; and to a peer whose own limit is LDK's."""
    most_msat = min(channel.policy.max_dust_exposure_msat, MSAT_FOR_EACH_PER_KW * per_kw)
    return exposure_at_msat(channel, per_kw, ours=True) <= most_msat


# What a step asks, once it has such a command


class AffordedFeerate(msgspec.Struct, ProviderQuery[int], frozen=True):
    """The highest feerate from `least_per_kw` to `most_per_kw` that leaves the opener its reserve and the fee-spike
    buffer (BOLT 2, update_add_htlc) in each of these commitments, with one more HTLC in it; 0 if there is none."""

    specs: tuple[CommitmentSpec, ...]
    reserve_sat: PerParty
    least_per_kw: int
    most_per_kw: int

    def calls(self, memory: FoldMemory | None = None) -> Calls[int]:
        """What every provider wants in the commitments as they are."""
        memory = memory or FoldMemory()
        sides: list[Side] = []
        for spec in self.specs:
            sides.append((yield from memory.sides.side(spec)))
        reserve_msat = 1000 * self.reserve_sat[OPENER]

        def affords(per_kw: int) -> bool:
            at = [side.at_feerate(per_kw) for side in sides]
            left_msat = [min(each.available_msat[OPENER], spike_left_msat(each, BUFFERED_HTLCS)) for each in at]
            return min(left_msat) >= reserve_msat

        return highest(self.least_per_kw, self.most_per_kw, affords)


def afforded(channel: Channel, command: SetFeerate) -> Asking:
    """The feerate that this command means. Raises CommandRefused if we cannot pay even its least, or now is no time."""
    # BOLT 2 allows several at once. LDK remembers one, and forgets that the one before stands in a commitment already.
    if _pending(channel):
        raise CommandRefused("Another feerate is being agreed on.")
    if command.least_per_kw and channel.shutdown_script:
        raise CommandRefused("The channel is about to be closed.")
    if not command.least_per_kw or command.feerate_per_kw <= feerate_of(channel.base.states):
        return command.feerate_per_kw
    folds = yield from commitments.fold(channel, channel.them, NEXT)
    specs = []
    for holder in PARTIES:
        point = yield from commitments.next_point(channel, holder)
        specs.append(commitments.specification(channel, holder, point, folds))
    reserve_sat = commitments.reserves_sat(channel)
    query = AffordedFeerate(tuple(specs), reserve_sat, command.least_per_kw, command.feerate_per_kw)
    found = yield from ask(query)
    if not found:
        raise CommandRefused(
            f"A feerate of {command.feerate_per_kw:,} sat per 1000 weight is due, and what is ours does not allow even"
            f" {command.least_per_kw:,} beside the reserve and a buffer for a rise."
        )
    return found
