"""Which rule of the channel protocol was broken?"""

from lnpd.errors.base import LnpdError, ProtocolError, ProtocolWarning
from lnpd.errors.rpc import CommandRefused
from lnpd.errors.tx import ProposalRefused


class ChannelError(LnpdError):
    """Something that lnpd.channel was given or found is refused."""


class ChannelNotReady(CommandRefused):
    """A command came before the channel can follow it; it may be given again."""


class FundingDoubleSpent(ChannelError, ProtocolError):
    """A reorganisation took the funding out of the chain, and another transaction spent its coins."""


class StateUnproven(CommandRefused):
    """A forced close before the peer has shown, since the start, that our state is the latest: it may be revoked."""


class ProviderContradiction(ChannelError):
    """A provider refuses an update that it has accepted before: the channel is frozen until it agrees with itself."""


class RemovalRefused(ProviderContradiction):
    """A provider refuses our own removal of an HTLC that it took in: it must not hold up what we claim."""


class UnexpectedMessage(ChannelError, ProtocolError):
    """A message has no place in the phase that the channel is in."""


class MessageBeforeReestablish(ChannelError, ProtocolWarning):
    """A message came on a new connection before channel_reestablish (BOLT 2, Message Retransmission)."""


class OpeningRefused(ChannelError, ProtocolError):
    """An open_channel or accept_channel breaks a rule, or asks for what we do not accept (BOLT 2)."""


class ChannelIdInUse(OpeningRefused):
    """The funding outpoint of funding_created makes the channel_id that another channel has."""


class UnknownChain(OpeningRefused):
    """The chain_hash is not our chain's."""


class ChannelTypeMissing(OpeningRefused):
    """There is no channel_type."""


class ChannelTypeUnsuitable(OpeningRefused):
    """The channel_type, or an extension beside it, is not ours."""


class ChannelTypeChanged(OpeningRefused):
    """accept_channel has another channel_type than open_channel."""


class ExtensionsChanged(OpeningRefused):
    """accept_channel does not echo the list of extensions."""


class ZeroconfUntrusted(OpeningRefused):
    """The type includes option_zeroconf, and we do not trust the peer so far."""


class AliasTypeAnnounced(OpeningRefused):
    """The type includes option_scid_alias, and the channel is to be announced."""


class FundingTooSmall(OpeningRefused):
    """funding_satoshis is below what we accept."""


class FundingTooLarge(OpeningRefused):
    """funding_satoshis is above what we accept; without option_support_large_channel that is less than 2^24."""


class PushTooLarge(OpeningRefused):
    """push_msat is more than the funding."""


class DustLimitTooSmall(OpeningRefused):
    """dust_limit_satoshis is below 354."""


class DustLimitTooLarge(OpeningRefused):
    """dust_limit_satoshis is above what we accept."""


class DustAboveReserve(OpeningRefused):
    """A dust limit is greater than a channel reserve."""


class ReserveBelowDust(OpeningRefused):
    """The reserve that is asked of us is less than our dust limit."""


class ReserveTooLarge(OpeningRefused):
    """channel_reserve_satoshis is above what we accept."""


class ToSelfDelayTooLarge(OpeningRefused):
    """to_self_delay is above what we accept."""


class ToSelfDelayZero(OpeningRefused):
    """to_self_delay is 0."""


class TooManyHtlcsWanted(OpeningRefused):
    """max_accepted_htlcs is above 483."""


class TooFewHtlcsAccepted(OpeningRefused):
    """max_accepted_htlcs is below what we want."""


class HtlcMinimumTooLarge(OpeningRefused):
    """htlc_minimum_msat is above what we accept."""


class InFlightTooSmall(OpeningRefused):
    """max_htlc_value_in_flight_msat is below what we want."""


class InvalidBasepoint(OpeningRefused):
    """A key in open_channel or accept_channel is no compressed point."""


class MinimumDepthTooLarge(OpeningRefused):
    """minimum_depth is above what we accept."""


class MinimumDepthNotZero(OpeningRefused):
    """minimum_depth is not 0 with option_zeroconf."""


class OpenerCannotPayFee(OpeningRefused):
    """The opener's amount does not pay the first commitment's fee."""


class NobodyAboveReserve(OpeningRefused):
    """Neither output of the first commitment would be above the reserve."""


class FundingOutputWrong(ChannelError, ProtocolError):
    """The confirmed funding transaction does not pay the agreed amount to the agreed script (BOLT 2, channel_ready)."""


class InvalidPerCommitmentPoint(ChannelError, ProtocolError):
    """A per-commitment point is no compressed point."""


class UpdateBroken(ChannelError, ProtocolWarning):
    """An update breaks a limit of BOLT 2: a warning and a reconnect, for it is not signed yet."""


class FeerateTooLow(UpdateBroken, OpeningRefused):
    """feerate_per_kw is too low for timely processing."""


class FeerateTooHigh(UpdateBroken, OpeningRefused):
    """feerate_per_kw is unreasonably large."""


class FeeNotFromOpener(UpdateBroken):
    """The party that does not pay the fee sent update_fee."""


class HtlcIdOutOfOrder(UpdateBroken):
    """The id of an update_add_htlc is not one more than the last."""


class HtlcAmountZero(UpdateBroken):
    """amount_msat is 0."""


class HtlcBelowMinimum(UpdateBroken):
    """amount_msat is below the receiver's htlc_minimum_msat."""


class HtlcExpiryNotAHeight(UpdateBroken):
    """cltv_expiry is 500000000 or more."""


class TooManyHtlcs(UpdateBroken):
    """More HTLCs are offered than the receiver's max_accepted_htlcs."""


class InFlightExceeded(UpdateBroken):
    """More value is offered than the receiver's max_htlc_value_in_flight_msat."""


class DustExposureExceeded(ChannelError, ProtocolError):
    """HTLCs that are too small for a commitment would be worth more than we risk (max_dust_htlc_exposure_msat)."""


class HtlcRecordsTooLong(UpdateBroken):
    """The records that an update_add_htlc carries beside BOLT 2's own are too long."""


class TooMuchPending(UpdateBroken):
    """A party has too many updates, or too long ones, that are not irrevocable yet."""


class UnknownHtlc(UpdateBroken):
    """A removal's id is of no irrevocably committed HTLC."""


class HtlcAlreadyRemoved(UpdateBroken):
    """A removal's HTLC is being removed already."""


class WrongPreimage(UpdateBroken):
    """payment_preimage does not hash to payment_hash."""


class BadOnionMissing(UpdateBroken):
    """update_fail_malformed_htlc's failure_code lacks the BADONION bit."""


class AddAfterShutdown(UpdateBroken):
    """An update that adds something came after shutdown."""


class UpdateBeforeReady(UpdateBroken):
    """An update came before both channel_ready."""


class UnknownNamespace(UpdateBroken):
    """update_ext names no extension of the channel."""


class ExtensionIdOutOfOrder(UpdateBroken):
    """The id of an update_ext is not one more than the provider's last."""


class UpdateRejected(ProposalRefused):
    """A provider refuses an update; the text names it and its reason."""


class UpdatesDoNotCommute(ProposalRefused):
    """An update and what the other party has pending fold to different states in different orders."""


class FeeSpikeBufferMissing(ProposalRefused):
    """The opener would not keep enough for a higher fee (BOLT 2, update_add_htlc); it binds the proposer only."""


class ExtensionDisagrees(ChannelError, ProtocolWarning):
    """The two sides compute different outputs of an extension's provider; the text names it."""


class ExtensionStateDiffers(ChannelError, ProtocolWarning):
    """At channel_reestablish the two sides hold different states of an extension's provider; the text names it."""


class InitialStateRefused(ChannelError, ProtocolError):
    """A plugin does not say how its provider begins in this channel, or refuses to; the text names who and why."""


class InitialStateDiffers(ChannelError, ProtocolError):
    """At the opening the two sides' plugins begin with different states of a provider; the text names it."""


class BatchBroken(ChannelError, ProtocolWarning):
    """A batch of commitment_signed breaks a rule (BOLT 2, Batching channel messages)."""


class BatchTooLarge(BatchBroken):
    """batch_size is above 20."""


class BatchUnexpected(BatchBroken):
    """start_batch came within a batch."""


class BatchInterrupted(BatchBroken):
    """Another message came within a batch."""


class CommitmentMissing(ChannelError, ProtocolError):
    """There is no commitment_signed for one of the fundings, or it does not say for which it is."""


class CommitmentForUnknownFunding(ChannelError, ProtocolWarning):
    """A commitment_signed is for a funding that this channel does not have."""


class RevocationUnexpected(ChannelError, ProtocolError):
    """A revoke_and_ack answers no commitment_signed."""


class WrongPerCommitmentSecret(ChannelError, ProtocolError):
    """per_commitment_secret does not generate the previous per_commitment_point."""


class StfuBroken(ChannelError, ProtocolWarning):
    """A rule of quiescence is broken (BOLT 2, Channel Quiescence)."""


class StfuTwice(StfuBroken):
    """stfu came twice."""


class StfuWhilePending(StfuBroken):
    """stfu came while an update of its sender was pending."""


class UpdateAfterStfu(StfuBroken):
    """An update came after its sender's stfu."""


class QuiescenceTooLong(StfuBroken):
    """A channel was quiescent for 60 seconds."""


class ShutdownScriptForm(OpeningRefused, ProtocolWarning):
    """A shutdown script has none of the forms that are allowed."""


class ShutdownScriptChanged(ChannelError, ProtocolWarning):
    """shutdown names another script than upfront_shutdown_script."""


class ShutdownTwice(ChannelError, ProtocolWarning):
    """shutdown came twice, with different scripts."""


class ClosingBroken(ChannelError, ProtocolWarning):
    """A closing_signed breaks a rule, and the negotiation may begin again (BOLT 2)."""


class ClosingFailed(ChannelError, ProtocolError):
    """A closing_signed breaks a rule after which the channel has to fail (BOLT 2)."""


class ClosingTooEarly(ClosingBroken):
    """The acceptor sent closing_signed first."""


class ClosingSignatureWrong(ClosingBroken):
    """The signature fits no variant of the closing transaction."""


class ClosingFeeTooHigh(ClosingBroken):
    """The opener cannot pay the fee."""


class ClosingRangesApart(ClosingBroken):
    """The two fee ranges do not overlap."""


class ClosingFeeWithoutProgress(ClosingBroken):
    """The fee is not strictly between the last two."""


class ClosingFeeOutsideRange(ClosingFailed):
    """The fee is outside the overlap of both ranges."""


class ClosingFeeChanged(ClosingFailed):
    """The opener did not repeat the fee that we answered with."""


class ClosingOutputDust(ClosingFailed):
    """An output of the closing transaction is below the dust limit of its script."""


class ReestablishFailed(ChannelError, ProtocolError):
    """A channel_reestablish cannot be true, or shows that one side has lost data (BOLT 2)."""


class CommitmentNumberZero(ReestablishFailed):
    """next_commitment_number is 0."""


class NextCommitmentNumberWrong(ReestablishFailed):
    """next_commitment_number is neither our last commitment_signed's nor the next one's."""


class NextRevocationNumberWrong(ReestablishFailed):
    """next_revocation_number is neither our last revoke_and_ack's nor the next one's."""


class LastSecretWrong(ReestablishFailed):
    """your_last_per_commitment_secret is not the secret that we revealed."""


class DataLost(ReestablishFailed):
    """The peer has proved that it is ahead of us: our latest commitment is revoked and must not be broadcast."""
