"""What can be wrong with a channel on this node?"""

from lnpd.errors.base import LnpdError
from lnpd.errors.rpc import CommandRefused


class ChannelFrozen(CommandRefused):
    """A provider that this channel pins is missing or failed: no updates and no mutual close until it is back."""


class OfferRefused(CommandRefused):
    """An HTLC is not offered without the word of the plugin whose channel it would be in: it refuses, or is silent."""


class ChannelGone(LnpdError):
    """A channel could not handle an event; nothing of it was stored."""


class ChannelTypeUnknown(CommandRefused):
    """This node has no such channel type, or lacks one of its providers."""
