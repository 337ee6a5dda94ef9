"""Who hears of a payment, once it is stored?

Subscribers, by an event, and plugins, by a hook that nobody waits for.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from lnpd.hooks.dispatch import Hooks

log = logging.getLogger("lnpd.payments")

Fields = Mapping[str, str | int | bool]
Publish = Callable[[str, Fields], object]


class Tasks:
    """What runs beside its caller; a failure is logged, for nobody waits for it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()  # Any: their results are dropped

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run this until it ends, or until `stop`."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Cancel all and wait for their ends."""
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)


class News:
    """Tells of payments. Amounts in msat; bytes are lower-case hex."""

    def __init__(self, hooks: Hooks, publish: Publish, tasks: Tasks) -> None:
        self._hooks, self._publish, self._tasks = hooks, publish, tasks

    def sent(self, payment_hash: bytes, amount_msat: int, preimage: bytes) -> None:
        """A payment of ours arrived."""
        fields: Fields = {"payment_hash": payment_hash.hex(), "amount_msat": amount_msat}
        self._publish("payment_sent", fields)
        self._call("payment_sent", **fields, preimage=preimage.hex())

    def failed(self, payment_hash: bytes, amount_msat: int, why: str) -> None:
        """A payment of ours did not arrive, and nothing of it is in flight."""
        self._publish("payment_failed", {"payment_hash": payment_hash.hex(), "amount_msat": amount_msat, "why": why})

    def received(self, payment_hash: bytes, amount_msat: int) -> None:
        """An invoice of ours is paid."""
        fields: Fields = {"payment_hash": payment_hash.hex(), "amount_msat": amount_msat}
        self._publish("payment_received", fields)
        self._call("payment_received", **fields)

    def _call(self, hook: str, **params: object) -> None:
        self._tasks.start(self._hooks.gather(hook, **params), f"hook {hook}")
