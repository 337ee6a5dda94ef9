"""How do plugins of several peers do something together, round by round, as signers of one MuSig2 signature do?

    sessions = Sessions(plugin, number=44101)

    async with sessions.open(node, identity, peers, deadline_seconds=30) as session:
        nonces = await session.round(my_nonce)        # {node id: what that peer gave in this round}
        partials = await session.round(my_partial)

Everybody gives one blob in each round, and has it once all have. Blobs travel in one wire message of the plugin's own,
to each peer by itself: there must be a connection with each, and `messages` granted. A message may be lost: whoever
still waits says its own blob again and asks for the other's. NOT durable: sessions are gone with the process, and what
must not be said twice with another content, a nonce, is for the author to keep. All numbers are bounded.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from lnpd_sdk.envelope import BusError, CallFailed

MAX_PEERS: Final = 16
MAX_ROUNDS: Final = 16
MAX_BLOB_BYTES: Final = 32 * 1024
MAX_SESSIONS: Final = 64  # open ones, and as many that ended or were only heard of
IDENTITY_BYTES: Final = 32
AGAIN_SECONDS: Final = 1.0


class SessionFailed(BusError):
    """A session came to nothing: its deadline passed, or it was opened with what cannot be."""


class Session:
    """One session of this process. `peers` are the others' node ids."""

    def __init__(self, identity: bytes, peers: frozenset[str]) -> None:
        self.identity, self.peers = identity, peers
        self.given: list[bytes] = []  # ours, by round
        self.heard: dict[tuple[int, str], bytes] = {}
        self._changed = asyncio.Event()
        self._say: Any = None  # set by whoever opens it

    async def round(self, blob: bytes) -> dict[str, bytes]:
        """Gives our blob of the next round; everyone else's of it, by node id, once all are there."""
        if len(blob) > MAX_BLOB_BYTES or len(self.given) >= MAX_ROUNDS:
            raise SessionFailed(f"A session has {MAX_ROUNDS} rounds of blobs of at most {MAX_BLOB_BYTES} bytes.")
        number = len(self.given)
        self.given.append(blob)
        again = False
        while missing := [peer for peer in sorted(self.peers) if (number, peer) not in self.heard]:
            for peer in missing if again else sorted(self.peers):
                await self._say(self, peer, number, again)
            again = True
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS):
                    while self._lacks(number):
                        self._changed.clear()
                        await self._changed.wait()
        if not again:  # all were earlier than we are
            for peer in sorted(self.peers):
                await self._say(self, peer, number, again)
        return {peer: self.heard[number, peer] for peer in self.peers}

    def _lacks(self, number: int) -> bool:
        return any((number, peer) not in self.heard for peer in self.peers)

    def take(self, peer: str, number: int, blob: bytes) -> None:
        """A peer's blob; the first one of a round counts."""
        self.heard.setdefault((number, peer), blob)
        self._changed.set()


class Sessions:
    """A plugin's sessions. It declares the message NAME_session under an odd `number` of the author's choice."""

    def __init__(self, plugin: Any, number: int) -> None:  # Any: lnpd_sdk.plugin builds upon files beside this one
        self._name = f"{plugin.name.replace('-', '_')}_session"
        self._open: dict[bytes, Session] = {}
        self._kept: OrderedDict[bytes, Session] = OrderedDict()  # ended, or not yet opened here
        plugin.messages(
            f"""
            message,{number},{self._name}
            data,32*byte,identity
            data,u16,round
            data,byte,again
            data,u32,len
            data,len*byte,blob
            """
        )
        plugin.message(self._name)(self._hear)

    @asynccontextmanager
    async def open(
        self, node: Any, identity: bytes, peers: Collection[str], deadline_seconds: float = 30.0
    ) -> AsyncIterator[Session]:
        """Opens the session `identity` (32 bytes that all agree on, never used before) with the plugins of these peers.

        SessionFailed when the deadline passes before the block is left, and for too many peers or sessions.
        """
        if len(identity) != IDENTITY_BYTES or not 1 <= len(set(peers)) <= MAX_PEERS or len(self._open) >= MAX_SESSIONS:
            raise SessionFailed(
                f"A session has an identity of 32 bytes and 1 to {MAX_PEERS} peers; {MAX_SESSIONS} run."
            )
        if identity in self._open or (identity in self._kept and self._kept[identity].given):
            raise SessionFailed("This session was opened before.")
        session = self._open[identity] = Session(identity, frozenset(peers))
        if early := self._kept.pop(identity, None):
            session.heard = {each: blob for each, blob in early.heard.items() if each[1] in session.peers}
        session._say = lambda session, peer, number, again: self._say(node, session, peer, number, again)
        try:
            async with asyncio.timeout(deadline_seconds):
                yield session
        except TimeoutError:
            raise SessionFailed(f"Not everybody was there within {deadline_seconds:g} seconds.") from None
        finally:
            self._keep(self._open.pop(identity))

    def _keep(self, session: Session) -> None:
        """Peers may still ask for what we gave; or we open it in a moment."""
        self._kept[session.identity] = session
        while len(self._kept) > MAX_SESSIONS:
            self._kept.popitem(last=False)

    async def _say(self, node: Any, session: Session, peer: str, number: int, again: bool) -> None:
        fields = {
            "identity": session.identity,
            "round": number,
            "again": int(again),
            "blob": session.given[number],
        }
        try:
            await node.send(peer, self._name, fields)
        except CallFailed:  # it is not connected now: again later
            return

    async def _hear(self, node: Any, node_id: str, fields: dict[str, Any]) -> None:
        identity, number, blob = fields["identity"], fields["round"], fields["blob"]
        if number >= MAX_ROUNDS or len(blob) > MAX_BLOB_BYTES:
            return
        session = self._open.get(identity) or self._kept.get(identity)
        if session is None:  # a peer is earlier than we are
            session = Session(identity, frozenset())
            self._keep(session)
        if session.peers and node_id not in session.peers:
            return
        if session.peers or len(session.heard) < MAX_PEERS:
            session.take(node_id, number, blob)
        if fields["again"] and number < len(session.given):
            await self._say(node, session, node_id, number, again=False)
