"""Does the log go where the configuration says, from the level on that it says, and does its file rotate?"""

import contextlib
import json
import logging
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from lnpd.config import LOG_SUBSYSTEMS, Config
from lnpd.errors import DirectoryUnusable
from lnpd.services.logs.outlets import change_levels, set_up

ROOT = Path(__file__).parents[3]
SAID = re.compile(r'(?:getLogger\("lnpd\.|relay\(process, ")(\w+)')


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a test sets up is undone: logging is one for the whole process."""
    root, names = logging.getLogger(), ["lnpd", *(f"lnpd.{name}" for name in LOG_SUBSYSTEMS)]
    handlers, level, raises = root.handlers[:], root.level, logging.raiseExceptions
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    for handler in set(root.handlers) - set(handlers):
        with contextlib.suppress(OSError):  # what could not be written
            handler.close()
    root.handlers[:], logging.raiseExceptions = handlers, raises
    root.setLevel(level)
    for name, each in levels.items():
        logging.getLogger(name).setLevel(each)


def test_every_subsystem_that_logs_has_a_name() -> None:
    sources = list((ROOT / "lnpd").rglob("*.py"))
    named = {match for path in sources for match in SAID.findall(path.read_text())}
    modules = {path.relative_to(ROOT).parts[1] for path in sources if "getLogger(__name__)" in path.read_text()}
    assert named | modules == set(LOG_SUBSYSTEMS)


def test_it_goes_to_standard_error_and_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = Config(directory=tmp_path, log_file="l.log", log_format="json", log_levels=(("peers", "debug"),))
    set_up(config)
    logging.getLogger("lnpd.peers").debug("one")
    logging.getLogger("lnpd.chain").debug("two")
    logging.getLogger("lnpd.chain").info("three")
    logging.getLogger("somebody").info("four")
    written = [json.loads(line)["message"] for line in (tmp_path / "l.log").read_text().splitlines()]
    shown = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert written == shown == ["one", "three"]
    assert stat.S_IMODE((tmp_path / "l.log").stat().st_mode) == 0o600
    change_levels(config, replace(config, log_level="error", log_levels=(("chain", "debug"),)))
    logging.getLogger("lnpd.peers").warning("five")
    logging.getLogger("lnpd.chain").debug("six")
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["six"]


def test_a_quiet_one_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(Config(directory=tmp_path, log_quiet=True))
    logging.getLogger("lnpd.peers").error("one")
    assert capsys.readouterr().err == "" and not any(tmp_path.iterdir())


def test_the_file_rotates_and_so_many_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(Config(directory=tmp_path, log_file="l.log", log_file_mib=1, log_files=2, log_quiet=True))
    for number in range(400):
        logging.getLogger("lnpd.peers").info("%s %s", number, "x" * 8_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l.log", "l.log.1"]
    kept = "".join((tmp_path / name).read_text() for name in ("l.log.1", "l.log"))
    numbers = [int(number) for number in re.findall(r"peers: (\d+) x", kept)]
    assert numbers == list(range(numbers[0], 400)) and len(numbers) > 130
    assert all(path.stat().st_size <= 1 << 20 for path in tmp_path.iterdir())
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tmp_path.iterdir())


def test_a_file_that_cannot_be_opened_keeps_the_node_from_starting(tmp_path: Path) -> None:
    with pytest.raises(DirectoryUnusable, match=r"The log file .*/no/l\.log cannot be written: No such file"):
        set_up(Config(directory=tmp_path, log_file="no/l.log"))


def test_a_file_that_cannot_be_written_any_more_is_named_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(Config(directory=tmp_path, log_file="/dev/full", log_quiet=True))
    for _ in range(3):
        logging.getLogger("lnpd.peers").info("the words of it")
    told = capsys.readouterr().err
    assert told.startswith("lnpd: the log file /dev/full cannot be written: ") and told.count("\n") == 1
    assert "the words" not in told
