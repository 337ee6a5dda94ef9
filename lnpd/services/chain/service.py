"""How do several nodes use one regtest chain that lives in another process?

`serve_chain` answers for an embedded chain; `RemoteChain` is a ChainBackend, and a regtest chain's mining hand, that
asks there. Each client has a view of its own, with its own watches. A client keeps its watches too: a server that was
started again does not know it (UnknownChainClient), is told them, and is asked once more. Hints are fetched by a call
that waits for them at the server; one that is lost costs the client nothing but time.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from lnpd.bus.peer import BusPeer
from lnpd.bus.service import remote, serve
from lnpd.chain.embedded import ChainView, EmbeddedChain
from lnpd.chain.interface import (
    MAX_WATCHES,
    BlockRef,
    BlockSummary,
    BroadcastResult,
    ChainBackend,
    ChainDelta,
    ChainEvent,
    ChainTip,
    FoundTransaction,
    NewTip,
    Outpoint,
    Output,
    Watch,
)
from lnpd.chain.kernel import ANYONE_SCRIPT
from lnpd.chain.observer import EventStream
from lnpd.errors import (
    ChainError,
    ChainUnreachable,
    DeadlineMissed,
    LinkOverflow,
    RemoteFault,
    UnknownChainClient,
    WatchesTooMany,
)
from lnpd.services.chain.parcel import Parcel, pack, unpack

MAX_CLIENTS: Final = 64
WATCHES_A_CALL: Final = 10_000
MAX_HEAR_SECONDS: Final = 2.0
DEADLINE_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 0.5

SILENT: Final = (DeadlineMissed, LinkOverflow, RemoteFault)

T = TypeVar("T")


class ChainCalls(Protocol):
    """What the server answers: ChainBackend's questions, with the client where a view is meant, and regtest's own."""

    async def attach(self, client: bytes) -> None:
        """Makes a view for a client, if it has none."""
        ...

    async def detach(self, client: bytes) -> None:
        """The client is gone."""
        ...

    async def hear(self, client: bytes, seconds: float) -> tuple[ChainEvent, ...]:
        """Events since the last call; waits so long for one, MAX_HEAR_SECONDS at most."""
        ...

    async def watch(self, client: bytes, watches: tuple[Watch, ...]) -> None:
        """As ChainBackend's; so are those below."""
        ...

    async def unwatch(self, client: bytes, watches: tuple[Watch, ...]) -> None: ...

    async def blocks_since(self, client: bytes, block: BlockRef) -> Parcel: ...

    async def scan(self, watches: tuple[Watch, ...], from_height: int) -> Parcel: ...

    async def best_block(self) -> BlockRef: ...

    async def tip(self) -> ChainTip: ...

    async def feerate(self, target_blocks: int) -> int: ...

    async def broadcast(self, txs: tuple[bytes, ...]) -> BroadcastResult: ...

    async def block_at(self, height: int) -> BlockSummary | None: ...

    async def unspent(self, script: bytes) -> tuple[Output, ...]: ...

    async def output(self, outpoint: Outpoint) -> Output | None: ...

    async def transaction(self, txid: bytes) -> FoundTransaction | None: ...

    async def set_feerate(self, per_kw: int) -> None:
        """What every client's estimates are from now on."""
        ...

    async def mine(self, count: int, script: bytes) -> list[BlockRef]:
        """As EmbeddedChain's; so are those below."""
        ...

    async def fund(self, script: bytes, amount_sat: int) -> Outpoint: ...

    async def reorganise(self, depth: int, new_length: int, txs: tuple[bytes, ...]) -> list[BlockRef]: ...


# The server


class _Client:
    """A client's view, and what it has not heard yet."""

    def __init__(self, view: ChainView) -> None:
        self.view = view
        self.events: EventStream = view.events()
        self.next: asyncio.Task[ChainEvent] | None = None

    async def hear(self, seconds: float) -> tuple[ChainEvent, ...]:
        """The next event, if one comes in time; who comes back goes on waiting for the same one."""
        if self.next is None:
            self.next = asyncio.ensure_future(anext(self.events))
        done, _ = await asyncio.wait({self.next}, timeout=min(seconds, MAX_HEAR_SECONDS))
        if not done:
            return ()
        self.next = None
        with suppress(StopAsyncIteration):
            return (done.pop().result(),)
        return ()

    async def end(self) -> None:
        """The client is gone."""
        if self.next is not None:
            self.next.cancel()
        with suppress(ChainError):
            await self.view.detach()


class ChainServer:
    """Answers ChainCalls for an embedded chain. What names no client is asked of the chain itself."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self._chain = chain
        self._clients: OrderedDict[bytes, _Client] = OrderedDict()
        self.peer: BusPeer | None = None
        self.best_block = chain.best_block
        self.tip = chain.tip
        self.feerate = chain.feerate
        self.set_feerate = chain.set_feerate
        self.broadcast = chain.broadcast
        self.block_at = chain.block_at
        self.unspent = chain.unspent
        self.output = chain.output
        self.transaction = chain.transaction
        self.mine = chain.mine
        self.fund = chain.fund
        self.reorganise = chain.reorganise

    async def attach(self, client: bytes) -> None:
        """Makes a view; the client that spoke longest ago makes room, and attaches again if it lives."""
        if client in self._clients:
            return
        self._clients[client] = _Client(self._chain.view())
        if len(self._clients) > MAX_CLIENTS:
            _, oldest = self._clients.popitem(last=False)
            await oldest.end()

    async def detach(self, client: bytes) -> None:
        """Forgets a client."""
        known = self._clients.pop(client, None)
        if known is not None:
            await known.end()

    async def hear(self, client: bytes, seconds: float) -> tuple[ChainEvent, ...]:
        """The client's next event."""
        return await self._client(client).hear(seconds)

    async def watch(self, client: bytes, watches: tuple[Watch, ...]) -> None:
        """Watches for more."""
        await self._client(client).view.watch(watches)

    async def unwatch(self, client: bytes, watches: tuple[Watch, ...]) -> None:
        """Watches for less."""
        await self._client(client).view.unwatch(watches)

    async def blocks_since(self, client: bytes, block: BlockRef) -> Parcel:
        """What happened to the client's watches."""
        return pack(await self._client(client).view.blocks_since(block))

    async def scan(self, watches: tuple[Watch, ...], from_height: int) -> Parcel:
        """What happened to these watches."""
        return pack(await self._chain.scan(watches, from_height))

    async def close(self) -> None:
        """Answers no more. The chain stays open."""
        if self.peer is not None:
            self.peer.close()
        for client in self._clients.values():
            await client.end()
        self._clients.clear()

    def _client(self, client: bytes) -> _Client:
        known = self._clients.get(client)
        if known is None:
            raise UnknownChainClient("The chain's process was started again, or has forgotten this client.")
        self._clients.move_to_end(client)
        return known


def serve_chain(chain: EmbeddedChain, endpoint: str) -> ChainServer:
    """Serves a chain at an endpoint until the server is closed. Raises EndpointRefused."""
    server = ChainServer(chain)
    server.peer = serve(server, ChainCalls, endpoint)
    return server


# The client


class RemoteChain:
    """A chain that `serve_chain` serves. Its methods are ChainBackend's and EmbeddedChain's for mining.

    What the server raises comes out as it is if it is one of lnpd.errors; ChainUnreachable if it does not answer.
    """

    may_hide = False

    def __init__(self, endpoint: str, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._client = b""  # the present attachment; the server knows all our watches under it
        self._attaching = asyncio.Lock()
        self._hear_seconds = min(MAX_HEAR_SECONDS, deadline_seconds / 2)
        self._watches: set[Watch] = set()
        self._streams: list[EventStream] = []
        self._listener: asyncio.Task[None] | None = None
        calls, self._peer = remote(ChainCalls, endpoint, deadline_seconds=deadline_seconds)  # type: ignore[type-abstract]  # it makes the class
        self._calls: ChainCalls = calls

    async def close(self) -> None:
        """Takes leave of the server, if it answers at once."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        for stream in self._streams:
            stream.close()
        with suppress(*SILENT, TimeoutError):
            async with asyncio.timeout(1):
                await self._calls.detach(self._client)
        self._peer.close()

    async def watch(self, watches: Iterable[Watch]) -> None:
        """Watches for more. Raises WatchesTooMany."""
        wanted = self._watches | set(watches)
        if len(wanted) > MAX_WATCHES:
            raise WatchesTooMany(f"A client of the chain watches {MAX_WATCHES} things at most.")
        new = wanted - self._watches
        self._watches = wanted  # first: should the server forget us in between, it is told all of them
        await self._tell(self._calls.watch, new)

    async def unwatch(self, watches: Iterable[Watch]) -> None:
        """Watches for less."""
        old = self._watches & set(watches)
        self._watches -= old
        await self._tell(self._calls.unwatch, old)

    async def blocks_since(self, block: BlockRef) -> ChainDelta:
        """What happened to the watches since a block. Raises UnknownBlock."""
        return unpack(await self._ask(lambda: self._calls.blocks_since(self._client, block)))

    async def scan(self, watches: Iterable[Watch], from_height: int) -> ChainDelta:
        """What happened to some watches from a height on."""
        some = tuple(watches)
        return unpack(await self._ask(lambda: self._calls.scan(some, from_height)))

    async def best_block(self) -> BlockRef:
        """The tip of the best chain."""
        return await self._ask(self._calls.best_block)

    async def tip(self) -> ChainTip:
        """The same with its time."""
        return await self._ask(self._calls.tip)

    async def feerate(self, target_blocks: int) -> int:
        """The rate that was set."""
        return await self._ask(lambda: self._calls.feerate(target_blocks))

    async def set_feerate(self, per_kw: int) -> None:
        """Sets what is estimated from now on, for every client."""
        await self._ask(lambda: self._calls.set_feerate(per_kw))

    async def broadcast(self, txs: tuple[bytes, ...]) -> BroadcastResult:
        """Offers one transaction, or a parent and its child."""
        return await self._ask(lambda: self._calls.broadcast(txs))

    async def block_at(self, height: int) -> BlockSummary | None:
        """The block of the best chain at a height."""
        return await self._ask(lambda: self._calls.block_at(height))

    async def unspent(self, script: bytes) -> tuple[Output, ...]:
        """The outputs that pay to a script and that nobody spends."""
        return await self._ask(lambda: self._calls.unspent(script))

    async def output(self, outpoint: Outpoint) -> Output | None:
        """An output that no block of the best chain spends."""
        return await self._ask(lambda: self._calls.output(outpoint))

    async def transaction(self, txid: bytes) -> FoundTransaction | None:
        """A transaction of the best chain or the mempool."""
        return await self._ask(lambda: self._calls.transaction(txid))

    async def mine(self, count: int = 1, script: bytes = ANYONE_SCRIPT) -> list[BlockRef]:
        """Mines blocks; see EmbeddedChain."""
        return await self._ask(lambda: self._calls.mine(count, script))

    async def fund(self, script: bytes, amount_sat: int) -> Outpoint:
        """Pays from the faucet and mines the payment. Raises FaucetDry."""
        return await self._ask(lambda: self._calls.fund(script, amount_sat))

    async def reorganise(self, depth: int, new_length: int, txs: Iterable[bytes] = ()) -> list[BlockRef]:
        """Replaces the last blocks by others; see EmbeddedChain."""
        some = tuple(txs)
        return await self._ask(lambda: self._calls.reorganise(depth, new_length, some))

    def events(self) -> EventStream:
        """Events from now on; a NewTip also when the server was started again."""
        stream = EventStream()
        self._streams.append(stream)
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        return stream

    # --- how

    async def _tell(self, call: Callable[[bytes, tuple[Watch, ...]], Awaitable[None]], watches: set[Watch]) -> None:
        left = tuple(watches)
        for start in range(0, len(left), WATCHES_A_CALL):
            part = left[start : start + WATCHES_A_CALL]
            await self._ask(lambda part=part: call(self._client, part))  # type: ignore[misc]  # mypy: a default argument

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        client = self._client
        try:
            try:
                return await question()
            except UnknownChainClient:
                await self._attach(client)
                return await question()
        except SILENT as error:
            raise ChainUnreachable(f"The chain's process does not answer: {error}.") from None

    async def _attach(self, lost: bytes) -> None:
        """Attaches under a new name, which is used only when the server knows every watch: nobody may be answered by
        a view that lacks some."""
        async with self._attaching:
            if self._client != lost:
                return  # somebody else did
            client, everything = secrets.token_bytes(16), tuple(self._watches)
            await self._calls.attach(client)
            for start in range(0, len(everything), WATCHES_A_CALL):
                await self._calls.watch(client, everything[start : start + WATCHES_A_CALL])
            self._client = client

    async def _listen(self) -> None:
        heard = b""
        while True:
            try:
                client = self._client
                if not client or client != heard:  # what happened while nobody listened is news to whoever waits
                    await self._ask(lambda: self._attach(b""))
                    heard = client = self._client
                    self._spread(NewTip(await self.best_block()))
                async with asyncio.timeout(2 * self._hear_seconds):
                    for event in await self._calls.hear(client, self._hear_seconds):
                        self._spread(event)
            except UnknownChainClient:
                with suppress(ChainError):
                    await self._ask(lambda: self._attach(client))  # noqa: B023  it runs at once
            except (ChainError, TimeoutError, *SILENT):  # ChainPulse says it, of every backend
                await asyncio.sleep(RETRY_SECONDS)

    def _spread(self, event: ChainEvent) -> None:
        for stream in self._streams:
            stream.put(event)


if TYPE_CHECKING:
    _A_REMOTE_CHAIN_IS_A_BACKEND: type[ChainBackend] = RemoteChain
    _A_SERVER_ANSWERS: Callable[[EmbeddedChain], ChainCalls] = ChainServer
