"""How does a test get what RGB wallets need: a bitcoind, an Electrum server upon it, and rgb-lib?

One world is shared by all tests of a process, for its start takes longer than most of them; it runs in a thread of its
own, and each test in its own event loop. Each wallet is new.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import shutil
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

from contrib.regtest.bitcoind import Missing
from lnpd.chain.interface import Outpoint
from rgb_engine import binding
from rgb_engine.engine import Engine
from rgb_engine.errors import LibraryMissing
from tests.chain.worlds import World, a_world
from tests.interop.bitcoind import Bitcoind, needed
from tests.interop.electrum import ElectrumServer

T = TypeVar("T")
NETWORK = "regtest"
TICKER = "USDX"
ISSUED = 100_000
COINS_SAT = 5_000_000


class RgbWorld:
    """A chain with an Electrum server. Its coroutines are awaited in any loop."""

    def __init__(self) -> None:
        folder = mkdtemp(prefix="rgb-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # as the last one: bitcoind has ended by then
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        opening = self._stack.enter_async_context(a_world("electrum", Path(folder)))
        self.world: World = asyncio.run_coroutine_threadsafe(opening, self._loop).result()
        atexit.register(self._stop)

    @property
    def server(self) -> ElectrumServer:
        """The Electrum server."""
        assert isinstance(self.world.server, ElectrumServer)
        return self.world.server

    @property
    def bitcoind(self) -> Bitcoind:
        """What it stands upon."""
        return self.server.bitcoind

    @property
    def electrum(self) -> str:
        """The server, as rgb-lib wants it named."""
        return f"tcp://{self.server.tcp}"

    async def mine(self, blocks: int = 1) -> None:
        """Blocks with what waits; the server knows them then."""
        await self._there(self.world.hand.mine(blocks))

    async def broadcast(self, transaction: bytes) -> None:
        """A transaction that the server knows then."""
        await self._there(self.world.hand.broadcast((transaction,)))

    async def settled(self) -> None:
        """Returns once the server knows what bitcoind does: it asks now and then."""
        await self._there(self.world.hand.settled())

    async def fund(self, address: str, amount_sat: int) -> None:
        """Confirmed coins at an address."""
        found = await asyncio.to_thread(self.bitcoind.call, "validateaddress", address)
        await self.coin(bytes.fromhex(found["scriptPubKey"]), amount_sat)

    async def coin(self, script: bytes, amount_sat: int) -> Outpoint:
        """A confirmed coin of a script."""
        found = await self._there(self.world.hand.fund(script, amount_sat))
        await self.mine()
        return found

    async def wallet(self, folder: Path, coins_sat: int = COINS_SAT) -> Engine:
        """A new wallet, with coins unless there are to be none."""
        await asyncio.to_thread(folder.mkdir)
        engine = Engine(folder, NETWORK, self.electrum)
        if coins_sat:
            await self.fund(await engine.address(), coins_sat)
        return engine

    async def issuer(self, folder: Path) -> tuple[Engine, str]:
        """A wallet with 100,000 USDX that can be spent, and the asset's id."""
        engine = await self.wallet(folder)
        return engine, (await engine.issue(TICKER, "US dollars", 0, ISSUED)).asset_id

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _stop(self) -> None:
        """Before the two servers end, which they do by themselves."""
        asyncio.run_coroutine_threadsafe(self._end_tasks(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@functools.cache
def _world() -> RgbWorld:
    return RgbWorld()


def _version() -> str:
    try:
        binding.load()
    except LibraryMissing as error:
        raise Missing(str(error)) from None
    return binding.VERSION


def rgb_world() -> RgbWorld:
    """The world of this process. Skips the test where rgb-lib or bitcoind is missing; fails it in CI."""
    needed("rgb-lib", _version)
    return _world()
