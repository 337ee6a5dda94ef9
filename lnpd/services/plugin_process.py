"""How does one plugin's process live: started, registered, asked, watched, restarted, and stopped?

Its endpoint is its own, and a fresh one for each start. Whatever it does wrong ends its process and its calls, with its
name; it is started again after a growing pause, and five failures in ten minutes put it into quarantine.
"""

import asyncio
import contextlib
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame, CallFailed
from lnpd_sdk.manifest import Manifest
from lnpd_sdk.questions import ProviderQuestion, RpcRequest

from lnpd.bus.link import Identity
from lnpd.bus.peer import BusPeer
from lnpd.errors import (
    DeadlineMissed,
    LinkOverflow,
    LnpdError,
    ManifestRefused,
    PluginFault,
    ProviderFault,
)
from lnpd.hooks.answers import DEADLINE_SECONDS

log = logging.getLogger("lnpd.plugins")

START_SECONDS = 10.0
STOP_SECONDS = 3.0
PING_SECONDS = 10.0
PAUSES_SECONDS = (0.1, 0.5, 2.0, 5.0, 10.0)
MAX_FAILURES = 5
FAILURES_WITHIN_SECONDS = 600.0
LINE_BYTES = 10_000
# What a plugin's process inherits; the rest of the node's environment is not its business.
ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "PYTHONPATH", "COVERAGE_PROCESS_START")

Status = Literal["starting", "ready", "waiting", "quarantined", "refused", "stopped"]


class Owner(Protocol):
    """Whom a plugin's process tells of what happens to it."""

    def endpoint(self, number: int, start: int) -> str:
        """The endpoint of a start."""
        ...

    def register(self, plugin: "PluginProcess", manifest: Manifest) -> None:
        """Registers a manifest as a whole, or raises ManifestRefused."""
        ...

    async def joined(self, plugin: "PluginProcess") -> None:
        """It is ready."""
        ...

    async def left(self, plugin: "PluginProcess") -> None:
        """Its process ended."""
        ...

    async def serve(self, plugin: "PluginProcess", method: str, params: msgspec.Raw) -> object:
        """It asks for a service of the node."""
        ...


class PluginProcess:
    """One plugin: its process, its endpoint, its calls. `host` is told of everything that changes."""

    def __init__(self, host: "Owner", path: Path, number: int) -> None:
        self.host, self.path, self.number = host, path, number
        self.name = path.stem
        self.status: Status = "starting"
        self.why = ""
        self.manifest: Manifest | None = None
        self.process: asyncio.subprocess.Process | None = None
        self.starts = 0
        self.faults = 0
        self._bus: BusPeer | None = None
        self._identity: Identity = b""
        self._failures: list[float] = []
        self._registered: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self.process.pid if self.process and self.process.returncode is None else None

    # --- life
    async def start(self) -> None:
        """Starts the process and returns when it is registered, or failed for the first time."""
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(first))
        await first

    async def stop(self) -> None:
        """Asks the process to end, then makes it."""
        self.status = "stopped"
        if self._bus is not None and self.pid is not None:
            with contextlib.suppress(LinkOverflow):
                self._bus.notify("stop", None, identity=self._identity)
        if self.process is not None:
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self.process.wait()
            except TimeoutError:
                self._kill()
                await self.process.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._close_bus()

    def forget(self) -> Manifest | None:
        """Its manifest, for the last time: the next start has to register anew."""
        manifest, self.manifest, self._identity = self.manifest, None, b""
        return manifest

    def fail(self, why: str) -> None:
        """The plugin cannot be trusted with the next question: end the process; it is started again."""
        self.faults += 1
        self.why = why
        log.warning("plugin %s: %s", self.name, why)
        if self._bus is not None:
            self._bus.fail_all(PluginFault(self.name, why))
        self._kill()

    async def _live(self, first: "asyncio.Future[None]") -> None:
        while self.status != "stopped":
            try:
                await self._once(first)
            except ManifestRefused as error:
                self.status, self.why = "refused", str(error)
                log.error("plugin %s is refused: %s", self.name, error)
            except (PluginFault, OSError) as error:
                self.why = str(error)
                log.warning("plugin %s: %s", self.name, error)
            self._kill()
            await self.host.left(self)
            self._close_bus()
            if not first.done():
                first.set_result(None)
            if self.status in ("stopped", "refused") or not await self._pause():
                return

    async def _pause(self) -> bool:
        """Waits before the next start; False if there is none."""
        now = time.monotonic()
        self._failures = [t for t in self._failures if now - t < FAILURES_WITHIN_SECONDS] + [now]
        if len(self._failures) >= MAX_FAILURES:
            self.status = "quarantined"
            log.error("plugin %s failed %d times in ten minutes: not started again", self.name, MAX_FAILURES)
            return False
        self.status = "waiting"
        await asyncio.sleep(PAUSES_SECONDS[min(len(self._failures), len(PAUSES_SECONDS)) - 1])
        return self.status == "waiting"

    async def _once(self, first: "asyncio.Future[None]") -> None:
        """One life of the process, from its start to its end."""
        self.status = "starting"
        self.starts += 1
        endpoint = self.host.endpoint(self.number, self.starts)
        self._registered = asyncio.get_running_loop().create_future()
        self._bus = BusPeer(self._answer, broken=lambda _identity, why: self.fail(f"sent what is not a frame: {why}"))
        self._bus.bind(endpoint)
        environment = {k: os.environ[k] for k in ENVIRONMENT if k in os.environ} | {"LNPD_ENDPOINT": endpoint}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(self.path),
            stdin=asyncio.subprocess.PIPE,  # its end tells the plugin that the node is gone
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            limit=LINE_BYTES,
        )
        output = asyncio.create_task(self._read_output(self.process))
        ended = asyncio.create_task(self.process.wait())
        try:
            waiting: set[asyncio.Future[Any]] = {ended, self._registered}
            await asyncio.wait(waiting, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                await output
                raise PluginFault(self.name, f"ended with code {ended.result()} before it was ready{self._last_words}")
            if not self._registered.done():
                raise PluginFault(self.name, f"did not register within {START_SECONDS:.0f} s")
            self._registered.result()
            self.status, self.why = "ready", ""
            await self.host.joined(self)
            if not first.done():
                first.set_result(None)
            await self._watch(ended)
            self._bus.fail_all(PluginFault(self.name, "its process ended"))
            raise PluginFault(self.name, self.why or f"its process ended with code {ended.result()}{self._last_words}")
        finally:
            ended.cancel()
            output.cancel()

    async def _watch(self, ended: "asyncio.Task[int]") -> None:
        """Pings until the process ends."""
        while not ended.done():
            await asyncio.wait({ended}, timeout=PING_SECONDS)
            if not ended.done():
                try:
                    await self.call("ping", None, DEADLINE_SECONDS)
                except PluginFault as error:
                    self.fail(str(error))
                    await ended

    _last_line = ""

    @property
    def _last_words(self) -> str:
        return f"; it said: {self._last_line}" if self._last_line else ""

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # a line over the limit: the stream drops it
                continue
            if not line:
                return
            if text := line.decode(errors="replace").strip():
                self._last_line = text
                log.info("plugin %s says: %s", self.name, text)

    def _kill(self) -> None:
        if self.pid is not None and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    def _close_bus(self) -> None:
        if self._bus is not None:
            self._bus.close()
            self._bus = None

    # --- calls to the plugin
    async def call(self, method: str, params: object, deadline_seconds: float) -> bytes:
        """The msgpack of the plugin's answer; PluginFault if there is none. CallFailed is its own refusal."""
        if self._bus is None or self.pid is None:
            raise PluginFault(self.name, "is not running")
        try:
            return bytes(await self._bus.call(method, params, deadline_seconds, self._identity))
        except (DeadlineMissed, LinkOverflow, BadFrame) as error:
            raise PluginFault(self.name, str(error)) from None

    async def ask(self, question: ProviderQuestion) -> bytes:
        """A provider's answer. Any failure ends the process: nothing about money may hang on a plugin that errs."""
        try:
            return await self.call("provider", question, DEADLINE_SECONDS)
        except CallFailed as error:
            self.faults += 1
            raise ProviderFault(question.provider, f"{question.method} failed: {error.code}: {error}") from None
        except PluginFault as error:
            self.fail(str(error))
            raise ProviderFault(question.provider, str(error)) from None

    async def hook(self, name: str, params: dict[str, object]) -> object:
        """A hook's answer."""
        try:
            data = await self.call("hook", RpcRequest(name, envelope.raw(params)), DEADLINE_SECONDS)
            answer: object = envelope.decode(data, object)
            return answer
        except (CallFailed, BadFrame) as error:
            raise PluginFault(self.name, f"hook {name}: {error}") from None

    # --- calls of the plugin
    async def _answer(self, identity: Identity, method: str, params: msgspec.Raw) -> object:
        if method == "register":
            self._register(identity, params)
            return None
        if identity != self._identity:
            raise ManifestRefused("this connection did not register")
        return await self.host.serve(self, method, params)

    def _register(self, identity: Identity, params: msgspec.Raw) -> None:
        assert self._registered is not None
        if self._identity and self._registered.done():
            raise ManifestRefused("a plugin registers once")
        try:
            manifest = envelope.decode(params, Manifest)
            self.host.register(self, manifest)
        except (ManifestRefused, BadFrame, LnpdError) as error:
            refused = ManifestRefused(str(error))
            self._registered.set_exception(refused)
            raise refused from None
        self._identity, self.manifest, self.name = identity, manifest, manifest.name
        self._registered.set_result(None)
