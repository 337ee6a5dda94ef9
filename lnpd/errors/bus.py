"""What can go wrong between two processes?"""

from lnpd.errors.base import LnpdError


class EndpointRefused(LnpdError):
    """A bus endpoint cannot be used: malformed, too long, or taken."""


class LinkOverflow(LnpdError):
    """A frame could not be queued: the other process is gone or takes no more."""


class LinkGone(LinkOverflow):
    """A frame could not be queued: nobody is at the other end any more."""


class DeadlineMissed(LnpdError):
    """Another process did not answer a call in time."""
