"""Does a killed process find exactly what it had acknowledged?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lnpd.store.store import Store

CHILD = Path(__file__).with_name("crash_child.py")
KEY_BYTES, TASKS = 5, 8


def keys_of(output: bytes) -> set[bytes]:
    return {output[at : at + KEY_BYTES] for at in range(0, len(output), KEY_BYTES)}


def check(directory: Path, acknowledged: set[bytes]) -> None:
    """All that was acknowledged is there and whole; beyond it at most one write a task, which was still under way."""
    store = Store.open(directory, "regtest")
    left, right = (store.read_sync(lambda r, kind=kind: r.records(b"channel", kind)) for kind in ("left", "right"))  # type: ignore[misc]  # bound now
    store.close_sync()
    stored = {row.key for row in right}
    assert {row.key for row in left} == stored, "a transaction is whole"
    assert all(row.value == row.key * 600 for row in left)
    assert acknowledged <= stored
    unacknowledged = [key[0] for key in stored - acknowledged]
    assert len(unacknowledged) == len(set(unacknowledged)) <= TASKS
    for task in range(TASKS):
        numbers = sorted(int.from_bytes(key[1:], "big") for key in stored if key[0] == task)
        assert numbers == list(range(len(numbers))), "no write is missing before one that is there"


@pytest.mark.parametrize("acknowledgements", [1, 40, 400])
def test_kill_9_in_mid_writes_again_and_again(tmp_path: Path, acknowledgements: int) -> None:
    acknowledged: set[bytes] = set()
    for _ in range(3):
        with subprocess.Popen([sys.executable, str(CHILD), str(tmp_path)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            output = child.stdout.read(acknowledgements * KEY_BYTES)
            child.kill()
            output += child.stdout.read()
            child.wait(20)
        acknowledged |= keys_of(output)
        # What was committed and not yet said counts as acknowledged for the next life, which goes on behind it.
        check(tmp_path, acknowledged)
        store = Store.open(tmp_path, "regtest")
        acknowledged = {row.key for row in store.read_sync(lambda r: r.records(b"channel", "right"))}
        store.close_sync()
    assert len(acknowledged) >= 3 * acknowledgements


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
@pytest.mark.parametrize("commit", [1, 2, 9])
def test_a_process_that_ends_at_a_commit(tmp_path: Path, moment: str, commit: int) -> None:
    Store.open(tmp_path, "regtest").close_sync()
    child = subprocess.run(
        [sys.executable, str(CHILD), str(tmp_path), moment, str(commit)], stdout=subprocess.PIPE, timeout=60
    )
    assert child.returncode == 9
    check(tmp_path, keys_of(child.stdout))
    assert (tmp_path / "lnpd.sqlite3").stat().st_size > 0
    assert os.listdir(tmp_path)
