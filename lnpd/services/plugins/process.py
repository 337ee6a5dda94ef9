"""How does one plugin's process live: started, registered, asked, watched, restarted, reloaded, and stopped?

    starting --manifest, its turn, init--> ready --its end, or what it does wrong--> waiting --pause--> starting ...
        |                                  |   ^
        |                                  +---+ reload: a new life beside the old, which ends once the new one is in
        +--bad manifest, bad option--> refused    (stop: stopped)    (five ends in ten minutes: quarantined)

One life is life.py's. When the node dies, standard input ends, and the plugin's process with it, and all that it
started: its keeper (keeper.py) sees to that.

A reload loses nothing: what is asked meanwhile waits (within its deadline), what was asked before is answered before,
and if the new process does not come up, wants something that is another's, or would drop what a live channel pins, the
old one goes on.
"""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any

from lnpd_sdk.envelope import CallFailed

from lnpd.errors import (
    LnpdError,
    ManifestRefused,
    OptionRefused,
    PluginBusy,
    PluginFault,
    PluginUnasked,
    ReloadRefused,
    SandboxMissing,
)
from lnpd.errors.words import one_line
from lnpd.services.plugins.calls import Owner, Plugin
from lnpd.services.plugins.child import Child
from lnpd.services.plugins.life import Life

log = logging.getLogger("lnpd.plugins")

START_SECONDS = 10.0
STOP_SECONDS = 3.0
LAST_WORDS_SECONDS = 1.0
PING_SECONDS = 10.0
PING_DEADLINE_SECONDS = 5.0
DRAIN_SECONDS = 6.0  # a provider's answer has 5
PAUSES_SECONDS = (0.1, 0.5, 2.0, 5.0, 10.0)
MAX_FAILURES = 5
FAILURES_WITHIN_SECONDS = 600.0


class PluginProcess(Plugin):
    """One plugin: its lives, one after the other. `host` is told of everything that changes."""

    def __init__(self, host: Owner, path: Path, number: int) -> None:
        super().__init__(host, path.stem, str(path))
        self._number = number
        self.life: Life | None = None
        self._open = asyncio.Event()  # what is asked before it is set waits: it begins, or is reloaded
        self._replaced = asyncio.Event()
        self._reloading = False
        self._unasked = 0  # questions that could not wait for the end of a reload
        self._failures: list[float] = []
        self._stop: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def child(self) -> Child | None:
        """Its process."""
        return self.life.child if self.life else None

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self.life.pid if self.life else None

    @property
    def waiting(self) -> int:
        """How many questions wait for its answer."""
        return self.life.running if self.life else 0

    # --- its lives
    async def start(self) -> None:
        """Starts the process and returns when it is registered, or failed for the first time. It ends a quarantine."""
        self._launch()
        await self.settled.wait()

    def _launch(self) -> None:
        self.settled.clear()
        self._failures = []
        self._stop = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live())

    async def stop(self) -> None:
        """Asks the process to end, then makes it. Possible at any time, and more than once."""
        if self._stop is not None and not self._stop.done():
            self._stop.set_result(None)
        if self._task is not None:
            await asyncio.wait({self._task})
        self.status = "stopped"

    def fail(self, why: str) -> None:
        """Ends this life: its calls now, its process at once. It is started again."""
        if self.life is not None:
            self._broken(self.life, why)

    def _broken(self, life: Life, why: str) -> None:
        if not life.is_up:
            return
        life.fail(why.removeprefix(f"{self.name}: "))
        log.warning("plugin %s: %s", self.name, life.why)
        if life is self.life:
            self.faults += 1
            self.why = life.why

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
        except (ManifestRefused, OptionRefused, SandboxMissing) as error:
            self.status, self.why = "refused", one_line(str(error))
            log.error("plugin %s is refused: %s", self.name, error)
        except (LnpdError, OSError) as error:
            self.why = one_line(str(error).removeprefix(f"{self.name}: "))
            if self.life is None or not self.life.why:  # else it was said when it was ended
                log.warning("plugin %s: %s", self.name, self.why)
        except Exception as error:  # a defect of ours: it must not leave a plugin half registered
            self.why = one_line(f"{type(error).__name__}: {error}")
            log.exception("plugin %s", self.name)
        finally:
            self.status = "waiting" if self.status == "ready" else self.status
            self._open.set()  # who waits learns that it is not there
            await self.host.left(self)

    async def _pause(self) -> bool:
        """Waits before the next start; False if there is none."""
        now = time.monotonic()
        self._failures = [t for t in self._failures if now - t < FAILURES_WITHIN_SECONDS] + [now]
        if len(self._failures) >= MAX_FAILURES:
            self.status = "quarantined"
            log.error(
                "plugin %s failed %d times in ten minutes: not started again, until lnp plugin start %s",
                *(self.name, MAX_FAILURES, self.name),
            )
            return False
        self.status = "waiting"
        await self._until(seconds=PAUSES_SECONDS[min(len(self._failures), len(PAUSES_SECONDS)) - 1])
        return not self._stopping

    # --- one life
    async def _once(self) -> None:
        """From the start of the process to its end, and to that of those that replaced it; returns if it was asked to
        stop, else raises what happened."""
        self.status = "starting"
        self.voice.begin()
        self._open.clear()
        self.life = self._new_life()
        try:
            await self._begin(self.life)
            while await self._serve_until_replaced():
                pass
        except BaseException as error:
            await self._end(self.life, one_line(str(error)))
            raise
        if self._stopping and self.manifest is not None:
            await self._ask_to_end(self.life)
        ended = await self._end(self.life)
        if not self._stopping:
            raise PluginFault(self.name, ended)

    def _new_life(self) -> Life:
        self.begins()
        endpoint = self.host.endpoint(self._number, self.starts)
        return Life(self.name, endpoint, self.served, self._broken)

    async def _begin(self, life: Life) -> None:
        """From its first word to its readiness; returns where it ended or was stopped before."""
        await self._spawn(life)
        await self._until(life.ended, life.offered, seconds=START_SECONDS)
        if not life.offered.done():
            if life.is_up and not self._stopping:
                self._broken(life, f"did not register within {START_SECONDS:.0f} s")
            return
        try:
            manifest = life.offered.result()
            await self._until(life.ended, turn := asyncio.create_task(self.host.turn(self)))
            if not turn.done():  # those before it have START_SECONDS, as it had
                turn.cancel()
                return
            options = await self.host.options(self, manifest)
            self.enrol(manifest)
            life.name = self.name
        except (LnpdError, OptionRefused) as error:
            refused = ManifestRefused(str(error))
            life.decide(refused)
            raise refused from None
        life.decide()
        if await self._initialised(life, options, b""):
            self.status, self.why = "ready", ""
            self._open.set()
            await self.host.joined(self)
            self.settled.set()

    async def _spawn(self, life: Life) -> None:
        try:
            await life.begin(lambda endpoint, token: self.host.spawn(self, endpoint, token))
        except BaseException:
            self._remove_socket(life)
            raise
        assert life.child is not None
        life.listening = {asyncio.create_task(self.voice.listen(life.child.output))}

    async def _initialised(self, life: Life, options: dict[str, Any], state: bytes) -> bool:
        """False where it ended or was stopped meanwhile; PluginFault if it does not begin."""
        init = asyncio.create_task(life.init(options, state))
        await self._until(life.ended, init)
        if not init.done():
            init.cancel()
            return False
        init.result()
        life.is_ready = True
        return True

    async def _serve_until_replaced(self) -> bool:
        """Pings the present life until it ends or has to (False), or another has taken its place (True)."""
        life = self.life
        assert life is not None
        while not life.ended.done() and not self._stopping and life is self.life:
            replaced = asyncio.create_task(self._replaced.wait())
            await self._until(life.ended, replaced, seconds=PING_SECONDS)
            replaced.cancel()
            if life is self.life and not life.ended.done() and not self._stopping:
                ping = asyncio.create_task(self._ping(life))
                await self._until(life.ended, ping)
                ping.cancel()
        if life is self.life:
            return False
        self._replaced.clear()
        await self._ask_to_end(life)
        await self._end(life, "it was reloaded")
        return True

    async def _ping(self, life: Life) -> None:
        try:
            await life.call("ping", None, PING_DEADLINE_SECONDS)
        except (PluginFault, CallFailed) as error:
            self._broken(life, str(error))

    async def _ask_to_end(self, life: Life) -> None:
        life.ask_to_end()
        await asyncio.wait({life.ended}, timeout=STOP_SECONDS)

    async def _end(self, life: Life, why: str = "") -> str:
        """Ends what is left of a life, and says why: how it ended, if nothing else is known."""
        if life.child is not None:
            life.kill()
            ends: set[asyncio.Future[Any]] = {life.ended, *life.listening}
            await asyncio.wait(ends, timeout=LAST_WORDS_SECONDS)
            for task in life.listening:
                task.cancel()
            why = why or life.why or self._how_it_ended(life)
        life.close(why)
        self._remove_socket(life)
        return why

    def _remove_socket(self, life: Life) -> None:
        Path(life.endpoint.removeprefix("ipc://")).unlink(missing_ok=True)

    def _how_it_ended(self, life: Life) -> str:
        assert life.child is not None
        early = "" if life.is_ready else " before it was ready"
        said = f"; it said: {self.voice.final}" if self.voice.final else ""
        if life.child.code == 0 and not life.greeted and not said:
            said = "; it never called the node: a plugin's file ends with plugin.run()"
        return f"its process ended with code {life.child.code}{early}{said}"

    @property
    def _stopping(self) -> bool:
        return self._stop is None or self._stop.done()

    async def _until(self, *futures: "asyncio.Future[Any]", seconds: float | None = None) -> None:
        """Waits for one of these, for the stop, or for some time."""
        assert self._stop is not None
        await asyncio.wait({*futures, self._stop}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    # --- while it runs
    async def call(self, method: str, params: object, deadline_seconds: float) -> bytes:
        """The msgpack of the plugin's answer; while the plugin begins or is reloaded the question waits, within its
        deadline. PluginLate after it, PluginUnasked if it could not even be asked, PluginBusy, PluginFault if there is
        no answer for another reason. CallFailed is its own refusal."""
        if not self._open.is_set():
            deadline_seconds = await self._opened(method, deadline_seconds)
        if self.life is None:
            raise PluginFault(self.name, "is not running")
        try:
            return await self.life.call(method, params, deadline_seconds)
        except PluginBusy:
            self.dropped += 1
            raise

    async def _opened(self, method: str, deadline_seconds: float) -> float:
        """Waits until it can be asked; the seconds that are left then."""
        until = time.monotonic() + deadline_seconds
        try:
            await asyncio.wait_for(self._open.wait(), deadline_seconds)
        except TimeoutError:
            self._unasked += 1
            why = "is being reloaded" if self._reloading else "is still starting"
            raise PluginUnasked(self.name, f"{why}: no answer to {method} within {deadline_seconds:g} s") from None
        return max(0.0, until - time.monotonic())

    async def reload(self) -> None:
        """Puts a new process in the place of the present one. ReloadRefused: the old one goes on."""
        old = self.life
        if self._reloading or self.status != "ready" or old is None:
            raise ReloadRefused(f"{self.name} is not ready: a reload replaces a plugin that runs.")
        self._reloading, self._unasked = True, 0
        new = self._new_life()
        try:
            await self._replace(old, new)
        except (LnpdError, OSError) as error:
            fell = new.child is not None and new.ended.done() and not new.why  # by itself: how it ended says more
            new.decide(ManifestRefused(str(error)))
            self._reopen()
            why = await self._end(new, "" if fell else str(error))
            raise ReloadRefused(f"{self.name} is not reloaded, the old one goes on: {one_line(why)}") from None
        except BaseException:
            self._reopen()
            await self._end(new, "the reload was given up")
            raise
        finally:
            self._reloading = False
            if self._unasked and self.status == "ready":
                await self.host.resumed(self)

    def _reopen(self) -> None:
        """The old one is asked again."""
        if self.status == "ready":
            self._open.set()

    async def _replace(self, old: Life, new: Life) -> None:
        await self._spawn(new)
        await self._until(new.ended, old.ended, new.offered, seconds=START_SECONDS)
        if not new.offered.done():
            raise PluginFault(self.name, f"the new process did not register within {START_SECONDS:.0f} s")
        manifest = new.offered.result()
        options = await self.host.options(self, manifest)
        self.host.may_replace(self, manifest)
        new.decide()
        self._open.clear()
        await old.idle(DRAIN_SECONDS)  # what still runs then is an RPC call, and ends with its process
        state = await old.handover()
        if not await self._initialised(new, options, state):
            raise PluginFault(self.name, "the new process ended in init")
        if self._stopping or old is not self.life or not old.is_up:
            raise PluginFault(self.name, "the old one ended meanwhile")
        self.host.may_replace(self, manifest)
        self.host.replace(self, manifest)
        self.life, self.why, self._unasked = new, "", 0
        self._open.set()
        self._replaced.set()
        await self.host.joined(self)
