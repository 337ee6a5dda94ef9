"""How does a plugin run in the node's own process?

The object that `Plugin.run` would serve from a process of its own is asked directly. Questions, answers and errors are
encoded and decoded all the same, so that the plugin cannot tell the difference, and neither can a commitment. There is
no process to end: a plugin that hangs without awaiting hangs the node. For benchmarks, tests, and code that is trusted
as the node itself is.
"""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import CallFailed, Fault
from lnpd_sdk.manifest import Manifest
from lnpd_sdk.questions import Init

from lnpd.errors import PluginFault, PluginLate
from lnpd.hooks.trace import trace_id
from lnpd.services.plugins.calls import Owner, Plugin

INIT_SECONDS = 10.0
STOP_SECONDS = 3.0


class PluginObject(Protocol):
    """What the node needs of a plugin object: lnpd_sdk.plugin.Plugin has it."""

    name: str

    def manifest(self) -> Manifest:
        """What it declares."""
        ...

    async def answer(self, method: str, params: bytes | msgspec.Raw) -> object:
        """Answers one question."""
        ...

    async def end(self) -> None:
        """Its last moment."""
        ...

    def attach(self, call: Callable[[str, object], Awaitable[msgspec.Raw]]) -> None:
        """Gives it its way to the node."""
        ...


class PluginHere(Plugin):
    """One plugin in this process."""

    def __init__(self, host: Owner, plugin: PluginObject) -> None:
        super().__init__(host, plugin.name, "in this process")
        self._plugin = plugin

    @property
    def pid(self) -> int | None:
        """This process's id."""
        return os.getpid() if self.status == "ready" else None

    async def start(self) -> None:
        """Registers it; raises what is wrong with its manifest."""
        manifest = envelope.decode(envelope.encode(self._plugin.manifest()), Manifest)
        options = await self.host.options(self, manifest)
        self.enrol(manifest)
        self._plugin.attach(self._serve)
        self.status = "ready"
        await self.call("init", Init(options), INIT_SECONDS)
        self.status = "ready"
        self.begins()
        await self.host.joined(self)

    async def stop(self) -> None:
        """What it registered leaves."""
        if self.status == "ready":
            with contextlib.suppress(Exception):  # the author's code may raise anything, and it ends anyway
                await asyncio.wait_for(self._plugin.end(), STOP_SECONDS)
        self.status = "stopped"
        await self.host.left(self)

    def fail(self, why: str) -> None:
        """Remembers it; there is no process to end."""
        self.faults += 1
        self.why = why

    async def call(self, method: str, params: object, deadline_seconds: float) -> bytes:
        """As PluginProcess.call."""
        if self.status != "ready":
            raise PluginFault(self.name, "is not running")
        try:
            async with asyncio.timeout(deadline_seconds):
                answer = await self._plugin.answer(method, envelope.raw(params))
            return envelope.encode(answer)
        except TimeoutError:
            raise PluginLate(self.name, f"no answer to {method} within {deadline_seconds} s") from None
        except Exception as error:  # the author's code may raise anything
            raise _failed(error) from None

    async def _serve(self, method: str, params: object) -> msgspec.Raw:
        try:
            return envelope.raw(await self.served(method, envelope.raw(params), trace_id()))
        except Exception as error:
            raise _failed(error) from None


def _failed(error: Exception) -> CallFailed:
    fault = Fault.of(0, error)
    return CallFailed(fault.code, fault.text)
