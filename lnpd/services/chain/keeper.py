"""How does a node keep the process of its chain alive?

    start -> one line says that it serves -> it ends by itself: named in the log, started again -> ... -> stop

A node without its chain sees no theft and misses every deadline, so it is started again for as long as the node lives,
after a pause that doubles up to a minute. It has a session of its own: Ctrl-C is for the node, which ends it last.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from lnpd.errors import ChainEnded, ChainError
from lnpd.services.chain.alarm import Broken, alarmed
from lnpd.services.chain.process import READY
from lnpd.services.logs.children import relay

log = logging.getLogger("lnpd.chain")

START_SECONDS: Final = 60.0  # a long chain is read anew when the kernel's own files are lost
STOP_SECONDS: Final = (
    2.0  # each block is on the disk when it is announced: nothing is lost with a process that is killed
)
PAUSE_SECONDS: Final = 0.2
MOST_PAUSE_SECONDS: Final = 60.0
STEADY_SECONDS: Final = 60.0
"""A process that has lived so long ended for a reason of its own: the pauses begin anew."""


class ChainProcess:
    """A chain's process, which runs until `stop`."""

    def __init__(self, directory: Path, endpoint: str) -> None:
        self._directory, self._endpoint = directory, endpoint
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, directory: Path, endpoint: str, broken: Broken | None = None) -> ChainProcess:
        """Serves the chain of a directory at an endpoint. `broken` hears of a defect after which nobody starts it
        again. Raises ChainEnded."""
        made = cls(directory, endpoint)
        made._process = await made._spawn()
        what = "nobody starts the chain's process again any more"
        made._keeping = alarmed(asyncio.create_task(made._keep(made._process)), what, broken)
        return made

    @property
    def pid(self) -> int:
        """The id of the process that serves now, or served last."""
        assert self._process is not None
        return self._process.pid

    async def stop(self) -> None:
        """Lets it end, and starts it no more; it is killed if that takes too long."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        assert self._process is not None
        await _end(self._process, STOP_SECONDS)

    async def _keep(self, process: asyncio.subprocess.Process) -> None:
        loop, pause = asyncio.get_running_loop(), PAUSE_SECONDS
        while True:
            since = loop.time()
            status = await process.wait()
            log.error("the chain's process ended with status %s; it is started again", status)
            if loop.time() - since > STEADY_SECONDS:
                pause = PAUSE_SECONDS
            while True:
                await asyncio.sleep(pause)
                pause = min(2 * pause, MOST_PAUSE_SECONDS)
                try:
                    self._process = process = await self._spawn()
                    break
                except (ChainError, OSError) as error:
                    log.error("the node is without a chain, and tries again in %g s: %s", pause, error)
            log.warning("the chain's process runs again, process id %s", process.pid)

    async def _spawn(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "lnpd.services.chain.process",
            f"--directory={self._directory}",
            f"--endpoint={self._endpoint}",
            "--until-eof",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(os.environ),
            start_new_session=True,
        )
        relay(process, "chain")
        try:
            await _ready(process)
        except BaseException:
            await _end(process, 0)
            raise
        return process


async def _ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            line = (await process.stdout.readline()).decode(errors="replace")
    except (TimeoutError, ValueError):
        raise ChainEnded(f"The chain's process did not serve within {START_SECONDS:g} s.") from None
    if not line.startswith(READY):
        raise ChainEnded(f"The chain's process did not start{': ' + line.strip() if line else ''}.")


async def _end(process: asyncio.subprocess.Process, patience_seconds: float) -> None:
    """The end of its standard input ends it."""
    assert process.stdin is not None
    process.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_seconds):
            await process.wait()
            return
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
