"""Is a database consistent that no node has open: a copy, or that of a node which does not run?

A copy of the file is opened: whatever is found, the file stays as it is.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lnpd.errors import DatabaseFailed, DirectoryInUse, StoreError
from lnpd.services.backup.check import Checked, check
from lnpd.store.database import DATABASE_NAME, network_of
from lnpd.store.directory import LOCK_NAME, DirectoryLock
from lnpd.store.store import Store

LOG_SUFFIX = "-wal"  # what a node that was killed had committed and not yet folded into its database


@contextmanager
def opened(path: Path) -> Iterator[tuple[Store, str]]:
    """A copy of a database as a store of its own, and its network.

    Raises DatabaseFailed if it cannot be read, CorruptDatabase, NewerDatabase, DirectoryInUse if a node has it open.
    """
    with ExitStack() as stack:
        if (path.parent / LOCK_NAME).exists():
            stack.callback(_lock(path.parent).release)
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lnpd-check-")))
        copy = place / DATABASE_NAME
        try:
            shutil.copyfile(path, copy)
            log = path.with_name(path.name + LOG_SUFFIX)
            if log.exists():
                shutil.copyfile(log, place / (DATABASE_NAME + LOG_SUFFIX))
        except OSError as error:
            raise DatabaseFailed(f"{path} cannot be read: {error.strerror}.") from None
        try:
            network = network_of(copy)
            store = Store.open(place, network)
        except StoreError as error:
            raise type(error)(str(error).replace(str(copy), str(path))) from error
        stack.callback(store.close_sync)
        yield store, network


def _lock(directory: Path) -> DirectoryLock:
    try:
        return DirectoryLock(directory)
    except DirectoryInUse as error:
        raise DirectoryInUse(f"{error} `lnp check` asks it.") from None


def check_file(path: Path) -> Checked:
    """Looks at everything in a database. Raises what `opened` raises."""
    with opened(path) as (store, _):
        return store.read_sync(check)
