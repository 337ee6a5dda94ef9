"""What does the signer refuse, and what can be wrong with a seed?"""

from lnpd.errors.base import LnpdError


class SignerRefused(LnpdError):
    """The signer does not do what it was asked; `rule` names the rule that forbids it, the text begins with it."""

    def __init__(self, rule: str, why: str) -> None:
        super().__init__(f"{rule}: {why}")

    @property
    def rule(self) -> str:
        """The rule's name; it is read from the text, which is all that travels between processes."""
        return str(self).partition(":")[0]


class SignerEnded(LnpdError):
    """The signer's process is gone, or did not come up."""


class SeedError(LnpdError):
    """A seed, or the file that keeps it, cannot be used."""


class SeedFileMissing(SeedError):
    """There is no seed file at this path."""


class SeedFileExists(SeedError):
    """A seed file is never written over: what it protects would be lost."""


class SeedFileMalformed(SeedError):
    """The seed file is not what lnpd writes."""


class SeedFileUnsafe(SeedError):
    """Other users may read the seed file."""


class SeedInvalid(SeedError):
    """Words, entropy or an extended key are no seed (BIP 39, BIP 32)."""


class PassphraseMissing(SeedError):
    """The seed file is encrypted and no passphrase was given, or it is not and one was."""


class PlainSeedRefused(SeedError):
    """A seed would be kept, or was kept, without a passphrase, and that was not asked for."""
