"""What can be wrong with a backup of channels, or with what is restored from one?"""

from lnpd.errors.base import LnpdError


class BackupError(LnpdError):
    """Root of what is refused about backups."""


class BackupMalformed(BackupError):
    """A file that is no backup of lnpd, or is cut off."""


class BackupNewer(BackupError):
    """A later lnpd wrote this backup."""


class BackupForeign(BackupError):
    """A backup that another seed's key sealed."""


class BackupDamaged(BackupError):
    """A backup of this seed whose bytes were altered."""


class BackupUnreadable(BackupError):
    """The backup's file cannot be read or written."""


class BackupOutdated(BackupError):
    """A later backup of the same node lies beside: what it holds would be lost."""


class BackupOfAnotherNetwork(BackupError):
    """A backup of channels on another network."""


class NothingToRestore(BackupError):
    """The data directory has a database: a restored one would take its place."""
