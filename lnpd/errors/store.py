"""What can go wrong with the database?"""

from lnpd.errors.base import LnpdError


class StoreError(LnpdError):
    """Root of what the database refuses or cannot do."""


class DirectoryUnusable(StoreError):
    """The data directory cannot be made or written."""


class DirectoryInUse(StoreError):
    """Another process holds the data directory; the text names its process id."""


class WrongNetwork(StoreError):
    """A data directory belongs to one network, and this is another one."""


class WrongSeed(StoreError):
    """A data directory belongs to the keys of one seed, and these are others."""


class WrongChain(StoreError):
    """A data directory has followed one chain, and this is another one, of the same network."""


class NewerDatabase(StoreError):
    """A later lnpd wrote this database; what it added would be lost silently."""


class CorruptDatabase(StoreError):
    """The file is not what was written: damaged, emptied, or not a database of lnpd."""


class StoreInconsistent(CorruptDatabase):
    """A row cannot be read, or is not there, without which a channel could not be looked after."""


class DatabaseFailed(StoreError):
    """The database could not do what it was asked: a full disk, an I/O error, a foreign lock."""


class StoreClosed(StoreError):
    """The store was closed before this request reached it."""


class StoreHalted(StoreError):
    """A commit failed, or the power was cut on purpose: nothing is written until the store is opened again."""


class OwnerSuperseded(StoreHalted):
    """Another process took over the database: whatever this one knows may be old."""


class TransactionOver(StoreError):
    """A transaction was used after its function had returned."""


class NotATransaction(StoreError):
    """A transaction must be a synchronous function: an `await` in it would let others commit what is half done."""


class UnknownPoint(StoreError):
    """A persistence point that the table of lnpd/store/points.py lacks."""


class RowRefused(StoreError):
    """The database is well, but this row cannot stand in it: that costs whoever wrote it, and nobody else."""


class RecordConflict(RowRefused):
    """A record, or its entry in the index, exists with other content: records are never rewritten."""


class RowExists(RowRefused):
    """A row of this key exists, and taking its place would lose it."""


class RowMissing(RowRefused):
    """No row has this key."""


class ValueUnfit(RowRefused):
    """A value, or the type of a value, cannot be stored: too large, out of range, or against the rules of codec.py."""


class ValueUnreadable(StoreError):
    """Stored bytes are not a value of the expected type; the text names the table and the key."""
