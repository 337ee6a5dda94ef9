"""How does the signer run in a process of its own? This file is both its program and the handle that the node has.

    node                                    python -m lnpd.services.signer.process
      Start, one JSON line on stdin  --->   opens the seed file and its store
      <---  Started, one JSON line          serves Signer at the endpoint
      stdin closed (the node ended)  --->   closes the store and ends

The passphrase goes through the pipe: arguments and environment can be read by others. No other process opens the seed
file; a new one is written here too.
"""

import asyncio
import gc
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec.structs import astuple

import lnpd.errors
from lnpd.bus.peer import BusPeer
from lnpd.bus.service import remote, serve
from lnpd.crypto.hd import BITCOIN_COIN, TEST_COIN, Master
from lnpd.errors import LnpdError, PlainSeedRefused, SeedFileMalformed, SignerEnded
from lnpd.services.interfaces import Signer
from lnpd.services.logs.children import relay, speak
from lnpd.services.signer.durable import DurableSigner
from lnpd.services.signer.keys import NO_OVERRIDES, FixedChannelSecrets, Keys, Overrides
from lnpd.services.signer.seed import Seed, create_seed, open_seed
from lnpd.store.store import Store

MAX_LINE_BYTES: Final = 16_384
START_SECONDS: Final = 60.0  # scrypt takes a second, on a small machine some
STOP_SECONDS: Final = 5.0
# What the process inherits; the rest of the node's environment is not its business.
ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "PYTHONPATH", "COVERAGE_PROCESS_START")


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the process is told. `create` is a seed to be written first, to a file that must not exist."""

    seed_file: str
    directory: str  # of the signer's own store
    network: str
    endpoint: str
    passphrase: str | None = None
    plain: bool = False
    create: Seed | None = None
    node_secret: bytes = b""
    channel_secrets: FixedChannelSecrets | None = None

    def __repr__(self) -> str:
        return f"Start({self.seed_file})"


class Started(msgspec.Struct, frozen=True, tag="started"):
    """It serves. `node_id` is what the seed's node key gives."""

    node_id: bytes


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It cannot, and ends; `code` is the error's class."""

    code: str
    text: str


class SignerProcess:
    """The node's handle of a running signer: `signer` is asked, `stop` ends it."""

    def __init__(self, process: asyncio.subprocess.Process, signer: Signer, peer: BusPeer, node_id: bytes) -> None:
        self.signer, self.node_id = signer, node_id
        self._process, self._peer = process, peer

    @classmethod
    async def start(cls, start: Start) -> "SignerProcess":
        """Start the process and wait until it serves.

        Raises what opening the seed or the store raises there (SeedError, WrongPassphrase, StoreError), SignerEnded.
        """
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, limit=MAX_LINE_BYTES
        )
        relay(process, "signer")
        try:
            answer = await _started(process, start)
            signer, peer = remote(Signer, start.endpoint)  # type: ignore[type-abstract]  # a Protocol is its interface
        except BaseException:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        return cls(process, signer, peer, answer.node_id)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def ended(self) -> int:
        """Returns its exit status once it ends: the node cannot go on without it."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Let it store what waits and end; it is killed if that takes too long."""
        self._peer.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


async def _started(process: asyncio.subprocess.Process, start: Start) -> Started:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(msgspec.json.encode(start) + b"\n")
    try:
        async with asyncio.timeout(START_SECONDS):
            await process.stdin.drain()
            line = await process.stdout.readline()
        answer = msgspec.json.decode(line, type=Started | Failed)
    except (TimeoutError, OSError, ValueError, msgspec.MsgspecError):
        raise SignerEnded("The signer's process ended, or did not answer, before it could serve.") from None
    if isinstance(answer, Started):
        return answer
    kind = getattr(lnpd.errors, answer.code, None)
    if isinstance(kind, type) and issubclass(kind, LnpdError):
        error = kind.__new__(kind)
        error.args = (answer.text,)
        raise error
    raise SignerEnded(f"The signer's process failed to start: {answer.code}: {answer.text}")


# The program


def master_of(start: Start) -> Master:
    """The keys' root: from the seed file, which is written first if a seed to be created is given."""
    path = Path(start.seed_file)
    bitcoin = start.network == "bitcoin"
    if bitcoin and (start.plain or start.node_secret or start.channel_secrets):
        raise PlainSeedRefused("Bitcoin needs a passphrase and refuses developer's secrets.")
    if start.create is not None:
        create_seed(path, start.create, start.passphrase, plain=start.plain)
    return open_seed(path, start.passphrase, plain=start.plain).master(BITCOIN_COIN if bitcoin else TEST_COIN)


def _opened(start: Start) -> tuple[DurableSigner, Store]:
    overrides = NO_OVERRIDES
    if start.node_secret or start.channel_secrets:
        overrides = Overrides(start.node_secret, start.channel_secrets)
    return DurableSigner.open(Keys(master_of(start), overrides), Path(start.directory), start.network)


async def _serve(signer: DurableSigner, start: Start) -> None:
    peer = serve(signer, Signer, start.endpoint)
    try:
        _say(Started(await signer.node_id()))
        # The pipe's end is the node's end: a signer without its node has nobody to answer.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read, 1)
    finally:
        peer.close()


def _say(answer: Started | Failed) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


def _read_start() -> Start:
    line = sys.stdin.buffer.readline(MAX_LINE_BYTES)
    try:
        return msgspec.json.decode(line, type=Start)
    except (msgspec.MsgspecError, RecursionError):
        raise SeedFileMalformed("The signer's process was started without being told what to open.") from None


def main() -> Literal[0, 1]:
    """Serve until the node ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a key that stops the node stops its whole group; the pipe says when
    try:
        start = _read_start()
        speak(start.passphrase, start.node_secret, *(astuple(start.channel_secrets) if start.channel_secrets else ()))
        signer, store = _opened(start)
        gc.freeze()  # what is loaded is never garbage, and need not be looked at when the interpreter ends
    except LnpdError as error:
        _say(Failed(type(error).__name__, str(error)))
        return 1
    try:
        asyncio.run(_serve(signer, start))
    except LnpdError as error:
        _say(Failed(type(error).__name__, str(error)))
        return 1
    finally:
        store.close_sync()
    return 0


if __name__ == "__main__":
    sys.exit(main())
