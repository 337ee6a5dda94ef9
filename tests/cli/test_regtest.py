"""Does `lnpd regtest` serve a chain until it is asked to end, and refuse in one line?"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pbk")


def start(*words: object) -> "subprocess.Popen[str]":
    line = [sys.executable, "-m", "lnpd", "regtest", *map(str, words)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_serves_until_it_is_asked_to_end_and_one_directory_has_one_chain(tmp_path: Path) -> None:
    with start("--directory", tmp_path / "c", "--json") as chain:
        assert chain.stdout is not None
        assert json.loads(chain.stdout.readline()) == {"endpoint": f"ipc://{tmp_path / 'c'}/chain.sock"}
        with start("--directory", tmp_path / "c", "--endpoint", f"ipc://{tmp_path}/other.sock") as second:
            _, told = second.communicate(timeout=30)
            assert second.returncode == 10 and told.count("\n") == 1 and told.startswith("lnpd regtest: "), told
        chain.send_signal(signal.SIGTERM)
        assert chain.wait(30) == 0


def test_its_help_names_its_own_directory() -> None:
    with start("--help") as chain:
        told, _ = chain.communicate(timeout=30)
        assert chain.returncode == 0 and "/lnpd/chain" in told and "NETWORK" not in told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--endpoint", "tcp://1.2.3.4:5"], "ipc://PATH"),
        (["--log-level", "loud"], "--log-level"),
        (["--directory", "/" + "x" * 90], "more than 80 bytes"),
        (["--network", "signet"], "--network"),
    ],
)
def test_a_wrong_option_is_refused(words: list[str], sentence: str) -> None:
    with start(*words) as chain:
        _, told = chain.communicate(timeout=30)
        assert chain.returncode == 2 and sentence in told and told.count("\n") == 1
