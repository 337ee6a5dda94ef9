"""Which rule of transactions and of the extension contract was broken?"""

from lnpd.errors.base import LnpdError, ProtocolError, ProtocolWarning


class TxError(LnpdError):
    """A transaction, or what a provider wants in one, breaks a rule."""


class TransactionUnreadable(TxError):
    """Bytes are no transaction, or not in the one form that it has (BIP 144)."""


class ScriptRefused(TxError):
    """A script expression is malformed, unsound, or beyond the bounds of what can be spent."""


class FundingRefused(TxError):
    """A channel type's funding has keys of no good form or name, or could be taken too early without both parties."""


class MainRefused(TxError):
    """A channel type's main outputs could be taken by the wrong party, too early, or not by their owner alone."""


class WitnessIncomplete(TxError):
    """A signature or a late datum that a witness needs is missing."""


class FormatNotSpoken(TxError):
    """A channel type pins a provider at a format that it does not speak, or twice."""


class StateUnreadable(TxError):
    """A provider's state is not what its format says."""


class UpdateUnreadable(TxError):
    """The body of an update is not what its kind says."""


class NotThisCommitment(TxError):
    """A transaction, side or number does not belong to the commitment at hand."""


class ClaimUneconomic(TxError):
    """What a claim spends does not pay its fee and leave an output above the dust limit."""


class OutputRefused(TxError):
    """An output that a provider wants in a commitment, or under one, breaks a rule; the text names provider and id."""


class WrongProvider(OutputRefused):
    """A provider answered with an output or a child that is not its own, or in a phase in which it has no place."""


class DuplicateOutput(OutputRefused):
    """Two outputs of one provider have the same id."""


class WrongDebits(OutputRefused):
    """An output's value is not what it takes from the balances, rounded down, or a debit is negative."""


class BalanceOverdrawn(OutputRefused):
    """The outputs take more from a party's balance than it has."""


class BalancesMismatch(TxError):
    """The balances of a commitment do not add up to its funding's capacity."""


class FixedCostExceeded(OutputRefused):
    """Attached outputs are worth more than the channel type's fixed costs, or take from a balance."""


class ValueCreated(OutputRefused):
    """A transaction's outputs are worth more than what it spends."""


class ValueOnDataCarrier(OutputRefused):
    """A data carrier has a value, or an output that is not one claims never to be trimmed."""


class TooManyOutputs(OutputRefused):
    """A provider has more outputs for one party than its limit."""


class WeightExceeded(OutputRefused):
    """A provider's outputs weigh more than its limit, or a transaction more than the standard one."""


class SealSlotTaken(OutputRefused):
    """A transaction has more than one seal slot."""


class SealRefused(OutputRefused):
    """A provider reserved a seal slot that it may not have, or filled it with another length."""


class SealUncovered(OutputRefused):
    """A seal slot would stand in a second stage of which the counterparty's signature leaves outputs uncovered."""


class WrongSecondStageWeight(OutputRefused):
    """A second-stage transaction is heavier than its output declared, or pays another fee than that weight's."""


class ChildRefused(OutputRefused):
    """A second-stage transaction spends no output or path of its provider, or its locks or outputs are unfit."""


class UnaskedDebit(OutputRefused):
    """A provider takes from a party, or from the opener by weight, without an update that was admitted for it; the
    channel is frozen. `plugin` is the provider's name."""

    def __init__(self, plugin: str, why: str = "") -> None:
        super().__init__(f"{plugin} {why}" if why else plugin)
        self.plugin = plugin


class SpendPathRefused(OutputRefused):
    """A way to spend an output breaks rule 3 of the extension contract."""


class PathNeedsNoSignature(SpendPathRefused):
    """Anyone could spend the output."""


class HolderPathUndelayed(SpendPathRefused):
    """The holder could take the output at once, before a cheat can be punished."""


class HolderDelayTooShort(SpendPathRefused):
    """The holder could take the output before its to_self_delay is over."""


class JointPathWithoutChild(SpendPathRefused):
    """Both parties' signatures could take the output, and no second-stage transaction fixes where it goes."""


class NoRevocationPath(SpendPathRefused):
    """The holder can take the output, and this commitment's revocation key alone cannot, undelayed."""


class AnchorTooLarge(SpendPathRefused):
    """An anchor is worth more than 330 sat."""


class WrongSignature(TxError, ProtocolError):
    """A signature of a commitment or of a second-stage transaction is invalid; the text says which (BOLT 2)."""


class WrongSignatureCount(TxError, ProtocolError):
    """There is not one signature for each second-stage transaction (BOLT 2, commitment_signed)."""


class ProposalRefused(TxError, ProtocolWarning):
    """A proposed update breaks a rule of the extension contract or of BOLT 2."""


class ReserveBroken(ProposalRefused):
    """The proposer could not pay its outputs, its fee and its channel reserve (BOLT 2, update_add_htlc)."""


class DebitsOtherParty(ProposalRefused):
    """An update takes from the party that did not propose it."""


class MovesUnbalanced(ProposalRefused):
    """An update makes or destroys balance."""


class CreditUnfounded(ProposalRefused):
    """An update credits more than what leaves its provider's own outputs."""


class GrantExceeded(ProposalRefused):
    """An update moves more of the other party's balance than the user granted its provider."""


class CommitmentsApart(ProposalRefused):
    """An update does not take the same from the parties in both commitments."""


class DustProposed(ProposalRefused):
    """An output of a kind that declares no trim rule is under a party's dust limit, or would be once it has paid for
    its second stage at a feerate that may come."""


class WrongSpent(LnpdError):
    """What an input is said to spend does not fit its transaction, its script or its sighash (BIP 341)."""


class PluginNotFound(LnpdError):
    """There is no plugin at the given path."""


class CapabilityMissing(LnpdError):
    """A plugin asked for what the user did not grant it."""


class MessageNotOwned(CapabilityMissing):
    """A plugin would send a wire message that its manifest does not declare."""


class PeerDidNotAgree(LnpdError):
    """A plugin would send an even message to a peer whose `init` did not say that it knows the plugin's messages."""
