"""What can a chain refuse?"""

from lnpd.errors.base import LnpdError


class ChainError(LnpdError):
    """A view of the blockchain cannot answer, or cannot do what was asked."""


class RegtestNotInstalled(ChainError):
    """The embedded regtest chain needs a library that is not installed."""


class ChainEnded(ChainError):
    """The chain's own process ended, or did not come up."""


class FollowerEnded(LnpdError):
    """A loop that follows the chain has ended, by a defect: the node stops, for it would see nothing there."""


class ChainLocked(ChainError):
    """Another process, or another part of this one, has the chain's directory open."""


class ChainClosed(ChainError):
    """The chain was closed, or is closing."""


class BlockLogDamaged(ChainError):
    """The block log holds something that a write cut short does not explain."""


class KernelUnusable(ChainError):
    """The kernel does not open, or disagrees with the block log even after its directory was rebuilt."""


class UnknownBlock(ChainError):
    """A block that the chain has never seen: the asker has followed another chain."""


class WatchesTooMany(ChainError):
    """A view watches as much as it can."""


class FaucetDry(ChainError):
    """The faucet of the regtest chain cannot pay an amount, even after mining."""


class BlockRefused(ChainError):
    """A block breaks a consensus rule. `reason` is in Bitcoin Core's words, `result` is the kind of failure."""

    def __init__(self, reason: str, result: str) -> None:
        super().__init__(f"The block was refused: {reason} ({result}).")
        self.reason = reason
        self.result = result


class TransactionMalformed(ChainError):
    """Bytes that are not one whole transaction in BIP 144's form."""


class TransactionRefused(ChainError):
    """A transaction breaks a rule of consensus or policy. `reason` begins with Bitcoin Core's name of the rule."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The transaction was refused: {reason}.")
        self.reason = reason


class NoSuchMethod(LnpdError):
    """A service was asked for a method that it does not have."""


class RemoteFault(LnpdError):
    """A service in another process failed in a way of its own."""


class BitcoindNotFound(ChainError):
    """There is no bitcoind where it was looked for, or no cookie to log in with."""


class BitcoindUnreachable(ChainError):
    """bitcoind does not answer, or not in time."""


class ChainNotCurrent(ChainError):
    """What is known of the chain is not what it is now: nothing that depends on its height is begun."""


class LoginRefused(ChainError):
    """bitcoind refuses the password or the cookie."""


class BitcoindBusy(ChainError):
    """bitcoind is starting, or has too much to do."""


class BitcoindMisbehaves(ChainError):
    """bitcoind, or whatever answers in its place, says what cannot be or what nobody asked."""


class BitcoindTooOld(ChainError):
    """This version of bitcoind lacks what lnpd needs."""


class BlockPruned(ChainError):
    """bitcoind has thrown away a block that must be read."""


class FeerateUnknown(ChainError):
    """The backend has not seen enough of the world yet to estimate a feerate. `floor_per_kw`: below it nothing is
    relayed."""

    floor_per_kw: int = 0

    def __init__(self, text: str, floor_per_kw: int = 0) -> None:
        super().__init__(text)
        self.floor_per_kw = floor_per_kw


class BitcoindFault(ChainError):
    """bitcoind refuses a call. `code` is its own, `words` are its own."""

    def __init__(self, method: str, code: int, words: str) -> None:
        super().__init__(f"bitcoind refuses {method}: {words} ({code}).")
        self.code = code
        self.words = words


class ChainIsAnother(ChainError):
    """bitcoind follows another chain than the one that lnpd was started for."""


class ElectrumUnreachable(ChainError):
    """No Electrum server answers, or none in time."""


class ElectrumMisbehaves(ChainError):
    """An Electrum server says what cannot be, or what it cannot prove."""


class ElectrumBusy(ChainError):
    """An Electrum server is behind, or its chain does not stand still."""


class CertificateChanged(ChainError):
    """An Electrum server shows another certificate than before, and nobody vouches for it."""


class ElectrumFault(ChainError):
    """An Electrum server refuses a call. `words` are its own."""

    def __init__(self, method: str, words: str) -> None:
        super().__init__(f"The Electrum server refuses {method}: {words}.")
        self.words = words
