"""How long does a node take from its start until it is ready, and how much memory does it keep while it is idle?

The daemon itself is started, as a person would, on a directory that it had before. Beside it: the interpreter with
nothing but the import of all that a node needs.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from contrib.bench.measure import Series, Size, contest
from contrib.bench.nodes import LOCKBOX
from contrib.bench.places import ROOT, scratch
from contrib.bench.report import Section, at_most
from lnpd.services.signer.seed import create_seed, new_seed

GOAL_SECONDS, GOAL_MB = at_most(1.5), at_most(80)
IDLE_SECONDS = 1.0
STOP_SECONDS = 15.0
IMPORTS = "import lnpd.cli.daemon, lnpd.services.node.node"
WAYS: dict[str, tuple[str, ...]] = {
    "lnpd": (),
    "lnpd, chain in a process of its own": ("--chain-process",),
    "lnpd, signer in a process of its own": ("--signer", "process"),
    "lnpd with lockbox": ("--plugin", str(LOCKBOX)),
}


def memory_mb(process: int) -> float:
    """What a process keeps in memory (VmRSS)."""
    status = Path(f"/proc/{process}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


class Starting:
    """One way of starting a node, as a contestant; it keeps the memory of each round beside."""

    def __init__(self, directory: Path, options: tuple[str, ...]) -> None:
        directory.mkdir(mode=0o700)
        create_seed(directory / "seed", new_seed(), None, plain=True)
        usual = ("--directory", str(directory), "--plain-seed", "--listen", "127.0.0.1:0", "--log-level", "warning")
        self._command = (sys.executable, "-m", "lnpd", *usual, *options)
        self._memory: list[float] = []

    def timed(self) -> float:
        """Seconds until the daemon says that it is ready."""
        start = time.perf_counter()
        with subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            seconds = time.perf_counter() - start
            assert "ready" in said, f"lnpd did not start: {said!r}"
            time.sleep(IDLE_SECONDS)
            self._memory.append(memory_mb(process.pid))
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)
        return seconds

    @property
    def memory(self) -> Series:
        """Of each round; the first is left out."""
        return Series(tuple(self._memory[1:]))


def importing() -> float:
    """Seconds of an interpreter that only imports."""
    start = time.perf_counter()
    subprocess.run((sys.executable, "-c", IMPORTS), check=True, cwd=ROOT, env=dict(os.environ))
    return time.perf_counter() - start


def import_times() -> list[str]:
    """The modules whose import takes longest, by themselves."""
    command = (sys.executable, "-X", "importtime", "-c", IMPORTS)
    lines = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stderr.splitlines()
    rows = [line.removeprefix("import time:").split("|") for line in lines if line.startswith("import time:")][1:]
    slowest = sorted(((int(own), name.strip()) for own, _, name in rows), reverse=True)[:6]
    return ["slowest imports by themselves: " + ", ".join(f"{name} {own / 1000:.0f} ms" for own, name in slowest)]


def run(size: Size) -> Section:
    """See the file's question."""
    section = Section("start: from the start of the process to ready, and an idle node's memory")
    with scratch() as folder:
        ways = {name: Starting(folder / str(number), options) for number, (name, options) in enumerate(WAYS.items())}
        contestants: dict[str, Callable[[], float]] = {name: way.timed for name, way in ways.items()}
        found = contest(contestants | {"imports only": importing}, min(size.rounds, 5))
    for name in ways:
        section.count(f"{name}: start to ready", found[name].values, "s", GOAL_SECONDS)
        section.count(f"{name}: memory of the idle node", ways[name].memory.values, "MB", GOAL_MB)
    section.count("imports only", found["imports only"].values, "s")
    section.notes += import_times()
    return section
