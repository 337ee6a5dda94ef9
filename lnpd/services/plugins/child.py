"""How is a process started that ends with the node, and with all that it started itself?

It has a keeper (keeper.py), which kills what has to end, and ends as it did. Its standard input stays open for as long
as the node lives. The terminal's Ctrl-C is not its business. The pipes are ours, not asyncio's, whose `wait` only
returns when nobody, no grandchild either, holds them open any more.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

KEEPER = Path(__file__).with_name("keeper.py")
KEEPER_SECONDS = 10.0
SWEEP_SECONDS = 1.0  # what a keeper has to end everything, before it is ended itself


class Child:
    """A started process. `ended` resolves to its exit code, `output` is what it prints, on both streams."""

    def __init__(self, keeper: asyncio.subprocess.Process, stdin: int, life: socket.socket) -> None:
        self._keeper, self._stdin, self._life = keeper, stdin, life
        self._pid: int | None = None
        self._pipe: asyncio.BaseTransport | None = None
        self._last_resort: asyncio.TimerHandle | None = None
        self.output = asyncio.StreamReader()
        self.ended = asyncio.create_task(keeper.wait())

    @classmethod
    async def start(
        cls,
        program: tuple[str, ...],
        environment: dict[str, str],
        first_line: bytes,
        line_bytes: int,
        folder: Path | None = None,
        limits: str = "",
    ) -> "Child":
        """Starts it in a folder and writes the first line of its standard input. OSError if it cannot be started.

        Lines of its output over `line_bytes` are a ValueError of `output.readline`, and dropped.
        """
        ours, theirs = socket.socketpair()
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        try:
            keeper = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", str(KEEPER), str(theirs.fileno()), limits, *program),
                stdin=theirs_in,
                stdout=theirs_out,
                stderr=asyncio.subprocess.STDOUT,
                env=environment,
                cwd=folder,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            os.close(ours_in)
            os.close(ours_out)
            raise
        finally:
            theirs.close()
            os.close(theirs_in)
            os.close(theirs_out)
        child = cls(keeper, ours_in, ours)
        try:
            await child._begin(ours_out, first_line, line_bytes)
        except BaseException:
            child.close()
            raise
        return child

    async def _begin(self, out: int, first_line: bytes, line_bytes: int) -> None:
        loop = asyncio.get_running_loop()
        self.output = asyncio.StreamReader(limit=line_bytes)
        protocol = asyncio.StreamReaderProtocol(self.output)
        self._pipe, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(out, "rb"))
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            os.write(self._stdin, first_line + b"\n")
        self._life.setblocking(False)
        try:
            async with asyncio.timeout(KEEPER_SECONDS):
                self._pid = int(await loop.sock_recv(self._life, 32))
        except (TimeoutError, ValueError):
            raise OSError("the plugin's keeper does not start") from None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._pid if self.code is None else None

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._keeper.returncode

    def kill(self) -> None:
        """Ends it and what it started, at once."""
        with contextlib.suppress(OSError):  # it has ended
            self._life.send(b"k")
        if self._last_resort is None:
            self._last_resort = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._kill_keeper)

    def close(self) -> None:
        """Lets go of its pipes, once it was killed."""
        self._kill_keeper()
        if self._pid is not None and self.code in (None, -signal.SIGKILL):  # then the keeper may not have swept
            with contextlib.suppress(OSError):
                os.killpg(self._pid, signal.SIGKILL)
        if self._last_resort is not None:
            self._last_resort.cancel()
        if self._pipe is not None:
            self._pipe.close()
        os.close(self._stdin)
        self._life.close()

    def _kill_keeper(self) -> None:
        """Somebody has stopped it, or it has too much to do: its plugin goes with it."""
        if self.code is None:
            with contextlib.suppress(OSError):
                os.killpg(self._keeper.pid, signal.SIGKILL)
