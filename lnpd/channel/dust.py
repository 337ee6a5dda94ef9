"""What would miners have of HTLCs that are too small for a commitment? (BOLT 2, max_dust_htlc_exposure_msat)

A trimmed HTLC has no output: whoever broadcasts that commitment gives its amount to the fee. Both commitments are
judged, for either may be broadcast, each by its holder's dust limit and, without anchors, by its second stage's fee. A
removal counts once it is irrevocable: until then a commitment may be broadcast that still owes the HTLC.
"""

from typing import Final

import msgspec
from lnpd_sdk.types import PARTIES, AddHtlc, Htlc, Party, SetFee, Update

from lnpd.channel.commitments import dust_limits_sat
from lnpd.channel.state import Channel
from lnpd.tx.fees import HTLC_SUCCESS_WEIGHT, HTLC_TIMEOUT_WEIGHT, is_trimmed
from lnpd.tx.seals import carrier_weight
from lnpd.tx.states import BASE, HTLC, feerate_of, htlcs_of

# An HTLC that is large enough today is dust after a rise of the feerate: HTLCs are judged as if it had come already.
BUFFER_PER_KW: Final = 2_530

# A rise of the feerate trims HTLCs that nobody would have called dust before. Whoever ends a channel over that at once
# ends it just when that is dear, and in vain, for most of them are settled in a moment: so more is allowed then, as LDK
# allows it, but never more than some times what was set, since the peer chooses the feerate (up to a ceiling).
MSAT_FOR_EACH_PER_KW: Final = 10_000
MOST_TIMES: Final = 4


def htlc_of(update: Update) -> Htlc:
    """The HTLC that an `add` adds."""
    add = msgspec.msgpack.decode(update.body, type=AddHtlc)
    return Htlc(update.proposer, update.id, add.amount_msat, add.payment_hash, add.cltv_expiry, add.tlvs)


def buffered_per_kw(feerate_per_kw: int) -> int:
    """The feerate to which update_fee may soon bring a channel: a quarter more, and not less than 10 sat per vbyte."""
    return max(feerate_per_kw + BUFFER_PER_KW, feerate_per_kw * 5 // 4)


def allowed_at_msat(most_msat: int, feerate_per_kw: int) -> int:
    """What an update_fee may leave without an output, of a limit that holds for each new HTLC."""
    return max(most_msat, min(MOST_TIMES * most_msat, MSAT_FOR_EACH_PER_KW * feerate_per_kw))


def exposure_with_msat(channel: Channel, htlc: Htlc) -> int:
    """What the trimmed HTLCs of a commitment are worth with this one, the greater of both; 0 if it is in no danger
    itself.

    Beside it count all that its recipient offered, and what its offerer offered before it: so the answer for an HTLC
    that came in does not depend on what the peer sent after it.
    """
    feerate_per_kw = buffered_per_kw(_highest_per_kw(channel))
    holders = [holder for holder in PARTIES if is_dust(channel, htlc, holder, feerate_per_kw)]
    if not holders:
        return 0
    others = [each for each in _htlcs(channel) if each.offerer != htlc.offerer or each.id < htlc.id]
    return max(_dust_msat(channel, [*others, htlc], holder, feerate_per_kw) for holder in holders)


def exposure_at_msat(channel: Channel, feerate_per_kw: int, ours: bool) -> int:
    """What the trimmed HTLCs of a commitment would be worth after an update_fee, the greater of both; 0 if it does not
    raise the feerate.

    Ours is judged by the buffer too: the peer, who may have HTLCs on their way to us, fails the channel over it.
    """
    if _has_anchors(channel) or feerate_per_kw <= _highest_per_kw(channel):
        return 0
    judged_per_kw = buffered_per_kw(feerate_per_kw) if ours else feerate_per_kw
    htlcs = _htlcs(channel)
    return max(_dust_msat(channel, htlcs, holder, judged_per_kw) for holder in PARTIES)


def is_dust(channel: Channel, htlc: Htlc, holder: Party, feerate_per_kw: int) -> bool:
    """Whether an HTLC is trimmed from a holder's commitment at this feerate (BOLT 3, Trimmed Outputs)."""
    weight = HTLC_TIMEOUT_WEIGHT if htlc.offerer == holder else HTLC_SUCCESS_WEIGHT
    weight += carrier_weight(channel.channel_type, "second_stage")
    if _has_anchors(channel):  # their second stage pays its fee from other coins
        weight = 0
    return is_trimmed(htlc.amount_msat // 1000, dust_limits_sat(channel)[holder], weight, feerate_per_kw)


def _dust_msat(channel: Channel, htlcs: list[Htlc], holder: Party, feerate_per_kw: int) -> int:
    return sum(htlc.amount_msat for htlc in htlcs if is_dust(channel, htlc, holder, feerate_per_kw))


def _has_anchors(channel: Channel) -> bool:
    return channel.channel_type.fixed_cost_sat > 0


def _htlcs(channel: Channel) -> list[Htlc]:
    """All that may stand in a commitment now or soon, of both parties."""
    pending = [htlc_of(p.update) for p in channel.log if p.update.provider == HTLC and p.update.kind == "add"]
    return [*htlcs_of(channel.base.states), *pending]


def _highest_per_kw(channel: Channel) -> int:
    """The channel's feerate, or a higher one that is pending."""
    pending = [p.update.body for p in channel.log if p.update.provider == BASE]
    feerates = [msgspec.msgpack.decode(body, type=SetFee).feerate_per_kw for body in pending]
    return max([feerate_of(channel.base.states), *feerates])
