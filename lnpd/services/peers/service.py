"""Who is connected to this node, and how do messages get from them to their channels and back?

listen, connect      TCP, handshake, admission by the hook peer_connecting, `init`       (connection.py)
one link a node id   the newest stays; the router hears of one connection after the other
a link is lost       whoever has channels with us is dialled again                       (reconnect.py)
strangers            bounded before `init` and after it                                  (limits.py)
"""

import asyncio
import errno
import logging
from collections.abc import Coroutine
from typing import Any, Final
from weakref import WeakValueDictionary

from lnpd.errors import (
    ConnectionClosed,
    ConnectionLost,
    ConnectionReplaced,
    ListenRefused,
    LnpdError,
    PeerAddressUnknown,
    PeerNotConnected,
    PeerTurnedAway,
    PeerUnreachable,
    ProtocolError,
)
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.features import PluginFeatures
from lnpd.hooks.records import Received
from lnpd.peer.greeting import Greeting, Records
from lnpd.peer.liveness import Timeouts
from lnpd.peer.session import USUAL_TIMEOUTS
from lnpd.services.interfaces import Router, Signer
from lnpd.services.outgoing import OutgoingRecords
from lnpd.services.peers.address import Address, parse_address, parse_peer
from lnpd.services.peers.admission import Admission
from lnpd.services.peers.connection import Connection, Settings
from lnpd.services.peers.known import Peer, PeerInfo
from lnpd.services.peers.limits import USUAL_LIMITS, Limits, Waiting
from lnpd.services.peers.reconnect import Reconnector
from lnpd.services.peers.words import AllWords, at, why
from lnpd.store.store import Store
from lnpd.wire.message import CODEC, Codec
from lnpd.wire.messages import Extension, Init

log = logging.getLogger("lnpd.peers")

MAX_HOOKS_RUNNING: Final = 100
PING_BYTES: Final = 128  # a pong of another length than a keepalive's


class Peers:
    """All connections of a node. `start` before anything else, `stop` at the end."""

    def __init__(
        self,
        signer: Signer,
        router: Router,
        hooks: Hooks,
        store: Store,
        greeting: Greeting,
        *,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        limits: Limits = USUAL_LIMITS,
        codec: Codec = CODEC,
        outgoing: OutgoingRecords | None = None,
    ) -> None:
        self._outgoing = outgoing
        self._signer, self._router, self._hooks, self._limits = signer, router, hooks, limits
        self._greeting, self._settings = greeting, Settings(greeting, b"", timeouts, limits, codec)
        self._reconnector = Reconnector(store, limits, router.wanted_peers, self._dial)
        self._half_open: Waiting[Connection] = Waiting(limits.half_open, limits.half_open_per_network)
        self._lingering: Waiting[Connection] = Waiting(limits.lingering, limits.lingering)
        self._connections: set[Connection] = set()
        self._peers: dict[bytes, Peer] = {}
        self._served: dict[bytes, asyncio.Task[None]] = {}  # by node id: the last connection's
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[Any]] = set()  # Any: they have no result
        self._dialling: WeakValueDictionary[tuple[bytes, Address], asyncio.Lock] = WeakValueDictionary()
        self._hooks_running, self._admission, self._words = 0, Admission(hooks), AllWords()
        self._parted: set[bytes] = set()  # whom a person disconnected
        self._stopping = False
        self._all_gone = asyncio.Event()

    # --- what a node's other services and its user call

    @property
    def greeting(self) -> Greeting:
        """What we say of ourselves to every peer."""
        return self._settings.greeting

    async def start(self) -> None:
        """Learn our node id, and look for the peers that have channels with us."""
        self._settings.node_id = await self._signer.node_id()
        await self._reconnector.load()
        for node_id in self._router.wanted_peers():
            self._reconnector.lost(node_id)

    async def stop(self) -> None:
        """Listen, dial and talk no more; the router has heard of every end when this returns, or time is up."""
        self._stopping = True
        for server in self._servers:
            server.close()
        await self._reconnector.stop()
        for connection in list(self._connections):
            connection.close("This node stops.")
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.stop_seconds
        while self._tasks and loop.time() < until:  # the end of one may begin another
            await asyncio.wait(self._tasks, timeout=until - loop.time())
        for task in self._tasks:
            task.cancel()
        self.abort()
        if self._connections:
            await self._all_gone.wait()

    def abort(self) -> None:
        """Every connection is over at once, as when the machine loses its power: nothing more is said or written."""
        self._stopping = True
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.abort()

    async def listen(self, text: str) -> tuple[Address, ...]:
        """Listens at "host:port" until the node ends; where that is (port 0 is chosen). ListenRefused."""
        address = parse_address(text)
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(lambda: Connection(self, self._settings), address.host, address.port)
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            reason = "is in use by another program" if in_use else f"cannot be listened at: {why(error)}"
            raise ListenRefused(f"{address} {reason}.") from None
        self._servers.append(server)
        return _addresses(server)

    def listening(self) -> tuple[Address, ...]:
        """Where the node listens."""
        return tuple(address for server in self._servers for address in _addresses(server))

    async def connect(self, text: str) -> PeerInfo:
        """Connects to "node_id@host:port", or to a node id whose address is known; at once if there is a connection.

        PeerAddressMalformed, PeerAddressUnknown, PeerUnreachable, WrongNodeId, HandshakeFailed, PeerRefused, or what
        the peer's `init` breaks.
        """
        node_id, address = parse_peer(text)
        self._parted.discard(node_id)
        if (peer := self._peers.get(node_id)) is not None:
            return peer.info
        addresses = (address,) if address else self._reconnector.addresses(node_id)
        if not addresses:
            name = node_id.hex()
            raise PeerAddressUnknown(
                f"This node never connected to {name}, so it does not know where that is: lnp connect {name}@HOST:PORT"
            )
        for candidate in addresses[:-1]:
            try:
                return await self._dial(node_id, candidate)
            except LnpdError as error:
                log.info("%s: %s", node_id.hex(), error)
        return await self._dial(node_id, addresses[-1])

    async def disconnect(self, node_id: bytes) -> None:
        """Ends the connection, and makes no new one until `connect`, the peer or the next start does.

        Returns when the router has heard of it. PeerNotConnected.
        """
        peer = self._peer(node_id)
        self._parted.add(node_id)
        served = self._served.get(node_id)
        peer.connection.close("Disconnected by the user.")
        if served is not None:
            await asyncio.wait([served])

    async def ping(self, node_id: bytes, num_pong_bytes: int = PING_BYTES) -> float:
        """The seconds that a ping and its pong took. PeerNotConnected, PingRefused, or why the connection ended."""
        return await self._peer(node_id).connection.ping(num_pong_bytes)

    def list(self) -> tuple[PeerInfo, ...]:
        """Everyone who is connected, the longest connection first."""
        return tuple(peer.info for peer in self._peers.values())

    def away(self, node_id: bytes) -> tuple[float | None, bool]:
        """Since when a node with channels is away, as a Unix time (None: nobody has missed it), and whether it is known
        where it would answer."""
        return self._reconnector.away_since(node_id), bool(self._reconnector.addresses(node_id))

    def speak(self, codec: Codec, extensions: tuple[Extension, ...], features: PluginFeatures) -> None:
        """Plugins came or went: all connections know these messages now; the rest goes into new ones' `init`."""
        self._settings.codec = codec
        self._settings.greeting = features.added_to(self._greeting, extensions)

    # --- what connections call (connection.Owner)

    async def ecdh(self, point: bytes) -> bytes:
        """SHA256 of our node key times a point."""
        return await self._signer.ecdh(point)

    def opened(self, connection: Connection) -> None:
        """TCP is there."""
        self._connections.add(connection)
        if self._stopping:
            connection.close("This node stops.")
        elif connection.incoming:
            evicted = self._half_open.add(connection, connection.address.host)
            if evicted is not None:
                evicted.close("Too many connections have not sent init.")

    async def refusal(self, connection: Connection) -> str | None:
        """Why a node that proved who it is may not come in, or None."""
        node_id = connection.node_id
        if node_id == self._settings.node_id:
            return "That is this node itself."
        known = node_id in self._peers or node_id in self._router.wanted_peers()
        if connection.incoming and not known and len(self._peers) >= self._limits.peers:
            return f"There are {self._limits.peers} peers already."
        return await self._admission.refusal(connection)

    async def records(self, connection: Connection) -> Records:
        """What plugins add to our `init`; a plugin that is late is waited for no longer than a hook's deadline."""
        if self._outgoing is None:
            return ()
        with self._admission.asking(connection):
            return await self._outgoing.of(Init.NAME, connection.node_id)

    def initialised(self, connection: Connection) -> None:
        """`init` went both ways: this is the node's connection now, unless two crossed."""
        self._half_open.remove(connection)
        node_id, now = connection.node_id, asyncio.get_running_loop().time()
        before = self._peers.get(node_id)
        if before is not None and self._stays(before, connection, now):
            connection.fail(ConnectionReplaced("Two connections crossed, and the other one stays."))
            connection.settled.set()
            return
        self._peers.pop(node_id, None)
        self._peers[node_id] = peer = Peer(connection, now)
        if before is not None:
            before.connection.fail(ConnectionReplaced("A newer connection took the place of this one."))
        self._parted.discard(node_id)
        self._reconnector.connected(node_id)
        self._served[node_id] = self._spawn(self._serve(peer, self._served.get(node_id)))

    def ended(self, connection: Connection) -> None:
        """The connection is over."""
        self._half_open.remove(connection)
        if (oldest := self._lingering.add(connection, connection.address.host)) is not None:
            oldest.abort()
        peer = self._peers.get(connection.node_id)
        if peer is not None and peer.connection is connection:
            del self._peers[connection.node_id]
        who = connection.node_id.hex() or "somebody"
        log.info("%s at %s: connection over: %s", who, connection.address, connection.error)

    def gone(self, connection: Connection) -> None:
        """Its socket is closed too."""
        self._connections.discard(connection)
        self._lingering.remove(connection)
        if self._stopping and not self._connections:
            self._all_gone.set()

    # --- one connection, from the router's side

    async def _serve(self, peer: Peer, before: asyncio.Task[None] | None) -> None:
        """Tell the router of a connection, its messages and its end, once it has heard of the end of the last one."""
        connection, node_id = peer.connection, peer.info.node_id
        if before is not None:
            await asyncio.wait([before])
        try:
            if not connection.over:
                await self._talk(peer)
        finally:
            connection.settled.set()
            if self._served.get(node_id) is asyncio.current_task():
                del self._served[node_id]
        if asyncio.get_running_loop().time() - peer.opened_at >= self._limits.stable_seconds:
            self._reconnector.stable(node_id)
        if node_id not in self._peers and not self._stopping:
            self._reconnector.lost(node_id, again=node_id not in self._parted)

    async def _talk(self, peer: Peer) -> None:
        connection, info = peer.connection, peer.info
        node_id, features = info.node_id, info.negotiated.to_bytes()
        words = self._words.of(node_id)
        log.info("%s at %s: connected", node_id.hex(), info.address)
        try:
            if not info.incoming:
                await self._reconnector.remember(node_id, info.address)
            await self._router.peer_connected(node_id, features, connection)
            told = Received(Init.NAME, info.records)
            features_hex = info.features.to_bytes().hex()
            self._announce("peer_connected", node_id=node_id.hex(), features=features_hex, records=told)
            connection.settled.set()
            while batch := await connection.batch():
                words.log(batch, asyncio.get_running_loop().time())
                await self._router.messages(node_id, connection, batch)
        except ProtocolError as error:
            connection.fail(error)
        except Exception as error:
            if not isinstance(error, LnpdError):
                log.exception("the messages of %s could not be handled", node_id.hex())
            connection.fail(ConnectionClosed(f"This node failed: {error}"))
        finally:
            connection.close("This node stops.")  # does nothing if that was not the reason
            await self._router.peer_disconnected(node_id, connection)
            if node_id not in self._peers:
                self._announce("peer_disconnected", node_id=node_id.hex())

    # --- how

    async def _dial(self, node_id: bytes, address: Address) -> PeerInfo:
        if node_id == self._settings.node_id:
            raise PeerTurnedAway("That is this node itself.")
        lock = self._dialling.setdefault((node_id, address), asyncio.Lock())
        if lock.locked():
            self._admission.check_dial(node_id)
        async with lock:  # of two connections at once each end might keep another one
            if (peer := self._peers.get(node_id)) is not None:
                return peer.info
            return await self._dial_now(node_id, address)

    async def _dial_now(self, node_id: bytes, address: Address) -> PeerInfo:
        loop = asyncio.get_running_loop()
        seconds = self._limits.connect_seconds
        try:
            async with asyncio.timeout(seconds):
                _, connection = await loop.create_connection(
                    lambda: Connection(self, self._settings, node_id, address), address.host, address.port
                )
        except TimeoutError:
            raise PeerUnreachable(f"{address} does not answer within {seconds:g} s.") from None
        except OSError as error:
            raise PeerUnreachable(f"{address} cannot be reached: {why(error)}.") from None
        try:
            await connection.settled.wait()
        except asyncio.CancelledError:
            if connection.agreement is None:
                connection.close("Given up.")
            raise
        if (peer := self._peers.get(node_id)) is not None:
            return peer.info
        raise at(address, connection.error or ConnectionLost("The connection was lost."))

    def _stays(self, before: Peer, connection: Connection, now: float) -> bool:
        """Two nodes that dial each other at once would each close what the other keeps: so the connection that the
        lower node id dialled stays. Else the newest does, for the older one may be dead without our knowing."""
        crossed = before.info.incoming != connection.incoming and now - before.opened_at < self._limits.crossing_seconds
        return crossed and before.info.incoming == (connection.node_id < self._settings.node_id)

    def _peer(self, node_id: bytes) -> Peer:
        peer = self._peers.get(node_id)
        if peer is None:
            raise PeerNotConnected(f"There is no connection to {node_id.hex()}.")
        return peer

    def _announce(self, hook: str, **params: object) -> None:
        """Nothing waits for hooks that only tell; who is too slow for many of them misses some."""
        if self._hooks_running >= MAX_HOOKS_RUNNING:
            self._hooks.complain(hook, f"hook {hook}: not called, {MAX_HOOKS_RUNNING} calls have no answer yet")
            return
        self._hooks_running += 1

        async def call() -> None:
            try:
                await self._hooks.gather(hook, **params)
            finally:
                self._hooks_running -= 1

        self._spawn(call())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:  # Any: nobody sends into it
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the peers failed", exc_info=error)


def _addresses(server: asyncio.Server) -> tuple[Address, ...]:
    return tuple(Address(*socket.getsockname()[:2]) for socket in server.sockets)
