"""What can go wrong between the chain, its watcher and the wallet?"""

from lnpd.errors.base import LnpdError
from lnpd.errors.chain import ChainError
from lnpd.errors.rpc import CommandRefused


class ChainUnreachable(ChainError):
    """The process that keeps the chain does not answer, or not as agreed."""


class UnknownChainClient(ChainError):
    """The process that keeps the chain does not know this client: it was started again, and its watches are lost."""


class OutputTooSmall(CommandRefused):
    """A payment is so small that no node relays it."""


class FeeTooHigh(CommandRefused):
    """A transaction of the wallet would pay more fee than it may."""


class ReferenceTaken(CommandRefused):
    """The wallet has funded something else under this reference."""


class BroadcastRefused(CommandRefused):
    """The network refuses a payment of the wallet; nothing was spent."""


class WalletSignatureMissing(LnpdError):
    """The signer did not sign every coin of the wallet, or changed what it signed."""
