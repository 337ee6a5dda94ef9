"""How is a real daemon started, asked, killed, and seen to die?"""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from lnpd.errors import DeadlineMissed, NodeConnectionLost, NodeUnavailable
from lnpd.rpc.client import Client
from lnpd.services.signer.seed import create_seed, new_seed
from tests.crash.nursery import Newborn, nursery

LOCKBOX = Path(__file__).parents[2] / "plugins" / "lockbox.py"
START_SECONDS = 30.0
CALL_SECONDS = 40.0


class Gone(Exception):
    """The daemon died before it answered."""


class Program:
    """lnpd, with these words on its command line."""

    def __init__(self, log: Path, *words: str) -> None:
        self._log, self._words = log, words
        self.process: Newborn | None = None

    async def start(self, *more: str) -> str:
        """Starts it; its first line, or "" if it died before it wrote one."""
        with self._log.open("ab") as log:
            self.process = await nursery().born((*self._words, *more), log)
        async with asyncio.timeout(START_SECONDS):
            return (await self.process.stdout.readline()).decode()

    async def kill(self) -> None:
        """kill -9, and its end."""
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):  # somebody else was faster
                os.kill(self.process.pid, signal.SIGKILL)
            await self.process.wait()

    async def died(self, seconds: float) -> bool:
        """Whether it is killed, by itself, within this time."""
        assert self.process is not None
        try:
            async with asyncio.timeout(seconds):
                return await self.process.wait() == -signal.SIGKILL
        except TimeoutError:
            return False


class Daemon(Program):
    """lnpd, with a lockbox or without. `chain` are the words that name its chain."""

    def __init__(
        self, folder: Path, name: str, chain: str, port: int, node_key: bytes, *, lockbox: bool = True
    ) -> None:
        self.name, self.directory, self.address, self.node_key = name, folder / name, f"127.0.0.1:{port}", node_key
        self.node_id = ""
        self.log = folder / f"{name}.log"
        self.directory.mkdir(mode=0o700)
        create_seed(self.directory / "seed", new_seed(), None, plain=True)
        options = f"--directory={self.directory} --plain-seed {chain} --listen={self.address} --log-level=info"
        developer = f"--developer --dev-node-key={node_key.hex()} --dev-poll-seconds=0.2 --dev-redial-seconds=0.1"
        plugin = f"--plugin={LOCKBOX} --grant=lockbox=updates:1000000" if lockbox else ""
        super().__init__(self.log, *options.split(), *developer.split(), *plugin.split())

    async def live(self, *fail_at: str) -> None:
        """Starts it on its directory. With a fail-point it may be dead again when this returns."""
        line = await self.start(*[f"--dev-fail-at={each}" for each in fail_at])
        if not line:
            assert fail_at, f"{self.name} does not start again: see {self.log}"
            return
        self.node_id = line.removeprefix("lnpd is ready: ").split()[0]

    async def call(self, method: str, **params: Any) -> Any:  # Any: JSON values
        """What it answers. Gone; RefusedByNode."""
        return await asyncio.to_thread(self._call, method, params)

    def _call(self, method: str, params: dict[str, Any]) -> Any:  # Any: JSON values
        try:
            with Client(self.directory) as node:
                return node.call(method, params, CALL_SECONDS)
        except (NodeUnavailable, NodeConnectionLost) as error:
            raise Gone(str(error)) from None
        except DeadlineMissed:
            raise AssertionError(f"{self.name} did not answer {method} within {CALL_SECONDS:g} s") from None
