"""How does a program run a Lightning node that is not ours: LDK, in a process of its own, on a bitcoind of regtest?

    peer = await Ldk.start("ldk", bitcoind)
    bill = await peer("invoice", msat=1_000_000)
    await peer.event("PaymentClaimed", payment_hash=bill["payment_hash"])

Commands are those of peer.mjs beside this file, and so are its events; `get-ldk` brings the program.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from contrib.regtest.bitcoind import Bitcoind, got
from lnpd.testing import PATIENCE_SECONDS

Row = dict[str, Any]  # Any: an answer or an event of the peer, as JSON has it
ANSWER_SECONDS = 30
STOP_SECONDS = 5
LINE_BYTES = 1 << 22


def folder() -> str:
    """The folder of the peer's program. Raises Missing."""
    return got("ldk/get-ldk")


class Refused(Exception):
    """The peer did not do what it was told to."""


class Ldk:
    """An LDK node."""

    def __init__(self, name: str, process: Process, bitcoind: Bitcoind, settings: Row) -> None:
        self.name, self._process = name, process
        self._bitcoind, self._settings = bitcoind, settings
        self.events: list[Row] = []
        self.node_id = ""
        self.port = 0
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}  # Any: a result, as JSON has it
        self._ears: dict[asyncio.Future[Row], tuple[str, Row]] = {}  # who waits for which event with which fields
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, name: str, bitcoind: Bitcoind, **settings: object) -> Self:
        """A running node with a wallet of its own in bitcoind; `settings` are those of node.mjs. Raises Missing."""
        await asyncio.to_thread(bitcoind.call, "createwallet", name)
        return await cls._start(name, bitcoind, settings)

    @classmethod
    async def _start(cls, name: str, bitcoind: Bitcoind, settings: Row) -> Self:
        seed = hashlib.sha256(name.encode()).hexdigest()
        words = json.dumps({"rpc": bitcoind.url, "wallet": name, "seed": seed, **settings})
        with (bitcoind.directory / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                "node", f"{folder()}/peer.mjs", words, stdin=PIPE, stdout=PIPE, stderr=log, limit=LINE_BYTES
            )
        self = cls(name, process, bitcoind, settings)
        ready = await self.event("ready")
        self.node_id, self.port = ready["node"], ready["port"]
        return self

    async def cut(self) -> bytes:
        """What it had stored when the power was cut, at this moment or before; it has its setting `keep`."""
        if self._process.returncode is None:
            with suppress(Refused):  # it is gone before it answers
                await self("end", path=str(self._saved))
        await self._process.wait()
        return await asyncio.to_thread(self._saved.read_bytes)

    async def again(self, stored: bytes) -> Self:
        """A node that goes on from there, without the events of before."""
        await asyncio.to_thread(self._saved.write_bytes, stored)
        return await self._start(self.name, self._bitcoind, {**self._settings, "saved": str(self._saved)})

    @property
    def _saved(self) -> Path:
        return self._bitcoind.directory / f"{self.name}.json"

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for text in self._process.stdout:
            row = json.loads(text)
            if "event" in row:
                self._heard(row)
            elif (waiting := self._answers.pop(row["id"], None)) and not waiting.done():
                if "error" in row:
                    waiting.set_exception(Refused(row["error"]))
                else:
                    waiting.set_result(row["result"])
        self._give_up()

    def _heard(self, row: Row) -> None:
        self.events.append(row)
        if row["event"] == "fatal":
            self._give_up()
        for ear, (event, fields) in self._ears.items():
            if not ear.done() and row["event"] == event and fields.items() <= row.items():
                ear.set_result(row)

    def _give_up(self) -> None:
        """Whoever waits is told that it is in vain."""
        for waiting in (*self._answers.values(), *self._ears):
            if not waiting.done():
                waiting.set_exception(Refused(f"{self.name} has ended: {self.events[-1:]}"))

    async def __call__(self, command: str, **more: object) -> Any:  # Any: what JSON holds
        """The result of a command. Raises Refused."""
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "command": command, **more}).encode() + b"\n")
        try:
            return await asyncio.wait_for(answer, ANSWER_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{self.name} does not answer {command}; the last: {self.events[-8:]}") from None

    def heard(self, event: str, **fields: object) -> list[Row]:
        """Events of this name with these fields, in order."""
        return [row for row in self.events if row["event"] == event and fields.items() <= row.items()]

    async def event(self, event: str, **fields: object) -> Row:
        """The first such event, as soon as there is one. Raises Refused if the peer ends first."""
        if found := self.heard(event, **fields):
            return found[0]
        if self.heard("fatal"):
            raise Refused(f"{self.name} has ended: {self.events[-1:]}")
        ear: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self._ears[ear] = event, fields
        try:
            return await asyncio.wait_for(ear, PATIENCE_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{self.name} has no {event} {fields}; the last: {self.events[-8:]}") from None
        finally:
            del self._ears[ear]

    async def channel(self, channel_id: str) -> Row:
        """A channel as LDK has it; empty when it is gone."""
        return next((row for row in await self("channels") if row["channel"] == channel_id), {})

    async def paid(self, invoice: str, **more: object) -> Row:
        """Pays; the event PaymentSent."""
        started = await self("pay", invoice=invoice, **more)
        return await self.event("PaymentSent", payment_hash=started["payment_hash"])

    async def stop(self) -> None:
        """Ends it; its channels are lost."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self._process.kill()
        await self._reading
