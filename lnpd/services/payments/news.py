"""Who hears of a payment, once it is stored?

Subscribers, by an event, and plugins, by a hook that nobody waits for.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Protocol

from lnpd.hooks.dispatch import Hooks
from lnpd.services.payments.circuits import Circuit
from lnpd.store.write import Write

log = logging.getLogger("lnpd.payments")


class Publisher(Protocol):
    """The log of events."""

    def record(self, write: Write, topic: str, payload: object) -> int:
        """Adds an event to a transaction."""
        ...

    def stored(self) -> None:
        """The transaction is committed."""
        ...


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
    """Tells of payments. Amounts in msat; bytes are lower-case hex.

    An event is a row of the transaction of what happened (`record_*`); waking subscribers and calling hooks is for
    after it (`tell_*`).
    """

    def __init__(self, hooks: Hooks, publisher: Publisher, tasks: Tasks) -> None:
        self._hooks, self._publisher, self._tasks = hooks, publisher, tasks

    def record_sent(self, write: Write, payment_hash: bytes, amount_msat: int) -> None:
        """A payment of ours arrived."""
        self._publisher.record(write, "payment_sent", _fields(payment_hash, amount_msat))

    def record_received(self, write: Write, payment_hash: bytes, amount_msat: int) -> None:
        """An invoice of ours is paid."""
        self._publisher.record(write, "payment_received", _fields(payment_hash, amount_msat))

    def record_failed(self, write: Write, payment_hash: bytes, amount_msat: int, why: str) -> None:
        """A payment of ours did not arrive, and nothing of it is in flight."""
        self._publisher.record(write, "payment_failed", {**_fields(payment_hash, amount_msat), "why": why})

    def record_forward(self, write: Write, circuit: Circuit) -> None:
        """A circuit ended."""
        payload: dict[str, str | int] = {
            **_fields(circuit.payment_hash, circuit.outgoing_msat),
            "incoming": circuit.incoming.channel,
            "outgoing": circuit.channel,
        }
        if circuit.state == "fulfilled":
            self._publisher.record(write, "forward_settled", {**payload, "fee_msat": circuit.fee_msat})
        else:
            self._publisher.record(write, "forward_failed", {**payload, "why": circuit.why})

    def tell_forward(self, circuit: Circuit) -> None:
        """After the transaction of `record_forward`."""
        self._publisher.stored()
        if circuit.state == "fulfilled":
            fields = {"incoming": circuit.incoming.channel, "outgoing": circuit.channel, "fee_msat": circuit.fee_msat}
            self._call("forward_settled", **_fields(circuit.payment_hash, circuit.outgoing_msat), **fields)

    def tell_sent(self, payment_hash: bytes, amount_msat: int, preimage: bytes) -> None:
        """After the transaction of `record_sent`."""
        self._publisher.stored()
        self._call("payment_sent", **_fields(payment_hash, amount_msat), preimage=preimage.hex())

    def tell_received(self, payment_hash: bytes, amount_msat: int) -> None:
        """After the transaction of `record_received`."""
        self._publisher.stored()
        self._call("payment_received", **_fields(payment_hash, amount_msat))

    def tell_failed(self) -> None:
        """After the transaction of `record_failed`."""
        self._publisher.stored()

    def _call(self, hook: str, **params: object) -> None:
        self._tasks.start(self._hooks.gather(hook, **params), f"hook {hook}")


def _fields(payment_hash: bytes, amount_msat: int) -> dict[str, str | int]:
    return {"payment_hash": payment_hash.hex(), "amount_msat": amount_msat}
