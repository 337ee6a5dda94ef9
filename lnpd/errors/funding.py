"""Which rule of a channel type's own funding was broken?"""

from lnpd.errors.base import ProtocolError
from lnpd.errors.channel import ChannelError, OpeningRefused
from lnpd.errors.rpc import CommandRefused


class FundingTypeChanged(OpeningRefused):
    """accept_channel does not echo what the funding pays to: the peer lacks this channel type, or has another one."""


class FundingLockEnds(ChannelError, ProtocolError):
    """Soon somebody may take the funding without both parties: the channel closes before (extension contract)."""


class FundedHere(CommandRefused):
    """The wallet funds this channel: it was not opened for an output that others fund."""


class NotItsFactory(CommandRefused):
    """A plugin has kept what leads to the funding of a channel that it opened itself, not of another one."""


class NothingKept(CommandRefused):
    """Without the transactions that lead to its funding, a channel that others fund could not be closed by force."""


class AncestorsUnfit(CommandRefused):
    """The transactions that are to be kept are no chain that ends in the funding, or too much; or they could change
    their txids, or are signed in vain, or not where what is kept is."""


class NamedScriptWrong(CommandRefused):
    """The output that is named for a channel does not exist, or does not pay to the channel's funding script."""


class NamedAmountWrong(CommandRefused):
    """The output that is named for a channel holds another amount than was agreed."""


class OutpointTaken(CommandRefused):
    """The output that is named for a channel is another channel's funding."""


class NoSuchOpening(ChannelError):
    """No opening of this name waits for its funding: it is over, was given up, or is another plugin's."""
