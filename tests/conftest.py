"""How does every test run: which hypothesis profile, and what does the end of a run say about vectors?"""

import ctypes
import gc
import itertools
import os
import re
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Tests start some hundreds of processes; where none may keep what it compiled, each compiles all of lnpd, which takes
# more than half of its start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell in the background (`make test &`) has its programs ignore Ctrl-C, which the programs of tests would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The file of whoever runs the tests is no part of a test; the programs that tests start inherit this.
os.environ["LNPD_CONFIG"] = "none"

# Each commit waits for the disk, in vain where processes are killed and no power is cut: half of the time of whole
# nodes. So tests write into memory, if there is such a place with room and no TMPDIR says otherwise.
MEMORY, ROOM_BYTES = Path("/dev/shm"), 4 << 30
BASE: Path | None = None  # the run's own folder there
if (
    "TMPDIR" not in os.environ
    and MEMORY.is_dir()
    and shutil.disk_usage(MEMORY).free >= ROOM_BYTES
    and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC  # some tests write programs
):
    place = MEMORY / f"lnpd-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid == os.getuid():
        os.environ["TMPDIR"] = str(place)
        tempfile.tempdir = None  # whoever asked before asks again
        BASE = place / str(os.getpid())


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Folders of tests have a short path, for a socket's has at most 107 bytes: what pytest calls them is longer."""
    if BASE is not None and config.option.basetemp is None and not hasattr(config, "workerinput"):
        for old in BASE.parent.iterdir():
            if old.name.isdecimal() and not Path(f"/proc/{old.name}").exists():
                shutil.rmtree(old, ignore_errors=True)
        config.option.basetemp = str(BASE)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Memory is given back, unless there is something to look at."""
    if BASE is not None and exitstatus == 0 and not hasattr(session.config, "workerinput"):
        shutil.rmtree(BASE, ignore_errors=True)


# The fixture `pair`; pytest finds it by itself where lnpd is installed, and in a checkout by this line.
pytest_plugins = ("lnpd.pytest_plugin",)

# No deadline and no health check of speed: a busy machine is not a defect of the code under test.
settings.register_profile("dev", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
# In CI the examples are the same in each run, so that a red run can be repeated by anyone.
settings.register_profile("ci", parent=settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") == "true" else "dev"))

NOT_RUN = re.compile(r"not run: (\.\./shared/vectors/\S+)")
CASES = re.compile(r"^\S*\.json\b.*\d.*$", re.MULTILINE)


# Each of their tests takes up to a minute: begun last, it would run beside an idle processor.
LONGEST = ("test_kill_9_bitcoind.py", "test_kill_9.py", "test_electrum.py", "test_wire_fuzz.py", "test_bench.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests come first, and the rest in its order."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    """What the modules and the tests themselves hold stays to the end: the collector need not look at it each time."""
    gc.collect()
    gc.freeze()


MALLOC_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
FINISHED = itertools.count(1)


def pytest_runtest_logfinish() -> None:
    """An embedded chain's caches take 32 MB, and glibc keeps much of what is freed of them until it is told to."""
    if MALLOC_TRIM and not next(FINISHED) % 16:
        MALLOC_TRIM(0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end which vector files ran with how many cases, and which did not run at all.

    A test prints one line that begins with the name of the file and holds the number; pytest swallows what a passing
    test prints, so it is repeated here.
    """
    passed = terminalreporter.stats.get("passed", [])
    counted = sorted({line for report in passed for line in CASES.findall(report.capstdout)})
    skipped = terminalreporter.stats.get("skipped", [])
    absent = Counter(name for report in skipped for name in NOT_RUN.findall(str(report.longrepr)))
    if counted or absent:
        terminalreporter.section("test vectors")
    for line in counted:
        terminalreporter.write_line(line)
    for name, tests in sorted(absent.items()):
        terminalreporter.write_line(f"NOT RUN: {name} is absent ({tests} tests skipped)", yellow=True)
