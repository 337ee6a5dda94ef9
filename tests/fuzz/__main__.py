"""How is the wire fuzzed by hand? `make fuzz`, which is `python -m tests.fuzz`, for MINUTES=10.

A third of the time goes to the pure layers, led by their coverage if atheris is installed (pip install atheris); the
rest to whole nodes, run after run, each with the next seed. The first failure ends it, with the seed that repeats it.
"""

import asyncio
import importlib.util
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.runs import RUNS, run

NO_ATHERIS = "atheris is not installed: the pure layers are fuzzed from seeds, not led by their coverage"
TIMES = 3  # as many rounds a run as in CI
KINDS = ("mallory", "mallory", "mallory", "messages", "handshakes")


def main() -> int:
    """The program; 1 if something failed."""
    seconds = 60 * float(os.environ.get("MINUTES", "10"))
    seed = os.environ.get("FUZZ_SEED") or str(time.time_ns())
    led = importlib.util.find_spec("atheris") is not None
    print("The pure layers are led by their coverage (atheris)." if led else f"{NO_ATHERIS}.", flush=True)
    program = [
        sys.executable,
        "-m",
        "tests.fuzz.guided" if led else "tests.fuzz.machines",
        str(round(seconds / 3)),
        seed,
    ]
    if subprocess.run(program, check=False).returncode:
        return 1
    until, number = time.monotonic() + 2 * seconds / 3, 0
    for number, kind in enumerate(itertools.cycle(KINDS)):
        if time.monotonic() >= until:
            break
        with tempfile.TemporaryDirectory(prefix="lnpd-fuzz-") as folder:
            asyncio.run(run(Path(folder), kind, (f"{seed} {number}",), TIMES * RUNS[kind].rounds))
        sys.stdout.flush()
    print(f"{number} runs, seeds {seed!r} 0 to {number - 1}: nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
