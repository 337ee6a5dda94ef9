"""Which rules must an open_channel and an accept_channel keep? (BOLT 2, Channel Establishment v1)

Each row is one rule: the error that names it, when it is broken, and what is said about it. Rows marked by a policy
field are the BOLT's "considers too large": what is too large is ours to choose.
"""

from collections.abc import Callable, Iterable
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from lnpd import errors
from lnpd.channel.presets import MAX_HTLCS
from lnpd.channel.scripts import shutdown_script_allowed
from lnpd.channel.state import SCID_ALIAS, Policy, Terms
from lnpd.crypto.secp import is_point
from lnpd.tx.graph import ChannelType
from lnpd.wire.messages import AcceptChannel, OpenChannel

MIN_DUST_LIMIT_SAT: Final = 354  # BOLT 3, Dust Limits
ANNOUNCE: Final = 1  # channel_flags
C = TypeVar("C")


class Rule(NamedTuple, Generic[C]):
    """One rule. `says` completes the sentence that goes to the peer."""

    error: type[errors.ProtocolError]
    broken: Callable[[C], bool]
    says: str


class Demands(msgspec.Struct, frozen=True):
    """What a party demands, and what it is judged by."""

    terms: Terms
    first_point: bytes
    policy: Policy
    capacity_sat: int


class Offer(msgspec.Struct, frozen=True):
    """An open_channel, and what this node would make of it."""

    message: OpenChannel
    policy: Policy
    chain_hash: bytes
    channel_type: ChannelType | None
    zeroconf: bool
    ours: Terms


class Answer(msgspec.Struct, frozen=True):
    """An accept_channel, and the open_channel that it answers."""

    message: AcceptChannel
    policy: Policy
    type_bits: bytes
    extensions: tuple[object, ...]
    ours: Terms
    zeroconf: bool


def _points(d: Demands) -> tuple[bytes, ...]:
    t = d.terms
    keys = (t.funding_key, t.revocation_basepoint, t.payment_basepoint, t.delayed_payment_basepoint, t.htlc_basepoint)
    return (*keys, d.first_point)


def _bad_upfront(d: Demands) -> bool:
    script = d.terms.upfront_shutdown_script
    return bool(script) and not shutdown_script_allowed(script, d.policy.anysegwit)


DEMANDS: Final[tuple[Rule[Demands], ...]] = (
    Rule(
        errors.DustLimitTooSmall,
        lambda d: d.terms.dust_limit_sat < MIN_DUST_LIMIT_SAT,
        "dust_limit_satoshis is below 354",
    ),
    Rule(
        errors.DustLimitTooLarge,
        lambda d: d.terms.dust_limit_sat > d.policy.max_dust_limit_sat,
        "dust_limit_satoshis is too large for us",
    ),
    Rule(
        errors.ReserveTooLarge,
        lambda d: d.terms.channel_reserve_sat * 100 > d.capacity_sat * d.policy.max_reserve_percent,
        "channel_reserve_satoshis is too large for us",
    ),
    Rule(
        errors.ToSelfDelayTooLarge,
        lambda d: d.terms.to_self_delay > d.policy.max_to_self_delay,
        "to_self_delay is unreasonably large",
    ),
    Rule(
        errors.ToSelfDelayZero,
        lambda d: d.terms.to_self_delay == 0,
        "to_self_delay is 0, which leaves no time to punish",
    ),
    Rule(
        errors.TooManyHtlcsWanted,
        lambda d: d.terms.max_accepted_htlcs > MAX_HTLCS,
        "max_accepted_htlcs is above 483",
    ),
    Rule(
        errors.TooFewHtlcsAccepted,
        lambda d: d.terms.max_accepted_htlcs < d.policy.min_max_accepted_htlcs,
        "max_accepted_htlcs is too small for us",
    ),
    Rule(
        errors.HtlcMinimumTooLarge,
        lambda d: d.terms.htlc_minimum_msat > d.policy.max_htlc_minimum_msat,
        "htlc_minimum_msat is too large for us",
    ),
    Rule(
        errors.InFlightTooSmall,
        lambda d: d.terms.max_htlc_value_in_flight_msat < d.policy.min_in_flight_msat,
        "max_htlc_value_in_flight_msat is too small for us",
    ),
    Rule(
        errors.InvalidBasepoint,
        lambda d: not all(map(is_point, _points(d))),
        "a key is no compressed point of secp256k1",
    ),
    Rule(
        errors.ShutdownScriptForm,
        _bad_upfront,
        "upfront_shutdown_script is in none of the forms that shutdown allows",
    ),
)

OPEN: Final[tuple[Rule[Offer], ...]] = (
    Rule(errors.UnknownChain, lambda o: o.message.chain_hash != o.chain_hash, "chain_hash is not of our chain"),
    Rule(
        errors.ChannelTypeMissing,
        lambda o: o.policy.require_channel_type and o.message.tlvs.channel_type is None,
        "channel_type is missing",
    ),
    Rule(errors.ChannelTypeUnsuitable, lambda o: o.channel_type is None, "we do not support this channel_type"),
    Rule(
        errors.ZeroconfUntrusted,
        lambda o: o.channel_type is not None and "option_zeroconf" in o.channel_type.features and not o.zeroconf,
        "we do not trust this peer to open an unconfirmed channel",
    ),
    Rule(
        errors.AliasTypeAnnounced,
        lambda o: (
            o.channel_type is not None
            and SCID_ALIAS in o.channel_type.features
            and bool(o.message.channel_flags & ANNOUNCE)
        ),
        "a channel of type option_scid_alias cannot be announced",
    ),
    Rule(
        errors.FundingTooSmall,
        lambda o: o.message.funding_satoshis < o.policy.min_funding_sat,
        "funding_satoshis is too small for us",
    ),
    Rule(
        errors.FundingTooLarge,
        lambda o: o.message.funding_satoshis > o.policy.max_funding_sat,
        "funding_satoshis is too large for us",
    ),
    Rule(
        errors.PushTooLarge,
        lambda o: o.message.push_msat > o.message.funding_satoshis * 1000,
        "push_msat is more than the funding",
    ),
    Rule(
        errors.FeerateTooLow,
        lambda o: o.message.feerate_per_kw < o.policy.min_feerate_per_kw,
        "feerate_per_kw is too small for timely processing",
    ),
    Rule(
        errors.FeerateTooHigh,
        lambda o: o.message.feerate_per_kw > o.policy.max_feerate_per_kw,
        "feerate_per_kw is unreasonably large",
    ),
    Rule(
        errors.DustAboveReserve,
        lambda o: o.message.dust_limit_satoshis > o.message.channel_reserve_satoshis,
        "dust_limit_satoshis is greater than channel_reserve_satoshis",
    ),
    Rule(  # else all that a cheat must keep could be dust: BOLT 2 has our reserve reach the opener's dust limit
        errors.DustAboveReserve,
        lambda o: o.message.dust_limit_satoshis > o.ours.channel_reserve_sat,
        "dust_limit_satoshis is greater than our channel_reserve_satoshis",
    ),
)

# Afford: the opener's side of the first commitments. They need the channel type, so they come after OPEN.


class Start(msgspec.Struct, frozen=True):
    """The first balances, once the type is known to be ours."""

    message: OpenChannel
    channel_type: ChannelType

    @property
    def fee_sat(self) -> int:
        """What the opener pays for a commitment without HTLCs (BOLT 3, Fee Calculation)."""
        constant = self.message.feerate_per_kw * self.channel_type.commitment_weight // 1000
        return constant + self.channel_type.fixed_cost_sat

    @property
    def opener_sat(self) -> int:
        """The opener's output, below zero if it cannot pay."""
        return (self.message.funding_satoshis * 1000 - self.message.push_msat) // 1000 - self.fee_sat

    @property
    def acceptor_sat(self) -> int:
        """The acceptor's output."""
        return self.message.push_msat // 1000


START: Final[tuple[Rule[Start], ...]] = (
    Rule(errors.OpenerCannotPayFee, lambda s: s.opener_sat < 0, "the funder cannot pay the first commitment's fee"),
    Rule(
        errors.NobodyAboveReserve,
        lambda s: max(s.opener_sat, s.acceptor_sat) <= s.message.channel_reserve_satoshis,
        "neither side would have more than channel_reserve_satoshis",
    ),
)

ACCEPT: Final[tuple[Rule[Answer], ...]] = (
    Rule(
        errors.MinimumDepthTooLarge,
        lambda a: a.message.minimum_depth > a.policy.max_minimum_depth,
        "minimum_depth is unreasonably large",
    ),
    Rule(
        errors.MinimumDepthNotZero,
        lambda a: a.zeroconf and a.message.minimum_depth != 0,
        "minimum_depth has to be 0 with option_zeroconf",
    ),
    Rule(
        errors.ReserveBelowDust,
        lambda a: a.message.channel_reserve_satoshis < a.ours.dust_limit_sat,
        "channel_reserve_satoshis is less than our dust_limit_satoshis",
    ),
    Rule(
        errors.DustAboveReserve,
        lambda a: a.message.dust_limit_satoshis > a.ours.channel_reserve_sat,
        "dust_limit_satoshis is greater than our channel_reserve_satoshis",
    ),
    Rule(
        errors.ChannelTypeMissing,
        lambda a: a.policy.require_channel_type and a.message.tlvs.channel_type is None,
        "channel_type is missing",
    ),
    Rule(
        errors.ChannelTypeChanged,
        lambda a: a.message.tlvs.channel_type is not None and a.message.tlvs.channel_type != a.type_bits,
        "channel_type is not the one that we asked for",
    ),
    Rule(
        errors.ExtensionsChanged,
        lambda a: bool(a.extensions) and not a.message.tlvs.extensions,
        "the peer does not answer for the plugins of this channel type: both nodes need them, or another type",
    ),
    Rule(
        errors.ExtensionsChanged,
        lambda a: (a.message.tlvs.extensions or ()) != a.extensions,
        "the list of extensions is not the one that we asked for",
    ),
)


def check(rules: Iterable[Rule[C]], context: C, what: str) -> None:
    """Raise the error of the first rule that is broken; `what` names the message."""
    for rule in rules:
        if rule.broken(context):
            raise rule.error(f"{what}: {rule.says}.")
