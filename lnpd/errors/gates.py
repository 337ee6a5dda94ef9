"""Which rules of auxiliary_signatures can a peer, or a provider's gate, break?"""

from lnpd.errors.base import ProtocolWarning
from lnpd.errors.channel import ChannelError, ProviderContradiction


class AuxiliaryBroken(ChannelError, ProtocolWarning):
    """An auxiliary_signatures breaks a rule, or is missing where a commitment_signed needs it."""


class AuxiliaryUnasked(AuxiliaryBroken):
    """auxiliary_signatures names an extension that has no gate, or whose commitment has no gated child."""


class AuxiliaryForAnotherCommitment(AuxiliaryBroken):
    """auxiliary_signatures is not for the next commitment, or not for a funding of this channel."""


class AuxiliaryOutOfOrder(AuxiliaryBroken):
    """The parts of auxiliary_signatures do not follow one another from the first to the last."""


class AuxiliaryTooLong(AuxiliaryBroken):
    """There are more bytes of auxiliary_signatures than a commitment may have, or than this one asks for."""


class AuxiliaryMissing(AuxiliaryBroken):
    """A commitment_signed came before all auxiliary_signatures that it needs."""


class GateClosed(AuxiliaryBroken):
    """A provider's gate refuses our commitment `number`, although its auxiliary signatures are valid."""

    def __init__(self, text: str, number: int = -1) -> None:
        super().__init__(text)
        self.number = number


class GateStillClosed(ProviderContradiction):
    """A commitment that a gate refused came back signed: the channel is frozen. `plugin` is the provider's name."""

    def __init__(self, plugin: str, why: str = "") -> None:
        super().__init__(f"{plugin} {why}" if why else plugin)
        self.plugin = plugin
