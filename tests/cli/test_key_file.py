"""Who opens the key file? Every file that the real program opens is traced, in its whole process tree.

By an audit hook in each Python process, which a sitecustomize puts there; and by strace, where there is one.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_whole import ROOT, Daemon, seeded

SIGNER = "lnpd.services.signer.process"
HOOK = """
import os, sys

TRACE = {trace!r}

def heard(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)) and os.fsdecode(arguments[0]) != TRACE:
        with open(TRACE, "a") as trace:
            trace.write(os.fsdecode(arguments[0]) + "\\t" + " ".join(sys.orig_argv) + "\\n")

sys.addaudithook(heard)
"""
Openers = Callable[[str], list[str]]  # of a path's end: the command line of each process that opened such a file


def audited(folder: Path, patch: pytest.MonkeyPatch) -> Openers:
    """Each Python process from here on notes what it opens."""
    trace = folder / "trace"
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(HOOK.format(trace=str(trace)))
    patch.setenv("PYTHONPATH", str(folder / "hook"))

    def openers(end: str) -> list[str]:
        lines = [line.partition("\t") for line in trace.read_text().splitlines()]
        return [command for path, _, command in lines if path.endswith(end)]

    return openers


def straced(folder: Path, patch: pytest.MonkeyPatch) -> Openers:
    """What is started as Python from here on runs under strace, with all that it starts."""
    strace = shutil.which("strace")
    if (
        strace is None
        or subprocess.run([strace, "-f", "--seccomp-bpf", "-o", "/dev/null", "true"], capture_output=True).returncode
    ):
        pytest.skip("strace is missing, or may not trace here")
    trace, wrapper = folder / "trace", folder / "python"
    words = f"-f --seccomp-bpf -qq -s 1000 -e trace=open,openat,openat2,execve -o {trace} {sys.executable}"
    wrapper.write_text(f'#!/bin/sh\nexec {strace} {words} "$@"\n')
    wrapper.chmod(0o755)
    patch.setattr(sys, "executable", str(wrapper))

    def openers(end: str) -> list[str]:
        text = trace.read_text()
        commands = dict(re.findall(r"^(\d+) +execve\((.*?)\) = 0", text, re.MULTILINE))
        opened = re.findall(r'^(\d+) +open[at2]*\([^"]*"([^"]*)"', text, re.MULTILINE)
        # A thread has a number of its own, under which nothing was executed: it counts as nobody's.
        return [commands.get(number, "a thread") for number, path in opened if path.endswith(end)]

    return openers


@pytest.mark.parametrize(("where", "traced"), [("in-process", audited), ("process", audited), ("process", straced)])
def test_only_the_signer_opens_the_key_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, traced: Callable[[Path, pytest.MonkeyPatch], Openers]
) -> None:
    directory = seeded(tmp_path / "a")
    with monkeypatch.context() as patch:
        openers = traced(tmp_path, patch)
        plugin = ROOT / "plugins" / "lockbox.py"
        words = ["--plain-seed", "--signer", where, "--chain-process", "--plugin-sandbox", "never", "--plugin", plugin]
        node = Daemon(directory, *words)
    try:
        assert node.ask("mine")
        assert node.ask("funds")
        assert node.ask("stop")
        assert node.process.wait(30) == 0
    finally:
        node.process.kill()
        assert node.process.stdout is not None
        node.process.stdout.close()
    assert openers("/lockbox.py"), "the trace sees nothing"
    found = openers("/seed")
    assert found, "nobody opened the key file"
    assert all((SIGNER in command) == (where == "process") for command in found), found
