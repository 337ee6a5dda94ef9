"""How does a program get a bitcoind of its own: on regtest, with a directory and ports that nobody else has?

`contrib/regtest/get-bitcoind` says where bitcoind is. Each one ends with the program that started it, at the latest.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import subprocess
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from lnpd.bus.subscription import Subscription
from lnpd.chain.bitcoind.address import BitcoindAddress, Login
from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.testing import LOCAL, free_port

CONTRIB = Path(__file__).resolve().parents[1]
GET_SECONDS = 600
START_SECONDS = 60
STOP_SECONDS = 60


class Missing(Exception):
    """A program is not on this machine and cannot be got; the text says why."""


@functools.cache
def _asked(script: Path) -> tuple[str, str]:
    done = subprocess.run([script], capture_output=True, text=True, timeout=GET_SECONDS)
    lines = done.stderr.strip().splitlines()
    return done.stdout.strip(), lines[-1] if lines else "it gives no reason"


def got(script: str) -> str:
    """What a script below contrib that gets a program prints: where it is. Raises Missing."""
    path, why = _asked(CONTRIB / script)
    if not path:
        raise Missing(why)
    return path


def program() -> str:
    """The path of bitcoind. Raises Missing."""
    return got("regtest/get-bitcoind")


@functools.cache
def policy() -> tuple[str, ...]:
    """Options that make every bitcoind relay alike: Knots keeps to BIP 431 only when told to, as Core always does."""
    version = subprocess.run([program(), "-version"], capture_output=True, text=True, timeout=60).stdout
    return ("-mempooltruc=enforce",) if "Knots" in version else ()


class RpcError(Exception):
    """bitcoind refused a call."""


class Bitcoind:
    """A bitcoind process on regtest. `options` are words of its command line."""

    def __init__(self, directory: Path, *options: str, notify: bool = True, chain: str = "regtest") -> None:
        self.directory, self.options, self.chain = directory, options, chain
        self.rpc_port, self.notify_port = free_port(), free_port()
        self.notify = notify
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def cookie(self) -> Path:
        """The cookie of the present run."""
        return self.directory / self.chain / ".cookie"

    @property
    def address(self) -> BitcoindAddress:
        """Where it answers."""
        return BitcoindAddress(LOCAL, self.rpc_port, Login(cookie=self.cookie))

    @property
    def url(self) -> str:
        """The same for `lnpd --bitcoind`, with the present cookie as password."""
        return f"http://{self.cookie.read_text().strip()}@{LOCAL}:{self.rpc_port}"

    def start(self) -> None:
        """Starts it; returns when it answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "bitcoin.conf").write_text(f"[{self.chain}]\nrpcport={self.rpc_port}\n")
        endpoint = f"tcp://{LOCAL}:{self.notify_port}"
        words = [
            program(), f"-chain={self.chain}", f"-datadir={self.directory}",
            "-server=1", "-listen=0", "-listenonion=0", "-dnsseed=0", "-fixedseeds=0", "-natpmp=0", "-daemon=0",
            "-disablewallet=1", "-printtoconsole=0", "-dbcache=16", "-fallbackfee=0.0001", "-maxconnections=8",
            *([f"-zmqpubhashblock={endpoint}", f"-zmqpubsequence={endpoint}"] if self.notify else []),
            *policy(), *self.options,
        ]  # fmt: skip
        with (self.directory / "output").open("ab") as output:
            self._process = subprocess.Popen(words, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        atexit.register(self.kill)
        self._await_answer()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(OSError, RpcError, ValueError):
                self.call("getblockchaininfo")
                return
            process = self._process
            if process is None or process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"bitcoind did not start: {(self.directory / 'output').read_text()[-1000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it as an operator does; it can be started again."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_SECONDS)
            self.kill()

    def kill(self) -> None:
        """Ends it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            atexit.unregister(self.kill)

    def call(self, method: str, *params: object, wallet: str = "") -> Any:
        """An RPC, by another client than the node's own; `wallet` is one of bitcoind's. Raises RpcError."""
        connection = HTTPConnection(LOCAL, self.rpc_port, timeout=120)
        try:
            login = b64encode(self.cookie.read_bytes().strip()).decode()
            body = json.dumps({"method": method, "params": params, "id": 0})
            path = f"/wallet/{wallet}" if wallet else "/"
            connection.request("POST", path, body, {"Authorization": f"Basic {login}"})
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer["error"]:
            raise RpcError(f"{method}: {answer['error']}")
        return answer["result"]

    async def view(self, *, poll_seconds: float | None = 0.2, notify: bool = True) -> RegtestBitcoind:
        """A new view of it, as a node has one."""
        return await RegtestBitcoind.open(
            self.address, "regtest", subscribe=Subscription if notify else None, poll_seconds=poll_seconds
        )


@asynccontextmanager
async def a_bitcoind(directory: Path, *options: str, **more: Any) -> AsyncIterator[Bitcoind]:  # Any: Bitcoind's
    """A running bitcoind, below a directory. Raises Missing."""
    made = Bitcoind(directory / "bitcoind", *options, **more)
    await asyncio.to_thread(made.start)
    try:
        yield made
    finally:
        await asyncio.to_thread(made.kill)
