"""How does a test damage a sound database, and hold the check to what it says of it?"""

import re
from collections.abc import Callable
from pathlib import Path

from lnpd.services.backup.check import check
from lnpd.store.database import DATABASE_NAME
from lnpd.store.store import Store
from lnpd.store.write import Write


def assert_found(directory: Path, sound: Path, damage: Callable[[Write], object], said: str) -> None:
    """In a copy of a sound database the damage is named, with where it is and what to do about it."""
    (directory / DATABASE_NAME).write_bytes(sound.read_bytes())
    store = Store.open(directory, "regtest")
    try:
        assert store.read_sync(check).problems == ()
        store.write_sync(damage)
        problems = store.read_sync(check).problems
    finally:
        store.close_sync()
    assert any(re.search(said, each.what) for each in problems), problems
    assert all(each.where and each.advice for each in problems)
