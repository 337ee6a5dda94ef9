"""Which limits does an update have to keep? (BOLT 2, update_add_htlc to update_fee)

Each row is one rule: the error that names it, when it is broken, and what is said. The rows bind both sides, but for
OFFER, which binds us alone: a peer's update that breaks one ends in a warning and a closed connection, or in an error
where the peer's commitment_signed would bring it back, and we refuse to propose one. Reserve, fee and dust of outputs
are checked beside these, for every provider alike, in proposals.py.
"""

from hashlib import sha256
from typing import Final

import msgspec
from lnpd_sdk.types import OPENER, Htlc, SetFee, Update, other

from lnpd import errors
from lnpd.channel.dust import allowed_at_msat, exposure_at_msat, exposure_with_msat, htlc_of
from lnpd.channel.opening_rules import Rule, check
from lnpd.channel.queries import Folds
from lnpd.channel.state import Channel, Policy, Terms
from lnpd.tx.states import BASE, HTLC, htlcs_of

MAX_CLTV_EXPIRY: Final = 500_000_000
# What pends stands in every snapshot and in the database: nobody fills it as they please.
MAX_RECORDS_BYTES: Final = 256
MAX_PENDING_HTLC_UPDATES: Final = 2 * 483
MAX_PENDING_OTHERS: Final = 64
MAX_PENDING_BYTES: Final = 128 * 1024
BADONION: Final = 0x8000


class Addition(msgspec.Struct, frozen=True):
    """An HTLC that is offered. `terms` are its recipient's; `offered_msat` are the amounts of all of the offerer's in
    the recipient's next commitment, this one included."""

    htlc: Htlc
    terms: Terms
    offered_msat: tuple[int, ...]


ADD: Final[tuple[Rule[Addition], ...]] = (
    Rule(errors.HtlcAmountZero, lambda a: a.htlc.amount_msat == 0, "amount_msat is 0"),
    Rule(
        errors.HtlcBelowMinimum,
        lambda a: a.htlc.amount_msat < a.terms.htlc_minimum_msat,
        "amount_msat is below htlc_minimum_msat",
    ),
    Rule(
        errors.HtlcExpiryNotAHeight,
        lambda a: a.htlc.cltv_expiry >= MAX_CLTV_EXPIRY,
        "cltv_expiry is 500000000 or more",
    ),
    Rule(
        errors.TooManyHtlcs,
        lambda a: len(a.offered_msat) > a.terms.max_accepted_htlcs,
        "there would be more HTLCs than max_accepted_htlcs",
    ),
    Rule(
        errors.InFlightExceeded,
        lambda a: sum(a.offered_msat) > a.terms.max_htlc_value_in_flight_msat,
        "the HTLCs in flight would exceed max_htlc_value_in_flight_msat",
    ),
    Rule(
        errors.HtlcRecordsTooLong,
        lambda a: sum(len(value) for _, value in a.htlc.tlvs) > MAX_RECORDS_BYTES,
        f"its records hold more than {MAX_RECORDS_BYTES} bytes",
    ),
)


class Pile(msgspec.Struct, frozen=True):
    """One party's updates that are not irrevocable yet, one more included: how many, and their bodies' bytes."""

    htlc_updates: int
    others: int
    size_bytes: int


PENDING: Final[tuple[Rule[Pile], ...]] = (
    Rule(
        errors.TooMuchPending,
        lambda p: p.htlc_updates > MAX_PENDING_HTLC_UPDATES,
        f"more than {MAX_PENDING_HTLC_UPDATES} updates of HTLCs would be pending",
    ),
    Rule(
        errors.TooMuchPending,
        lambda p: p.others > MAX_PENDING_OTHERS,
        f"more than {MAX_PENDING_OTHERS} updates that are not of HTLCs would be pending",
    ),
    Rule(
        errors.TooMuchPending,
        lambda p: p.size_bytes > MAX_PENDING_BYTES,
        f"updates of more than {MAX_PENDING_BYTES} bytes would be pending",
    ),
)


class Removal(msgspec.Struct, frozen=True):
    """A removal of an HTLC. `htlc` is None if no irrevocably committed HTLC of the other party has this id."""

    id: int
    htlc: Htlc | None
    already: bool  # another removal of it is pending
    preimage: bytes | None = None
    failure_code: int | None = None


REMOVE: Final[tuple[Rule[Removal], ...]] = (
    Rule(errors.UnknownHtlc, lambda r: r.htlc is None, "no irrevocably committed HTLC has this id"),
    Rule(errors.HtlcAlreadyRemoved, lambda r: r.already, "this HTLC is being removed already"),
    Rule(
        errors.WrongPreimage,
        lambda r: r.preimage is not None and r.htlc is not None and sha256(r.preimage).digest() != r.htlc.payment_hash,
        "payment_preimage does not hash to the HTLC's payment_hash",
    ),
    Rule(
        errors.BadOnionMissing,
        lambda r: r.failure_code is not None and not r.failure_code & BADONION,
        "failure_code lacks the BADONION bit",
    ),
)


class FeeChange(msgspec.Struct, frozen=True):
    """A new feerate."""

    feerate_per_kw: int
    by_opener: bool
    policy: Policy
    dust_msat: int  # what HTLCs would be worth that it leaves without an output


FEE: Final[tuple[Rule[FeeChange], ...]] = (
    Rule(errors.FeeNotFromOpener, lambda f: not f.by_opener, "only the party that pays the fee may change it"),
    Rule(
        errors.FeerateTooLow,
        lambda f: f.feerate_per_kw < f.policy.min_feerate_per_kw,
        "feerate_per_kw is too low for timely processing",
    ),
    Rule(
        errors.FeerateTooHigh,
        lambda f: f.feerate_per_kw > f.policy.max_feerate_per_kw,
        "feerate_per_kw is unreasonably large",
    ),
    Rule(  # not a warning: what the peer has signed it sends again after each reconnect
        errors.DustExposureExceeded,
        lambda f: f.dust_msat > allowed_at_msat(f.policy.max_dust_exposure_msat, f.feerate_per_kw),
        "too much value would be in HTLCs that are too small for an output at this feerate_per_kw",
    ),
)


class Exposure(msgspec.Struct, frozen=True):
    """An HTLC that we offer: what all those would be worth that have no output, with it."""

    dust_msat: int
    policy: Policy


# What a peer adds beyond it is no fault of its: it is failed once it is committed (outcomes.py).
OFFER: Final[tuple[Rule[Exposure], ...]] = (
    Rule(
        errors.DustExposureExceeded,
        lambda e: e.dust_msat > e.policy.max_dust_exposure_msat,
        "too much value would be in HTLCs that are too small for an output",
    ),
)


def check_limits(channel: Channel, update: Update, before: Folds) -> None:
    """Raise the first broken limit of this update; `before` is the recipient's next commitment without it."""
    check(PENDING, _pile(channel, update), "the update")
    if update.provider == HTLC and update.kind == "add":
        htlc = htlc_of(update)
        offered_msat = [h.amount_msat for h in htlcs_of(before.states) if h.offerer == update.proposer]
        terms = channel.terms[other(update.proposer)]
        check(ADD, Addition(htlc, terms, (*offered_msat, htlc.amount_msat)), "update_add_htlc")
        if update.proposer == channel.us:
            check(OFFER, Exposure(exposure_with_msat(channel, htlc), channel.policy), "update_add_htlc")
    if update.provider == BASE:
        feerate = msgspec.msgpack.decode(update.body, type=SetFee).feerate_per_kw
        dust_msat = exposure_at_msat(channel, feerate, update.proposer == channel.us)
        check(FEE, FeeChange(feerate, update.proposer == OPENER, channel.policy, dust_msat), "update_fee")


def _pile(channel: Channel, update: Update) -> Pile:
    pending = [p.update for p in channel.log if p.update.proposer == update.proposer]
    htlc_updates = [u for u in (*pending, update) if u.provider == HTLC]
    others = [u for u in (*pending, update) if u.provider != HTLC]
    return Pile(len(htlc_updates), len(others), sum(len(u.body) for u in others))
