"""Which lines are remembered, and where?"""

from pathlib import Path

import pytest

from lnpd.cli.shell import history

NOT_KEPT = (
    "", "   ", " peers", "plugin set wallet password hunter2", "plugin set x api_token 5", "connect --passphrase x",
    "abandon " * 11 + "about", "send tprv8ZgxMBicQKsPd 5", "plugin set x seed 5",
    "plugin set evil code hunter2", "plugin  set evil code hunter2", "config set plugin.evil.code hunter2",
    'config set "plugin.evil.code" hunter2',
)  # fmt: skip


@pytest.mark.parametrize("line", NOT_KEPT)
def test_what_may_be_a_secret_is_not_kept(line: str) -> None:
    assert not history.is_kept(line)


@pytest.mark.parametrize(
    "line",
    ["peers", "config set alias bob", "plugin start x", "pay lnbc1", "invoice 'twelve small words of what it is for'"],
)
def test_other_lines_are(line: str) -> None:
    assert history.is_kept(line)


def test_a_file_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    assert history.place(tmp_path / "nowhere") is None
    (tmp_path / history.HISTORY_NAME).symlink_to(tmp_path / "elsewhere")
    assert history.place(tmp_path) is None and not (tmp_path / "elsewhere").exists()


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    path = history.place(tmp_path)
    assert path is not None
    history.add(path, (f"line {n}" for n in range(history.MOST_LINES + 1)))
    found = history.lines(path)
    assert len(found) == history.MOST_LINES // 2 and found[-1] == f"line {history.MOST_LINES}"
    assert history.lines(path) == found and path.stat().st_mode & 0o777 == 0o600
