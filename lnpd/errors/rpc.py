"""What may a command be refused for?"""

from lnpd.errors.base import LnpdError


class ConfigRefused(LnpdError):
    """An option, or a combination of options, is not allowed; the text names it."""


class SettingRefused(LnpdError):
    """A node has no such option, or not with such a value, or reads it when it starts; the text says which."""


class NodeUnavailable(LnpdError):
    """No lnpd answers for a data directory."""


class NotConfirmed(LnpdError):
    """A person was asked before money moved, and did not say yes."""


class NodeConnectionLost(LnpdError):
    """The node ended, or closed the connection, before it had answered."""


class KeyNotKnown(LnpdError):
    """A node on another machine does not know the key of who wants to ask it."""


class KeyFileRefused(LnpdError):
    """A file that should hold a secret key does not, or others than its user may read it."""


class EventsLost(LnpdError):
    """The node's log of events does not go on where a subscriber left it: its database is another, or an older one."""


class AnswerNotUnderstood(LnpdError):
    """The node, perhaps of another version, answered a command in a way that this client does not know."""


class RefusedByNode(LnpdError):
    """The node answered a command with an error: `code` is stable, `name` that of the error's class.

    A client raises it as that class too (lnpd/rpc/refused.py), so that either can be caught.
    """

    def __init__(self, code: int, name: str, text: str) -> None:
        Exception.__init__(self, text)  # the other class's fields did not travel
        self.code = code
        self.name = name


class RpcError(LnpdError):
    """A request over the RPC, or its connection, is not as it must be."""


class RequestMalformed(RpcError):
    """A line is not JSON, or not a request of JSON-RPC 2.0."""


class RequestTooLong(RpcError):
    """A line is longer than the RPC takes."""


class ParameterRefused(RpcError):
    """A command's parameter is missing, unknown, of another type, or out of range; the text names it."""


class ConnectionsTooMany(RpcError):
    """The RPC serves as many connections as it can."""


class CallsTooMany(RpcError):
    """The RPC answers as many questions of one key at once as it will."""


class AnswerTooLong(RpcError):
    """An answer is longer than what goes to another machine at once: ask for less, or on the node's own."""


class OnlyReads(RpcError):
    """A key that may only read asked for what changes something, or for what holds a secret."""


class CommandRefused(LnpdError):
    """A command is sound, and the node cannot do it as things are."""


class ListenRefused(CommandRefused):
    """An address cannot be listened at: malformed, taken, or not of this machine."""


class PeerUnreachable(CommandRefused):
    """No connection to a peer's address could be made."""


class WrongNodeId(CommandRefused):
    """Whoever answers at an address is not the node that was asked for."""


class PeerNotConnected(CommandRefused):
    """There is no connection to this peer."""


class UnknownPeer(CommandRefused):
    """No peer has this node id, or one that begins so; or several have."""


class UnknownChannel(CommandRefused):
    """No channel has this id, or one that begins so; or several have."""


class NoCommitment(CommandRefused):
    """A channel has no commitment that could be shown: it is not that far, or only a backup of it was left."""


class InsufficientFunds(CommandRefused):
    """The wallet, or a channel, has less than what is to be spent."""


class AddressRefused(CommandRefused):
    """A text is no bitcoin address of this network."""


class ChannelRefused(CommandRefused):
    """A channel cannot be opened; the text says which side refuses, and why."""


class ChannelTooSmall(ChannelRefused):
    """A channel would hold less than the least that is worth its fees (--min-channel-sat)."""


class ChannelTooLarge(ChannelRefused):
    """A channel would hold more than one channel may (--max-channel-sat)."""


class ChannelsFull(ChannelRefused):
    """All channels together would hold more than they may (--max-total-sat)."""


class UnfundedTooMany(ChannelRefused):
    """A peer, or all peers, opened more channels to us than may wait for funding_created (--max-unfunded)."""


class PendingTooMany(ChannelRefused):
    """A peer, or all peers, opened more channels to us than may wait for a deep funding (--max-pending)."""


class AnchorReserveMissing(ChannelRefused):
    """The wallet keeps too little for closing one more channel with anchors (--anchor-reserve-sat)."""


class ExperimentalTypeRefused(ChannelRefused):
    """A channel type beyond those of BOLT 2, on a network where only those are allowed."""


class OpenTimedOut(ChannelRefused):
    """The peer did not answer in time; the opening was given up, and its coins are free again."""


class CloseBlocked(CommandRefused):
    """A mutual close has to wait; the text names the provider that blocks it."""


class ClosePending(CommandRefused):
    """A mutual close has begun and is not agreed on after the time that was waited for it; it goes on."""


class AlreadyClosed(CommandRefused):
    """A channel is on chain already; the text names the transaction that closed it."""


class OnlyOnRegtest(CommandRefused):
    """A command that makes blocks or money exists on regtest only."""


class InvoiceExpired(CommandRefused):
    """An invoice is past its expiry: nobody pays it any more."""


class PaymentFailed(CommandRefused):
    """A payment did not arrive, and nothing of it is in flight."""


class PaymentPending(CommandRefused):
    """A payment has neither arrived nor failed in the given time; it goes on."""


class CommandVetoed(CommandRefused):
    """A plugin that takes part in rpc_command refuses a command; the text says why."""


class CloseRefused(CommandRefused):
    """A plugin that takes part in shutdown_proposed refuses a close by agreement; the text says why."""
