"""What has to be on the chain by now, and so closes its channel?"""

from lnpd.errors.base import ProtocolError
from lnpd.errors.channel import ChannelError


class HtlcTimedOut(ChannelError, ProtocolError):
    """An HTLC that we offered is past its timeout deadline (BOLT 2, cltv_expiry_delta Selection)."""


class FulfillmentDeadlinePassed(ChannelError, ProtocolError):
    """An HTLC that we fulfilled is not removed, and its fulfillment deadline has come (BOLT 2)."""


class LateDatumExpires(ChannelError, ProtocolError):
    """A late datum that we know opens an extension's output to us, and soon the peer can take it by a lock."""
