"""Which benchmarks run, how long, and where does the report go?

python -m contrib.bench                                   all of them
python -m contrib.bench --only transport,hooks --quick    some of them, less exactly
python -m contrib.bench --output bench.txt                to a file as well
"""

import argparse
import importlib
import logging
import os
import platform
import sys
import time
from pathlib import Path

from contrib.bench.measure import FULL, QUICK, Size
from contrib.bench.report import Section, printed, summary

# In the order of the report; each is a module of this package with run(size).
BENCHMARKS = (
    "transport",
    "hooks",
    "notifications",
    "writes",
    "primitives",
    "onion",
    "payments",
    "assets",
    "interop",
    "start",
    "shell",
)


def chosen(words: str) -> tuple[str, ...]:
    """The benchmarks that a person named, in the order of the report."""
    named = {word.strip() for word in words.split(",") if word.strip()}
    if unknown := named - set(BENCHMARKS):
        raise argparse.ArgumentTypeError(
            f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}"
        )
    return tuple(name for name in BENCHMARKS if name in named)


def run(name: str, size: Size) -> Section:
    """Runs one benchmark; one that breaks is reported as such, and the others still run."""
    try:
        section = importlib.import_module(f"contrib.bench.{name}").run(size)
        assert isinstance(section, Section)
        return section
    except Exception as error:  # the rest is worth more than a traceback; the exit code says that one broke
        return Section(name, not_run=f"it broke: {type(error).__name__}: {error}")


def head(size: Size) -> str:
    """What the figures depend on, for whoever reads them later."""
    machine = f"Python {platform.python_version()}, {platform.machine()}, {platform.system()} {platform.release()}"
    return (
        f"lnpd benchmarks, {time.strftime('%Y-%m-%d %H:%M %Z')}; {machine}; {os.cpu_count()} cores,"
        f" load {os.getloadavg()[0]:.1f} before the start\n"
        f"{size.rounds} rounds; every ratio is taken within a round, and the median of the rounds is held to its goal"
    )


def main() -> int:
    """Runs what was asked for and prints it; 1 if a benchmark broke. A missed goal is a finding, not a failure."""
    parser = argparse.ArgumentParser(
        prog="python -m contrib.bench", description="A table of ratios beside their goals."
    )
    parser.add_argument("--only", type=chosen, default=BENCHMARKS, help=f"some of: {','.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, a fifth of the work")
    parser.add_argument("--output", type=Path, help="write the report to this file as well")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)  # the nodes that are measured have nothing to tell
    size = QUICK if options.quick else FULL
    texts, sections = [head(size)], []
    print(texts[0], flush=True)
    for name in options.only:
        section = run(name, size)
        sections.append(section)
        texts.append(printed(section))
        print(f"\n{texts[-1]}", flush=True)
    texts.append(summary(sections))
    print(f"\n{texts[-1]}")
    if options.output:
        options.output.write_text("\n\n".join(texts) + "\n")
    return int(any(section.not_run.startswith("it broke") for section in sections))


if __name__ == "__main__":
    sys.exit(main())
