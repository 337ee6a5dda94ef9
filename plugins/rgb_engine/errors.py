"""What can go wrong with RGB assets, as one class for each rule? The text is a sentence for a person."""


class EngineError(Exception):
    """Root of what this package raises."""


class LibraryMissing(EngineError):
    """rgb-lib is not installed, or has no wheel for this machine."""


class NetworkUnknown(EngineError):
    """The node's network is none that rgb-lib knows."""


class ElectrumUnset(EngineError):
    """The user has named no Electrum server."""


class ElectrumUnreachable(EngineError):
    """The Electrum server does not answer, or is one of another network."""


class WalletBusy(EngineError):
    """Another process works with this wallet."""


class WalletDamaged(EngineError):
    """The wallet's files are not as they were left."""


class BadRequest(EngineError):
    """A value is not within its bounds, or is none that RGB knows."""


class NotEnough(EngineError):
    """There are too few satoshi, tokens or outputs to hold them."""


class TransferUnknown(EngineError):
    """The wallet knows no such transfer, or it is in no state for this."""


class ConsignmentRefused(EngineError):
    """A consignment is unreadable, invalid, nobody's, or does not assign what it has to."""


class LibraryRefused(EngineError):
    """rgb-lib refused for another reason; `code` is its name for it."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class LibraryPanicked(EngineError):
    """rgb-lib failed within itself. The wallet is opened anew at the next call."""
