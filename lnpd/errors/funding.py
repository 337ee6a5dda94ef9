"""Which rule of a channel type's own funding was broken?"""

from lnpd.errors.base import ProtocolError
from lnpd.errors.channel import ChannelError, OpeningRefused


class FundingTypeChanged(OpeningRefused):
    """accept_channel does not echo what the funding pays to: the peer lacks this channel type, or has another one."""


class FundingLockEnds(ChannelError, ProtocolError):
    """Soon somebody may take the funding without both parties: the channel closes before (extension contract)."""
