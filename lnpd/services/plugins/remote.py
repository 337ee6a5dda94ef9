"""How does a plugin on another machine become one of this node's?

    it connects -- tcp, CURVE, a key that the user pinned to its name --> hello --> as a process of ours from here on
                (gate.py: how many may knock)

It comes when it wants, and again when its connection broke or the node was started anew: each hello begins a life. It
has no process here: nothing ends with it but its calls and its connection, of which nothing more is read. What does
wrong has to connect and say hello again, after a pause.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from lnpd.bus.curve import Door, kept_keys, owner_of, way_of
from lnpd.bus.link import Identity, Link
from lnpd.bus.peer import BusPeer
from lnpd.errors import EndpointRefused, PluginBusy, ReloadRefused
from lnpd.services.peers.address import parse_address
from lnpd.services.plugins.calls import Owner, Plugin
from lnpd.services.plugins.gate import Gate
from lnpd.services.plugins.life import LIMITS, Life
from lnpd.services.plugins.process import PAUSES_SECONDS, PluginProcess

log = logging.getLogger("lnpd.plugins")
KEY_FILE: Final = "plugin-key"
Dismiss = Callable[[Identity], None]


class RemoteLife(Life):
    """One connection, from its hello on. `dismiss` ends it."""

    def __init__(self, plugin: "PluginRemote", bus: BusPeer, dismiss: Dismiss) -> None:
        self._dismiss = dismiss
        shared = bus, b""
        super().__init__(plugin.name, plugin.path, plugin.served, plugin.broken, shared)
        self.arrived = asyncio.Event()
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def arrive(self, identity: Identity) -> None:
        """It has said hello, over this connection."""
        self._token = identity
        self.arrived.set()

    def is_at(self, identity: Identity) -> bool:
        """Whether this is its connection."""
        return self.arrived.is_set() and self._token == identity

    def came_by(self, way: str) -> bool:
        """Whether this is the way of its connection."""
        return self.arrived.is_set() and way_of(self._token) == way

    @property
    def ended(self) -> "asyncio.Future[int]":
        """The end of this connection, as far as it is known."""
        return self._ended

    @property
    def pid(self) -> int | None:
        """Its process is elsewhere."""
        return None

    @property
    def is_up(self) -> bool:
        """Whether it can be asked."""
        return self.arrived.is_set() and not self._ended.done() and not self.why

    def kill(self) -> None:
        """It is told to stop, and not heard any more on this connection, which ends."""
        if not self._ended.done():
            self._ended.set_result(0)
            if self.arrived.is_set():
                super().ask_to_end()
                self._dismiss(self._token)

    def close(self, why: str) -> None:
        """Ends what is left of it."""
        super().close(why)
        self.kill()

    def ask_to_end(self) -> None:
        """Says stop; nobody can see whether it does."""
        self.kill()


class PluginRemote(PluginProcess):
    """One plugin that connects, under the name that its key is pinned to."""

    def __init__(self, host: Owner, name: str, bus: BusPeer, dismiss: Dismiss) -> None:
        super().__init__(host, Path(name), 0)
        self.path, self.known_as, self._bus, self._dismiss = f"remote {name}", name, bus, dismiss
        self.status = "waiting"

    async def start(self) -> None:
        """Begins to wait for it; who was named on the command line does not wait for it."""
        self._launch()
        self.settled.set()

    async def reload(self) -> None:
        """It reloads itself, where it runs."""
        raise ReloadRefused(f"{self.name} runs on another machine: start it again there.")

    def broken(self, life: Life, why: str) -> None:
        """It cannot be trusted with the next question."""
        self._broken(life, why)

    async def heard(self, identity: Identity, method: str, params: msgspec.Raw) -> object:
        """Answers what a connection asks; who is not awaited has to connect again."""
        life = self.life
        if not isinstance(life, RemoteLife) or life.ended.done() or life.why or self._stopping:
            self._dismiss(identity)
            raise PluginBusy(self.name, "is not awaited now: say hello again")
        if life.is_at(identity):
            return await life.answer(identity, method, params)
        if life.arrived.is_set():
            self.broken(life, "it connected anew")
        elif method == "hello":
            answer = await life.answer(identity, method, params)
            life.arrive(identity)
            return answer
        self._dismiss(identity)
        raise PluginBusy(self.name, "this connection has not said hello, or an older one has to end first: try again")

    def lost(self, identity: Identity, why: str) -> None:
        """One of its connections cannot be trusted any more."""
        self._dismiss(identity)
        if isinstance(self.life, RemoteLife) and self.life.is_at(identity):
            self.fail(why)

    def parted(self, way: str) -> None:
        """A connection has ended, of this plugin or of another."""
        if isinstance(self.life, RemoteLife) and self.life.came_by(way):
            self.fail("its connection ended")

    def _new_life(self) -> Life:
        self.begins()
        return RemoteLife(self, self._bus, self._dismiss)

    async def _spawn(self, life: Life) -> None:
        assert isinstance(life, RemoteLife)
        self.status = "waiting"
        self._open.set()  # who asks it now learns that it is not there
        arrived = asyncio.create_task(life.arrived.wait())
        await self._until(arrived)
        arrived.cancel()
        self._open.clear()
        self.status = "starting"

    async def _pause(self) -> bool:
        """A connection breaks more often than a process: there is no quarantine."""
        self._failures = [*self._failures[-len(PAUSES_SECONDS) :], 0.0]
        await self._until(seconds=PAUSES_SECONDS[min(len(self._failures), len(PAUSES_SECONDS)) - 1])
        return not self._stopping

    async def _end(self, life: Life, why: str = "") -> str:
        """As that of a process, of which there is none."""
        return await super()._end(life, why or self._how_it_ended(life))

    def _remove_socket(self, life: Life) -> None:
        """It has none of its own."""

    def _how_it_ended(self, life: Life) -> str:
        return life.why or "its connection ended"


class RemoteDoor:
    """Where remote plugins connect. `pins` are the plugins' public keys by their names."""

    def __init__(self, endpoint: str, directory: Path, pins: dict[str, bytes]) -> None:
        self._endpoint, self._directory, self._pins = endpoint, directory, pins
        self._plugins: dict[str, PluginRemote] = {}
        self._bus: BusPeer | None = None
        self._link: Link | None = None
        self._door: Door | None = None
        self._gate: Gate | None = None
        self._endpoint_of: Callable[[int, int], str] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._bus is not None

    def open(self, host: Owner) -> list[Plugin]:
        """Listens; the plugins that may come. EndpointRefused."""
        keys, address = kept_keys(self._directory / KEY_FILE), parse_address(self._endpoint.removeprefix("tcp://"))
        self._endpoint_of = host.endpoint
        self._gate = gate = Gate(address, self)
        self._door = door = Door(keys, self._pins, gate.prove)
        self._bus = bus = BusPeer(self._heard, broken=self._broken, limits=LIMITS)
        try:
            self._link = bus.guard(door)
            gate.open()
        except BaseException:
            self.close()
            raise

        def dismiss(identity: Identity) -> None:
            door.dismiss(identity)
            gate.dismiss(way_of(identity))

        self._plugins = {name: PluginRemote(host, name, bus, dismiss) for name in self._pins}
        log.info("remote plugins connect to %s: the node's key is %s", self._endpoint, keys.public.hex())
        return list(self._plugins.values())

    def close(self) -> None:
        """Listens no more."""
        if self._gate is not None:
            self._gate.close()
            self._gate = None
        if self._bus is not None:
            self._bus.close()
            self._bus = self._link = None
        if self._door is not None:
            self._door.close()
            self._door = None

    # --- what the gate asks
    def open_way(self, way: str) -> str:
        """A socket for one connection."""
        if self._link is None:
            raise EndpointRefused("remote plugins are not listened to any more")
        self._link.open_way(way, endpoint := self._way(way))
        return endpoint.removeprefix("ipc://")

    def close_way(self, way: str) -> None:
        """That connection is over, if it ever began."""
        if self._link is not None:
            self._link.close_way(way, self._way(way))
        for plugin in self._plugins.values():
            plugin.parted(way)

    def _way(self, way: str) -> str:
        assert self._endpoint_of is not None
        return self._endpoint_of(0, int(way))  # no process's: those begin with 1

    async def _heard(self, identity: Identity, method: str, params: msgspec.Raw) -> object:
        return await self._plugins[owner_of(identity)].heard(identity, method, params)

    def _broken(self, identity: Identity, why: str) -> None:
        if (plugin := self._plugins.get(owner_of(identity))) is not None:
            plugin.lost(identity, why)
