"""Does the block log keep what was announced, drop what was torn, and refuse what is damaged?"""

from pathlib import Path

import pytest

from lnpd.chain.blocklog import HEADER, BlockLog
from lnpd.errors import BlockLogDamaged

BLOCKS = [b"one" * 50, b"two" * 60, b"three" * 70]
HEAD_BYTES = 12


def written(path: Path) -> bytes:
    log = BlockLog(path)
    assert list(log.replay()) == []
    for block in BLOCKS:
        log.append(block)
    log.close()
    return path.read_bytes()


def blocks_of(path: Path) -> list[bytes]:
    log = BlockLog(path)
    found = [block for _, block in log.replay()]
    log.close()
    return found


def test_gives_back_what_was_appended(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written(path)
    log = BlockLog(path)
    places = list(log.replay())
    assert [block for _, block in places] == BLOCKS
    assert [log.read(offset) for offset, _ in reversed(places)] == BLOCKS[::-1]
    offset = log.append(b"four")
    assert log.read(offset) == b"four"
    log.close()
    assert blocks_of(path) == [*BLOCKS, b"four"]


def test_every_torn_tail_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "log"
    whole = written(path)
    last = len(whole) - HEAD_BYTES - len(BLOCKS[-1])
    for end in range(last, len(whole)):
        for tail in (b"", bytes(300)):  # cut short, or made longer by the file system before the data came
            path.write_bytes(whole[:end] + tail)
            assert blocks_of(path) == BLOCKS[:2], (end, len(tail))
            assert path.stat().st_size == last
            log = BlockLog(path)
            list(log.replay())
            log.append(b"again")
            log.close()
            assert blocks_of(path) == [*BLOCKS[:2], b"again"]


@pytest.mark.parametrize("end", range(len(HEADER)))
def test_a_log_torn_in_its_first_line_is_empty(tmp_path: Path, end: int) -> None:
    path = tmp_path / "log"
    path.write_bytes(HEADER[:end])
    assert blocks_of(path) == []
    assert path.read_bytes() == HEADER


@pytest.mark.parametrize("place", [0, 4, 8, HEAD_BYTES, HEAD_BYTES + 20])
@pytest.mark.parametrize("value", [0xFF, 0x00])
def test_damage_before_the_end_is_refused(tmp_path: Path, place: int, value: int) -> None:
    path = tmp_path / "log"
    whole = bytearray(written(path))
    whole[len(HEADER) + place] = value if whole[len(HEADER) + place] != value else 0x55
    path.write_bytes(whole)
    with pytest.raises(BlockLogDamaged, match="damaged at byte 22"):
        blocks_of(path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"SQLite format 3\0" + bytes(100))
    with pytest.raises(BlockLogDamaged, match="not a block log of this version"):
        BlockLog(path)
