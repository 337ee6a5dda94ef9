"""Is a database consistent that no node has open: a copy, or that of a node which does not run?

A copy of the file is opened: whatever is found, the file stays as it is.
"""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from lnpd.errors import DatabaseFailed
from lnpd.services.backup.check import Checked, check
from lnpd.store.database import DATABASE_NAME, network_of
from lnpd.store.directory import LOCK_NAME, DirectoryLock
from lnpd.store.store import Store

LOG_SUFFIX = "-wal"  # what a node that was killed had committed and not yet folded into its database


def check_file(path: Path) -> Checked:
    """Looks at everything in a database. Raises DatabaseFailed if it cannot be read, CorruptDatabase, NewerDatabase,
    DirectoryInUse if a node has it open (which is asked with `lnp check`)."""
    with ExitStack() as stack:
        if (path.parent / LOCK_NAME).exists():
            stack.callback(DirectoryLock(path.parent).release)
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lnpd-check-")))
        copy = place / DATABASE_NAME
        try:
            shutil.copyfile(path, copy)
            log = path.with_name(path.name + LOG_SUFFIX)
            if log.exists():
                shutil.copyfile(log, place / (DATABASE_NAME + LOG_SUFFIX))
        except OSError as error:
            raise DatabaseFailed(f"{path} cannot be read: {error.strerror}.") from None
        store = Store.open(place, network_of(copy))
        try:
            return store.read_sync(check)
        finally:
            store.close_sync()
