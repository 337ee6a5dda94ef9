"""How is a process started that ends with the node, and with all that it started itself?

It leads a session of its own: it is killed as a group, and the terminal's Ctrl-C is not its business. Its standard
input stays open for as long as the node lives. The pipes are ours, not asyncio's, whose `wait` only returns when
nobody, no grandchild either, holds them open any more.
"""

import asyncio
import contextlib
import os
import signal


class Child:
    """A started process. `ended` resolves to its exit code, `output` is what it prints, on both streams."""

    def __init__(
        self, process: asyncio.subprocess.Process, stdin: int, output: asyncio.StreamReader, pipe: asyncio.BaseTransport
    ) -> None:
        self._process, self._stdin, self._pipe = process, stdin, pipe
        self.output = output
        self.ended = asyncio.create_task(process.wait())

    @classmethod
    async def start(
        cls, program: tuple[str, ...], environment: dict[str, str], first_line: bytes, line_bytes: int
    ) -> "Child":
        """Starts it and writes the first line of its standard input. OSError if it cannot be started.

        Lines of its output over `line_bytes` are a ValueError of `output.readline`, and dropped.
        """
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *program,
                stdin=theirs_in,
                stdout=theirs_out,
                stderr=asyncio.subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            os.close(ours_in)
            os.close(ours_out)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            os.write(ours_in, first_line + b"\n")
        output = asyncio.StreamReader(limit=line_bytes)
        protocol = asyncio.StreamReaderProtocol(output)
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(ours_out, "rb"))
        return cls(process, ours_in, output, pipe)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process.returncode is None else None

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.returncode

    def kill(self) -> None:
        """Ends it and what it started, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Lets go of its pipes, once it was killed."""
        self._pipe.close()
        os.close(self._stdin)
