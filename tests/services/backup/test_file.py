"""Is a backup whole or refused by name, and is none ever replaced that is not this node's to replace?"""

import asyncio
import os
import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from lnpd.crypto.hd import TEST_COIN, ChannelIndex
from lnpd.crypto.keybox import seal_under
from lnpd.errors import (
    BackupDamaged,
    BackupError,
    BackupForeign,
    BackupMalformed,
    BackupNewer,
    BackupOfAnotherNetwork,
    BackupOutdated,
    BackupUnreadable,
    NothingToRestore,
    StoreError,
)
from lnpd.services.backup.content import BackedUp, Content
from lnpd.services.backup.file import BACKUP_NAME, read_backup, write_backup
from lnpd.services.backup.keeper import BackupKeeper
from lnpd.services.backup.restoring import check_backup, restore
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.seed import seed_from_entropy
from lnpd.services.wallet.rows import Numbers
from lnpd.store.codec import encode
from lnpd.store.store import Store
from lnpd.tx.graph import ChannelType
from lnpd.wire.messages import FundingType

KEY, OTHER = b"\x01" * 32, b"\x02" * 32
EMPTY = Content("regtest", b"\x02" * 33, 1_700_000_000, (), 7, Numbers(3, 4), 100)


def keys(byte: int = 1) -> Keys:
    return Keys(seed_from_entropy(bytes([byte]) * 16).master(TEST_COIN))


def test_what_is_written_is_read_by_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "b"
    size = write_backup(path, KEY, EMPTY)
    assert path.stat().st_size == size < 300
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_backup(path, KEY) == EMPTY
    write_backup(path, KEY, replace(EMPTY, payment_turn=8))
    assert read_backup(path, KEY).payment_turn == 8
    assert os.listdir(tmp_path) == ["b"]  # nothing half-written stays


def test_no_two_boxes_are_alike_and_none_shows_what_it_holds(tmp_path: Path) -> None:
    boxes = set()
    for _ in range(3):
        write_backup(tmp_path / "b", KEY, EMPTY)
        boxes.add((tmp_path / "b").read_bytes())
    assert len(boxes) == 3
    assert all(b"regtest" not in box and EMPTY.node_id not in box for box in boxes)


PLAIN = BackedUp(
    key="k",
    index=ChannelIndex(1, 2, 3),
    peer=b"\x03" * 33,
    addresses=(),
    us=0,
    id=b"\x04" * 32,
    channel_type=ChannelType((), 0, 0, ()),
    type_bits=b"\x10",
    extensions=(),
    announce=False,
    capacity_sat=1_000_000,
    terms=(),
    fundings=(),
    aliases=(b"", b""),
    short_channel_id=b"",
    shutdown=(b"", b""),
    sweep_script=b"",
    from_height=7,
)
OWN = FundingType(name="recovery/anchors", script_digest=bytes(32), keys=(b"\x05" * 33,))


@pytest.mark.parametrize(("funding_type", "version"), [(None, 1), (OWN, 2)], ids=["the 2-of-2", "a plugin's own"])
def test_a_funding_of_a_plugins_needs_a_later_reader_and_no_other_does(
    tmp_path: Path, funding_type: FundingType | None, version: int
) -> None:
    content = replace(EMPTY, channels=(replace(PLAIN, funding_type=funding_type),))
    write_backup(tmp_path / "b", KEY, content)
    assert (tmp_path / "b").read_bytes()[7] == version
    assert read_backup(tmp_path / "b", KEY) == content
    assert (b"funding_type" in encode(content)) == (version > 1), "what version 1 had not"


WRONG: tuple[tuple[str, type[BackupError]], ...] = (
    ("missing", BackupUnreadable),
    ("empty", BackupMalformed),
    ("a text", BackupMalformed),
    ("cut off early", BackupMalformed),
    ("cut off late", BackupDamaged),
    ("longer", BackupDamaged),
    ("newer", BackupNewer),
    ("another seed", BackupForeign),
    ("not a backup inside", BackupDamaged),
)


@pytest.mark.parametrize(("what", "error"), WRONG, ids=[what for what, _ in WRONG])
def test_another_file_is_refused_by_name(tmp_path: Path, what: str, error: type[BackupError]) -> None:
    path = tmp_path / "b"
    write_backup(path, KEY, EMPTY)
    box = path.read_bytes()
    made = {
        "empty": b"",
        "a text": b"Dear diary, " * 20,
        "cut off early": box[:30],
        "cut off late": box[:-1],
        "longer": box + b"\0",
        "newer": box[:7] + b"\x03" + box[8:],
        "another seed": seal_under(OTHER, b"x", bytes(12)),
        "not a backup inside": seal_under(KEY, b"\xc1", bytes(12)),
    }
    path.unlink()
    if what in made:
        path.write_bytes(made[what])
    with pytest.raises(error):
        read_backup(path, KEY)


def test_every_altered_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "b"
    write_backup(path, KEY, EMPTY)
    box = path.read_bytes()
    for place in range(len(box)):
        path.write_bytes(box[:place] + bytes([box[place] ^ 1]) + box[place + 1 :])
        with pytest.raises((BackupMalformed, BackupNewer, BackupForeign, BackupDamaged)):
            read_backup(path, KEY)


# Where it may be restored


def test_restoring_is_refused_where_it_would_lose_something(tmp_path: Path) -> None:
    mine, directory, path = keys(), tmp_path / "node", tmp_path / "b"
    directory.mkdir()
    write_backup(path, mine.backup_key(), EMPTY)
    assert check_backup(path, mine, "regtest", directory) == EMPTY
    with pytest.raises(BackupForeign):
        check_backup(path, keys(2), "regtest", directory)
    with pytest.raises(BackupOfAnotherNetwork):
        check_backup(path, mine, "signet", directory)
    write_backup(directory / BACKUP_NAME, mine.backup_key(), replace(EMPTY, written_unix_seconds=1_700_000_001))
    with pytest.raises(BackupOutdated, match=BACKUP_NAME):
        check_backup(path, mine, "regtest", directory)
    assert check_backup(directory / BACKUP_NAME, mine, "regtest", directory).written_unix_seconds == 1_700_000_001
    Store.open(directory, "regtest").close_sync()
    with pytest.raises(NothingToRestore):
        check_backup(directory / BACKUP_NAME, mine, "regtest", directory)


class PowerCut(BaseException):
    """The machine stops here."""


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
@pytest.mark.parametrize("database", [1, 2])  # the signer's, the node's
def test_a_power_cut_leaves_a_directory_that_can_be_restored_into(tmp_path: Path, moment: str, database: int) -> None:
    mine, directory, path = keys(), tmp_path / "node", tmp_path / "b"
    directory.mkdir()
    write_backup(path, mine.backup_key(), EMPTY)
    passed: list[str] = []

    def fault(now: str, points: frozenset[str]) -> None:
        if now == moment and "channels-restored" in points:
            passed.append(now)
            if len(passed) == database:
                raise PowerCut

    with pytest.raises((PowerCut, StoreError)):
        asyncio.run(restore(directory, mine, check_backup(path, mine, "regtest", directory), fault))
    assert len(passed) == database
    assert asyncio.run(restore(directory, mine, check_backup(path, mine, "regtest", directory))) == ()
    with pytest.raises(NothingToRestore):
        check_backup(path, mine, "regtest", directory)
    Store.open(directory, "regtest").close_sync()


# What the keeper does with what lies there


def test_a_place_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    store, elsewhere = Store.open(tmp_path / "node", "regtest"), tmp_path / "thesis.txt"
    try:
        for found, error in ((b"my thesis", BackupMalformed), (seal_under(OTHER, b"x", bytes(12)), BackupForeign)):
            elsewhere.write_bytes(found)
            with pytest.raises(error, match=r"thesis\.txt is not replaced"):
                keeper(store, tmp_path, elsewhere).start()
            assert elsewhere.read_bytes() == found
    finally:
        store.close_sync()


def keeper(store: Store, tmp_path: Path, elsewhere: Path | None) -> BackupKeeper:
    return BackupKeeper(store, KEY, b"\x02" * 33, "regtest", tmp_path / "node", elsewhere, lambda: 1_700_000_000)


def test_a_disk_that_is_gone_is_said_and_the_other_backup_is_written(tmp_path: Path) -> None:
    store, elsewhere = Store.open(tmp_path / "node", "regtest"), tmp_path / "usb" / "backup"
    try:
        kept = keeper(store, tmp_path, elsewhere)
        kept.start()
        (warning,) = kept.warnings
        assert str(elsewhere) in warning and "No such file" in warning
        assert read_backup(tmp_path / "node" / BACKUP_NAME, KEY).channels == ()
        elsewhere.parent.mkdir()
        kept.write()
        assert not kept.warnings and read_backup(elsewhere, KEY).channels == ()
        first, second = (each.written_unix_seconds for each in kept.written)
        assert first == second > 1_700_000_000  # of two that were written in one second the later one is known
    finally:
        store.close_sync()
