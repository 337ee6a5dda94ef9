"""Two `Payments` over a channel of two real machines, each with a store of its own: what a test of payments drives.

    pair = await joined(tmp_path)
    paid = await pair.both(pair.payer.payments.pay(text))     # the messages flow meanwhile

Each side handles what came together as one batch and stores it in one transaction, then acts, as a channel's driver
does; the power may be cut around any commit.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from lnpd_sdk.types import Party
from msgspec.structs import replace

from lnpd.channel import actions, events
from lnpd.channel.queries import Secure
from lnpd.channel.state import Channel, Normal
from lnpd.channel.step import step
from lnpd.crypto import secp
from lnpd.errors import CommandRefused, StoreHalted
from lnpd.hooks.dispatch import Hooks
from lnpd.routing import invoice
from lnpd.services.chain.rows import read_fact
from lnpd.services.payments.service import Payments
from lnpd.services.recipients import Effects
from lnpd.store.codec import decode, encode
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.wire import message as wire
from lnpd.wire.base import Message
from tests.channel.harness import Node, Pair, drive, opened

T = TypeVar("T")
NOW = 1_700_000_000
HEIGHT = 500
AMOUNT_MSAT = 10_000_000
FIRST_BALANCES_MSAT = (700_000_000, 300_000_000)
DETAILS = "incorrect_or_unknown_payment_details, 0x400f"
Fault = Callable[[str, frozenset[str]], None]


class PowerCut(Exception):
    """The store refuses to go on."""


class NodeKey:
    """The part of the signer that payments use, with a real key."""

    def __init__(self, name: str) -> None:
        self.secret = sha256(name.encode()).digest()
        self.node_id = secp.public_key(self.secret)

    async def ecdh(self, point: bytes) -> bytes:
        return secp.ecdh(self.secret, point)

    async def sign_invoice(self, human_readable: str, data: bytes) -> tuple[bytes, int]:
        return secp.sign_recoverable(self.secret, sha256(human_readable.encode() + data).digest())

    async def sign_channel_update(self, data: bytes) -> bytes:
        return secp.sign(self.secret, sha256(sha256(data).digest()).digest())


class Side:
    """One node: store, payments, and its half of the channel."""

    def __init__(self, folder: Path, node: Node, key: NodeKey) -> None:
        self.folder, self.node, self.key = folder, node, key
        self.now = float(NOW)
        self.height = HEIGHT
        self.current = True
        self.codec = wire.CODEC
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.hooks = Hooks()
        self.fault: Fault = lambda moment, points: None
        self.alter: Callable[[Message], Message] = lambda message: message  # of what this side sends
        self.halted = False
        self.silent = False  # what is to be done after a commit is not done
        self.waiting: deque[tuple[events.Event | Message, asyncio.Future[Channel] | None]] = deque()
        self.rows = node.rows
        self.start()

    def start(self) -> None:
        """Open the store and all that stands on it."""
        self.halted = False
        self.store = Store.open(self.folder, "regtest", lambda moment, points: self.fault(moment, points))
        self.payments = Payments(
            self.store,
            self.key,  # type: ignore[arg-type]  # payments use no more of a signer
            self,
            self.key.node_id,
            "regtest",
            lambda: self.now,
            lambda: self.height,
            lambda: self.current,
            self.hooks,
            self,
            None,  # type: ignore[arg-type]  # no channel here is on chain
            codec=lambda: self.codec,
        )
        self.payments.begin()

    def record(self, write: Write, topic: str, payload: Any) -> int:
        self.published.append((topic, dict(payload)))
        return len(self.published)

    def stored(self) -> None:
        pass

    @property
    def channel(self) -> Channel:
        return self.node.channel

    # Channels

    def usable(self) -> tuple[Channel, ...]:
        return (self.channel,) if self.channel.live and isinstance(self.channel.phase, Normal) else ()

    def every(self) -> tuple[Channel, ...]:
        return (self.channel,)

    def frozen(self, key: str) -> str:
        return ""

    async def deliver(self, owner: bytes) -> None:
        rows = await self.store.read(lambda read: read.inbox(owner))
        self.waiting.extend((read_fact(row.value), None) for row in rows)
        await self.store.write(lambda write: [write.remove_inbox(owner, row.key) for row in rows])

    async def settled(self, key: str) -> None:
        pass

    def get(self, key: str) -> Channel | None:
        return self.channel if key == self.channel.key else None

    async def command(self, key: str, event: events.Event, metadata: bytes = b"") -> Channel:
        done: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        self.waiting.append((event, done))
        return await done

    # A driver

    async def batch(self) -> bool:
        """Handle all that waits in one transaction; False if nothing does."""
        if not self.waiting or self.halted:
            return False
        items, self.waiting = list(self.waiting), deque()
        before = self.channel
        self.node.rows = dict(self.rows)
        queue: deque[tuple[Any, Any]] = deque([*items, (events.Commit(), None)])
        channel, sends, effects, done = before, [], [], []
        while queue:
            event, waiter = queue.popleft()
            try:
                channel, wanted = self._step(channel, event)
            except CommandRefused as refused:
                if waiter is None:
                    raise
                waiter.set_exception(refused)
                continue
            done.append(waiter)
            for action in wanted:
                if isinstance(action, actions.Send):
                    sends.append(action)
                elif isinstance(action, actions.Tell):
                    effect = await self.payments.told(channel, action.message)
                    effects.append(effect)
                    queue.extendleft((e, None) for e in reversed(effect.events))
        await self._commit(channel, effects, changed=channel != before)
        self.node.sent.extend(wire.encode(self.alter(self.node.filled(send))) for send in sends)
        for effect in effects if not self.silent else ():
            for after in effect.after:
                after()
        for waiter in done:
            if waiter is not None:
                waiter.set_result(channel)
        return True

    def _step(self, channel: Channel, event: events.Event | Message) -> tuple[Channel, list[actions.Action]]:
        secured: list[actions.Action] = []

        def answer(query: Any) -> Any:
            if isinstance(query, Secure):
                secured.extend(query.actions)
                return None
            return self.node.answer(query)

        channel, wanted = drive(step(channel, event), answer)
        for action in wanted:
            if isinstance(action, actions.Keep):
                self.node.rows[action.kind, action.key] = action.value
                if action.txid:
                    self.node.by_txid[action.txid] = (action.kind, action.key)
        return channel, [*secured, *wanted]

    async def _commit(self, channel: Channel, effects: list[Effects], changed: bool) -> None:
        def write(write: Any) -> None:
            if changed:
                write.save_channel(channel.key.encode(), channel.peer, encode(channel))
            for effect in effects:
                for put in effect.writes:
                    put(write)

        try:
            await self.store.write(write)
        except StoreHalted as error:
            self.halted = True
            raise PowerCut from error
        self.node.store(channel)
        self.rows = self.node.rows

    async def restart(self, reconcile: bool = True) -> None:
        """The process ended; another one goes on with what is stored."""
        self.fault = lambda moment, points: None
        await self.payments.stop()
        await self.store.close()
        self.waiting.clear()
        self.start()
        row = self.store.read_sync(lambda read: read.channel(self.channel.key.encode()))
        if row is not None:
            stored = decode(row.snapshot, Channel, table="channel")
            # A crash after the commit: the rows of that batch are stored too. Before it: they are not.
            if stored == self.channel:
                self.node.rows = self.rows
            else:
                self.rows = self.node.rows
            self.node.store(stored)
        if reconcile:
            await self.payments.reconcile((self.channel,))
        self.waiting.append((events.Disconnected(), None))


class Joined:
    """Both sides and the wire between them. The payer opened the channel."""

    def __init__(self, payer: Side, payee: Side) -> None:
        self.payer, self.payee = payer, payee
        self.sides = (payer, payee)

    async def pump(self) -> bool:
        """One round of messages each way; False if nothing moved."""
        moved = False
        for side, other in (self.sides, self.sides[::-1]):
            moved |= await side.batch()
            other.waiting.extend((wire.decode(m), None) for m in side.node.sent)
            side.node.sent.clear()
        return moved

    async def settle(self) -> None:
        """Until nothing moves: all that is queued on either side is done."""
        idle = 0
        while idle < 5:  # what a task does after a batch takes some turns of the loop
            idle = 0 if await self.pump() else idle + 1
            await asyncio.sleep(0.002)

    async def both(self, work: Awaitable[T]) -> T:
        """The result of something that needs the messages to flow; raises PowerCut if a store stopped."""
        task = asyncio.ensure_future(work)
        try:
            async with asyncio.timeout(20):
                while not task.done():
                    await self.pump()
                    await asyncio.sleep(0.001)
                await self.settle()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        return await task

    def cut(self) -> None:
        """Lose the connection and all that is on its way."""
        for side in self.sides:
            side.node.sent.clear()
            side.waiting.clear()
            side.waiting.append((events.Disconnected(), None))

    def reconnect(self) -> None:
        for side in self.sides:
            side.waiting.append((events.Connected(), None))

    async def close(self) -> None:
        for side in self.sides:
            await side.payments.stop()
            await side.store.close()


def joined(folder: Path) -> Joined:
    """A channel in which the payer has 700,000 sat and the payee 300,000."""
    pair: Pair = opened()
    keys = NodeKey("payer"), NodeKey("payee")
    for party in (0, 1):
        node = pair.nodes[party]
        node.store(replace(node.channel, peer=keys[1 - party].node_id))
    return Joined(*(Side(folder / str(party), pair.nodes[party], keys[party]) for party in (0, 1)))


def balances_msat(channel: Channel, party: Party) -> int:
    return channel.base.balances_msat[party]


Story = Callable[[Joined], Awaitable[None]]


def played(story: Story) -> Callable[[Path], None]:
    """A test over two joined nodes."""

    def test(tmp_path: Path) -> None:
        play(story, tmp_path)

    test.__doc__ = story.__doc__
    return test


def play(story: Story, folder: Path) -> None:
    """Run a story over two joined nodes."""
    asyncio.run(_played(story, folder))


async def _played(story: Story, folder: Path) -> None:
    pair = joined(folder)
    try:
        async with asyncio.timeout(60):
            await story(pair)
    finally:
        await pair.close()


async def asked(pair: Joined, price_msat: int | None = AMOUNT_MSAT, **changes: Any) -> str:
    """An invoice of the payee, with these fields changed and signed again: the payee's store has the original."""
    text = (await pair.payee.payments.create_invoice(price_msat, "tea")).invoice
    if not changes:
        return text
    changed = replace(invoice.decode(text), **changes)
    return invoice.encode(changed, lambda digest: secp.sign_recoverable(pair.payee.key.secret, digest))


def moved_msat(pair: Joined) -> int:
    """What went from payer to payee; both sides agree on it."""
    ours, theirs = (side.channel.base.balances_msat for side in pair.sides)
    assert ours == theirs
    assert sum(ours) == sum(FIRST_BALANCES_MSAT)
    return ours[1] - FIRST_BALANCES_MSAT[1]
