"""What does a person read when a command has no place in the phase that a channel is in?

Two tables make the sentence: what was wanted, and why this phase is not the time for it.
"""

from typing import Final

from lnpd.channel import events, state
from lnpd.errors import CommandRefused

WANTED: Final[dict[type[events.Event], str]] = {
    events.Open: "This channel cannot be opened anew",
    events.Accept: "This channel cannot be accepted anew",
    events.FundingProvided: "This channel needs no funding now",
    events.FundingFailed: "This channel needs no funding now",
    events.FundingNamed: "This channel needs no funding now",
    events.KeepAncestors: "Nothing that leads to this channel's funding can be kept",
    events.Add: "No payment can be sent through this channel",
    events.Fulfill: "No payment can be claimed in this channel",
    events.Fail: "No payment can be given back in this channel",
    events.FailMalformed: "No payment can be given back in this channel",
    events.SetFeerate: "The feerate of this channel cannot be changed",
    events.Propose: "No plugin can change this channel",
    events.PutWitness: "Nothing can be supplied for this channel",
    events.Quiesce: "This channel cannot be made to rest",
    events.QuiescenceExpired: "This channel does not rest",
    events.Close: "This channel cannot be closed by agreement",
    events.ForceClose: "This channel cannot be closed by force",
}
BECAUSE: Final[dict[type, str]] = {
    state.New: "its opening has only begun",
    state.AwaitingAccept: "the peer has not accepted it yet",
    state.AwaitingFunding: "its funding transaction is not made yet",
    state.AwaitingFundingSigned: "the peer has not signed its first commitment yet",
    state.AwaitingFundingCreated: "the peer has not funded it yet",
    state.AwaitingReady: "its funding transaction has too few confirmations yet",
    state.Normal: "it is open",
    state.ShuttingDown: "it is being closed",
    state.Negotiating: "its closing transaction is being agreed on",
    state.Failed: "it has failed, and only the chain settles it now",
    state.OnChain: "it was closed on chain",
    state.Closed: "it is closed",
}


def refused(phase: object, command: events.Event) -> CommandRefused:
    """The refusal of a command that the table of transitions lacks for this phase."""
    return CommandRefused(f"{WANTED[type(command)]}: {BECAUSE[type(phase)]}.")
