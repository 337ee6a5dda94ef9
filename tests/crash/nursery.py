"""How does a daemon start that shall soon be killed, without the time in which lnpd is loaded?

Half of what such tests took went into their daemons' imports. So one process loads lnpd, and each daemon is forked from
it: a process of its own that runs the program's `main`, and is killed and waited for as any other. That the program
starts from a command line, and loads what it needs, is shown elsewhere (tests/cli).

    test --> words, standard output, standard error, life --> nursery          life --> process id, exit status --> test
"""

import asyncio
import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO, NoReturn

MAX_BYTES = 1 << 16
MAX_FILES = 1024


class Newborn:
    """A process that was forked, as asyncio's subprocesses are."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader, life: asyncio.StreamReader) -> None:
        self.pid, self.stdout = pid, stdout
        self._ending = asyncio.create_task(life.readline())

    @property
    def returncode(self) -> int | None:
        """None while it lives."""
        return int(self._ending.result() or 1) if self._ending.done() else None

    async def wait(self) -> int:
        """Its exit status; below zero it is the signal that killed it."""
        return int(await asyncio.shield(self._ending) or 1)  # nothing, if the nursery is gone


class Nursery:
    """The process that has loaded lnpd. It ends with this one."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = (sys.executable, "-m", "tests.crash.nursery", str(theirs.fileno()))
        with theirs:
            self._process = subprocess.Popen(program, cwd=Path(__file__).parents[2], pass_fds=[theirs.fileno()])
        atexit.register(self.close)

    def close(self) -> None:
        """Its end; those who were born there live on."""
        self._line.close()
        self._process.wait()

    async def born(self, words: Sequence[str], stderr: BinaryIO) -> Newborn:
        """lnpd, with these words on its command line."""
        (out, stdout), (life, theirs) = os.pipe(), os.pipe()
        try:
            socket.send_fds(self._line, [json.dumps(words).encode()], [stdout, stderr.fileno(), theirs])
        finally:
            os.close(stdout)
            os.close(theirs)
        reading, living = await _reader(out), await _reader(life)
        return Newborn(int(await living.readline()), reading, living)


@cache
def nursery() -> Nursery:
    """That of this process."""
    return Nursery()


async def _reader(file: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(file, "rb"))
    return reader


# The program


def main(line: int) -> None:
    """Forks whoever is asked for, and tells of their ends."""
    from lnpd.cli.loading import loading

    with loading():
        import lnpd.cli.daemon
        import lnpd.services.chain.process
        import lnpd.services.node.node  # noqa: F401
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    lives: dict[int, int] = {}
    with socket.socket(fileno=line) as asked:
        while True:
            ready, _, _ = select.select([asked, woken], [], [])
            if woken in ready:
                os.read(woken, MAX_BYTES)
                _tell_ends(lives)
            if asked in ready:
                words, files, _, _ = socket.recv_fds(asked, MAX_BYTES, 3)
                if not words:
                    return
                stdout, stderr, life = files
                if not (pid := os.fork()):
                    _live(json.loads(words), stdout, stderr)
                lives[pid] = life
                os.write(life, b"%d\n" % pid)
                os.close(stdout)
                os.close(stderr)


def _tell_ends(lives: dict[int, int]) -> None:
    for pid in list(lives):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            life = lives.pop(pid)
            os.write(life, b"%d\n" % os.waitstatus_to_exitcode(status))
            os.close(life)


def _live(words: list[str], stdout: int, stderr: int) -> NoReturn:
    from lnpd.cli.daemon import main as lnpd

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.closerange(3, MAX_FILES)
    status = 1
    try:
        status = lnpd(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main(int(sys.argv[1]))
