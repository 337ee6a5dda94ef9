"""How does one plugin's process live: started, registered, asked, watched, restarted, and stopped?

    starting --register, its turn--> ready --its end, or anything that it does wrong--> waiting --pause--> starting ...
        |
        +--bad manifest--> refused    (stop: stopped)    (five ends in ten minutes: quarantined)

Each life has an endpoint of its own, and a token, given through standard input, by which its connection is known:
whoever else connects is not heard. When the node dies, standard input ends, and the plugin's process with it, and all
that it started: its keeper (keeper.py) sees to that.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame, CallFailed
from lnpd_sdk.manifest import Manifest

from lnpd.bus.limits import Limits
from lnpd.bus.link import Identity
from lnpd.bus.peer import BusPeer
from lnpd.errors import DeadlineMissed, LinkOverflow, LnpdError, ManifestRefused, PluginFault, PluginLate
from lnpd.errors.words import one_line
from lnpd.services.plugins.calls import Owner, Plugin
from lnpd.services.plugins.child import Child
from lnpd.services.plugins.output import LINE_BYTES

log = logging.getLogger("lnpd.plugins")

START_SECONDS = 10.0
STOP_SECONDS = 3.0
LAST_WORDS_SECONDS = 1.0
PING_SECONDS = 10.0
PING_DEADLINE_SECONDS = 5.0
PAUSES_SECONDS = (0.1, 0.5, 2.0, 5.0, 10.0)
MAX_FAILURES = 5
FAILURES_WITHIN_SECONDS = 600.0
# Its answers come because they were asked for; a plugin that asks for more waits for one answer before the next call.
LIMITS = Limits(running=1_000, call_bytes=512 * 1024, running_bytes=16 * 1024 * 1024, unasked_bytes=8 * 1024 * 1024)
# What a plugin's process inherits; the rest of the node's environment is not its business.
ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "PYTHONPATH", "COVERAGE_PROCESS_START")


class PluginProcess(Plugin):
    """One plugin: its process, its endpoint, its calls. `host` is told of everything that changes."""

    def __init__(self, host: Owner, path: Path, number: int) -> None:
        super().__init__(host, path.stem, str(path))
        self._file, self._number = path, number
        self.child: Child | None = None
        self._bus: BusPeer | None = None
        self._token: Identity = b""
        self._failed = False  # in this life
        self._failures: list[float] = []
        self._offered: asyncio.Future[None] | None = None  # its manifest is there, and waits for its turn
        self._registered: asyncio.Future[None] | None = None
        self._stop: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self.child.pid if self.child else None

    # --- its lives
    async def start(self) -> None:
        """Starts the process and returns when it is registered, or failed for the first time."""
        self._stop = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live())
        await self.settled.wait()

    async def stop(self) -> None:
        """Asks the process to end, then makes it. Possible at any time, and more than once."""
        if self._stop is not None and not self._stop.done():
            self._stop.set_result(None)
        if self._task is not None:
            await asyncio.wait({self._task})
        self.status = "stopped"

    def fail(self, why: str) -> None:
        """Ends this life: its calls now, its process at once. It is started again."""
        if self._failed or self.pid is None:
            return
        self._failed = True
        self.faults += 1
        self.why = why = one_line(why)
        log.warning("plugin %s: %s", self.name, why)
        if self._bus is not None:
            self._bus.fail_all(PluginFault(self.name, why))
            self._bus.close()  # whatever it still sends is not read
        self._kill()

    async def _live(self) -> None:
        try:
            while not self._stopping:
                await self._one_life()
                self.settled.set()
                if self.status == "refused" or self._stopping or not await self._pause():
                    return
        finally:
            self.settled.set()

    async def _one_life(self) -> None:
        try:
            await self._once()
        except ManifestRefused as error:
            self.status, self.why = "refused", one_line(str(error))
            log.error("plugin %s is refused: %s", self.name, error)
        except (LnpdError, OSError) as error:
            self.why = one_line(str(error))
            log.warning("plugin %s: %s", self.name, error)
        except Exception as error:  # a defect of ours: it must not leave a plugin half registered
            self.why = one_line(f"{type(error).__name__}: {error}")
            log.exception("plugin %s", self.name)
        finally:
            if self._bus is not None:
                self._bus.fail_all(PluginFault(self.name, self.why or "its process ended"))
                self._bus.close()
                self._bus = None
            self._remove_socket()
            await self.host.left(self)

    def _remove_socket(self) -> None:
        Path(self.host.endpoint(self._number, self.starts).removeprefix("ipc://")).unlink(missing_ok=True)

    async def _pause(self) -> bool:
        """Waits before the next start; False if there is none."""
        now = time.monotonic()
        self._failures = [t for t in self._failures if now - t < FAILURES_WITHIN_SECONDS] + [now]
        if len(self._failures) >= MAX_FAILURES:
            self.status = "quarantined"
            log.error("plugin %s failed %d times in ten minutes: not started again", self.name, MAX_FAILURES)
            return False
        self.status = "waiting"
        await self._until(seconds=PAUSES_SECONDS[min(len(self._failures), len(PAUSES_SECONDS)) - 1])
        return not self._stopping

    # --- one life
    async def _once(self) -> None:
        """From the start of the process to its end; returns if it was asked to stop, else raises what happened."""
        child = self.child = await self._spawn()
        assert self._offered is not None and self._registered is not None
        listening = asyncio.create_task(self.voice.listen(child.output))
        try:
            await self._until(child.ended, self._offered, seconds=START_SECONDS)
            if self._offered.done():
                await self._until(child.ended, self._registered)  # those before it have START_SECONDS, as it had
            if self._registered.done():
                self._registered.result()
                self.status, self.why = "ready", ""
                await self.host.joined(self)
                self.settled.set()
                await self._watch(child)
            elif child.pid is not None and not self._stopping:
                self.fail(f"did not register within {START_SECONDS:.0f} s")
            if self._stopping and self.manifest is not None:
                await self._ask_to_end(child)
        finally:
            self._kill()
            await asyncio.wait({listening, child.ended}, timeout=LAST_WORDS_SECONDS)
            listening.cancel()
            child.close()
        if not self._stopping:
            raise PluginFault(self.name, self._how_it_ended(child))

    async def _spawn(self) -> Child:
        self.status, self._failed, self.voice.last = "starting", False, ""
        self.starts += 1
        endpoint = self.host.endpoint(self._number, self.starts)
        self._token = secrets.token_hex(16).encode()
        loop = asyncio.get_running_loop()
        self._offered, self._registered = loop.create_future(), loop.create_future()
        self._bus = BusPeer(self._answer, broken=self._broken, only=self._token, limits=LIMITS)
        self._bus.bind(endpoint)
        program = (sys.executable, self.path) if self._file.suffix == ".py" else (self.path,)
        environment = {k: os.environ[k] for k in ENVIRONMENT if k in os.environ} | {"LNPD_ENDPOINT": endpoint}
        environment |= self.host.environment
        return await Child.start(program, environment, self._token, LINE_BYTES)

    async def _watch(self, child: Child) -> None:
        """Pings until the process ends or has to."""
        while not child.ended.done() and not self._stopping:
            await self._until(child.ended, seconds=PING_SECONDS)
            if not child.ended.done() and not self._stopping:
                ping = asyncio.create_task(self._ping())
                await self._until(child.ended, ping)
                ping.cancel()

    async def _ping(self) -> None:
        try:
            await self.call("ping", None, PING_DEADLINE_SECONDS)
        except (PluginFault, CallFailed) as error:
            self.fail(str(error))

    async def _ask_to_end(self, child: Child) -> None:
        if self._bus is not None:
            with contextlib.suppress(LinkOverflow):
                self._bus.notify("stop", None, identity=self._token)
        await asyncio.wait({child.ended}, timeout=STOP_SECONDS)

    def _how_it_ended(self, child: Child) -> str:
        if self._failed:
            return self.why
        early = " before it was ready" if self.manifest is None else ""
        said = f"; it said: {self.voice.last}" if self.voice.last else ""
        return f"its process ended with code {child.code}{early}{said}"

    def _kill(self) -> None:
        if self.child is not None:
            self.child.kill()

    @property
    def _stopping(self) -> bool:
        return self._stop is None or self._stop.done()

    async def _until(self, *futures: "asyncio.Future[Any]", seconds: float | None = None) -> None:
        """Waits for one of these, for the stop, or for some time."""
        assert self._stop is not None
        await asyncio.wait({*futures, self._stop}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    # --- calls in both directions
    async def call(self, method: str, params: object, deadline_seconds: float) -> bytes:
        """The msgpack of the plugin's answer. PluginLate after the deadline, PluginFault if there is none for another
        reason. CallFailed is its own refusal."""
        if self._bus is None or self.pid is None or self._failed:
            raise PluginFault(self.name, self.why or "is not running")
        try:
            return bytes(await self._bus.call(method, params, deadline_seconds, self._token))
        except DeadlineMissed as error:
            raise PluginLate(self.name, str(error)) from None
        except (LinkOverflow, BadFrame) as error:
            raise PluginFault(self.name, str(error)) from None

    async def _answer(self, _identity: Identity, method: str, params: msgspec.Raw) -> object:
        if method == "register":
            await self._register(params)
            return None
        if self.manifest is None:
            raise ManifestRefused("a plugin registers before it asks for anything")
        return await self.host.serve(self, method, params)

    async def _register(self, params: msgspec.Raw) -> None:
        assert self._offered is not None and self._registered is not None
        if self._offered.done():
            raise ManifestRefused("a plugin registers once")
        self._offered.set_result(None)
        registered = self._registered
        try:
            manifest = envelope.decode(params, Manifest)
            await self.host.turn(self)
            self.enrol(manifest)
        except (BadFrame, LnpdError) as error:
            refused = ManifestRefused(str(error))
            registered.set_exception(refused)
            raise refused from None
        registered.set_result(None)

    def _broken(self, _identity: Identity, why: str) -> None:
        self.fail(why)
