"""Do a node's connections fit in the files that its process may have open?"""

import subprocess
import sys

import pytest

from lnpd.services.peers.files import ENOUGH_FILES, OTHER_FILES, fitting
from lnpd.services.peers.limits import USUAL_LIMITS


def test_enough_files_leave_the_limits_as_they_are() -> None:
    assert fitting(USUAL_LIMITS, ENOUGH_FILES) is USUAL_LIMITS
    needed = USUAL_LIMITS.peers + USUAL_LIMITS.half_open + USUAL_LIMITS.lingering
    assert fitting(USUAL_LIMITS, needed + OTHER_FILES) is USUAL_LIMITS


@pytest.mark.parametrize(("files", "peers", "half_open"), [(1024, 662, 84), (256, 50, 6), (100, 1, 1)])
def test_too_few_make_them_smaller_and_are_named(
    files: int, peers: int, half_open: int, caplog: pytest.LogCaptureFixture
) -> None:
    fitted = fitting(USUAL_LIMITS, files)
    assert (fitted.peers, fitted.half_open, fitted.lingering) == (peers, half_open, half_open)
    assert files <= OTHER_FILES or peers + 2 * half_open <= files - OTHER_FILES
    assert f"{files} files may be open: there is room for {peers} peers instead of 1000" in caplog.text


RAISED = """
import resource
from lnpd.services.peers.files import raise_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(raise_open_files(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard"), [(64, 900), (900, 900)])
def test_the_soft_limit_is_raised_to_the_hard_one(soft: int, hard: int) -> None:
    program = [sys.executable, "-c", RAISED.format(soft=soft, hard=hard)]
    answer = subprocess.run(program, check=True, capture_output=True, text=True, timeout=60)
    assert answer.stdout.split() == ["900", "900", "900"]
