"""What are the roots of all errors, and which of them does a peer hear about?"""


class LnpdError(Exception):
    """Root of everything that lnpd raises on purpose. Its text is a sentence for a person."""


class ProtocolError(LnpdError):
    """A peer broke a rule of the protocol; the connection or the channel ends (BOLT 1, `error`)."""


class ProtocolWarning(ProtocolError):
    """A peer broke a rule, yet nothing is lost by reconnecting: answered with `warning` (BOLT 1)."""
