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


class PsbtUnfit(CommandRefused):
    """A PSBT of a plugin cannot be read, is too long, or says of a coin what is not so (BIP 174)."""


class PsbtIncomplete(CommandRefused):
    """A PSBT cannot be broadcast: an input that is not the wallet's has no final witness."""


class CoinNotReserved(CommandRefused):
    """A plugin would spend a coin of the wallet that is not reserved for it: `fund_psbt` reserves."""


class CoinHeld(CommandRefused):
    """A coin came home from a channel whose type holds it for a plugin: nothing else spends it before it is let go."""


class CoinNotHeld(CommandRefused):
    """No coin of the wallet is held for a plugin at this place, or not for the one that asks."""


class NoSuchReservation(CommandRefused):
    """Coins were reserved for nobody, for another plugin, or only until a time that is over."""


class TooManyReservations(CommandRefused):
    """A plugin has as many coins reserved as it may."""


class SpendLimitReached(CommandRefused):
    """A plugin would spend more of the wallet within a day than it may (--grant PLUGIN=spend:SAT)."""
