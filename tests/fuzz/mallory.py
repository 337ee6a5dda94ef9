"""What can a peer with a channel send, in whatever state the channel is?

Mallory is a whole node with real channels and coins. Only her tongue slips: of the messages that she means to send in a
round's story (a payment, an opening, a close, a reconnect), some go out mutated, twice or not at all, old ones come
again, and others are thrown in. Then she connects anew with a tongue that is steady: the channel works as before, or
it is over on the node's side, who said so.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random

from lnpd.channel.state import Closed, Failed, Negotiating, OnChain, ShuttingDown
from lnpd.crypto.noise import Transport
from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.services.peers.connection import Connection
from lnpd.testing import Network, usable
from lnpd.wire.base import Message, Unknown
from lnpd.wire.catalogue import CORE
from lnpd.wire.codec import Codec
from lnpd.wire.message import encode
from lnpd.wire.messages import Shutdown, Stfu, UpdateFee, Warning
from tests.fuzz.mutations import invented, mutated
from tests.fuzz.witness import PATIENCE_SECONDS, Growth

CAPACITY_SAT = 400_000
COINS, COIN_SAT = 8, 20_000_000
STORY_SECONDS = 0.5  # a story that a lost word holds up is left so soon; nothing depends on it
CLOSING = (ShuttingDown, Negotiating)
OVER = (*CLOSING, Closed, Failed, OnChain)


class Slip(bytes):
    """A message that goes out as others."""

    instead: tuple[bytes, ...] = ()


class Tongue(Codec):
    """A codec whose words slip: the next ones as `slips` says, which is true for each that does."""

    def __init__(self, chance: Random) -> None:
        super().__init__(CORE)
        self.chance = chance
        self.slips: deque[bool] = deque()
        self.said: deque[bytes] = deque(maxlen=200)
        self.slipped: list[str] = []

    def encode(self, message: Message | Unknown) -> bytes:
        """The message, or a slip."""
        data = super().encode(message)
        self.said.append(data)
        if not (self.slips and self.slips.popleft()):
            return data
        slip = Slip(data)
        slip.instead = mutated(self.chance, data)
        self.slipped.append(f"{type(message).__name__} as {[each[:200].hex() for each in slip.instead]}")
        return slip


@contextmanager
def slipping() -> Iterator[None]:
    """What stands instead of a slip goes over the wire."""
    true = Transport.encrypt

    def encrypt(self: Transport, *messages: bytes) -> bytes:
        return true(self, *(each for one in messages for each in getattr(one, "instead", (one,))))

    Transport.encrypt = encrypt  # type: ignore[method-assign]  # for as long as the fuzzing lasts
    try:
        yield
    finally:
        Transport.encrypt = true  # type: ignore[method-assign]


class Attack:
    """Mallory against a node, story after story."""

    def __init__(self, network: Network, node: Node, mallory: Node, chance: Random) -> None:
        self.network, self.node, self.mallory, self.chance = network, node, mallory, chance
        self.tongue = Tongue(chance)
        self.channel_id = ""
        self.ends: Counter[str] = Counter()
        mallory.peers._settings.codec = self.tongue

    async def prepare(self) -> None:
        """Coins for many channels."""
        for _ in range(COINS):
            await self.network.chain.fund(await self.mallory.wallet.next_script(), COIN_SAT)
        await self.network.mine()

    async def rounds(self, number: int) -> None:
        """Stories. AssertionError if a channel is neither unharmed nor over in the end, with what was said."""
        growth = Growth(number)
        for _ in range(number):
            if not self.channel_id:
                await self.open()
            story = self.chance.choice(STORIES)
            before = len(self.node.channels.drivers)
            self.tongue.slipped.clear()
            self.tongue.slips.extend(self.chance.randrange(3) == 0 for _ in range(self.chance.randint(1, 8)))
            try:
                with suppress(LnpdError, TimeoutError):
                    async with asyncio.timeout(STORY_SECONDS):
                        await story(self)
                if self.chance.randrange(4) == 0:
                    self.throw_in()
                self.ends[f"{story.__name__}: {await self.judged()}"] += 1
            except AssertionError as error:
                raise AssertionError(f"{story.__name__}: {error}\n" + "\n".join(self.tongue.slipped)) from error
            assert len(self.node.channels.drivers) - before < 20
            growth.count()
        print(f"Mallory: {dict(sorted(self.ends.items()))}, {growth.check() >> 10} KiB more")

    async def open(self) -> None:
        """A channel with as much on each side, by a steady tongue, however often it takes."""
        self.tongue.slips.clear()
        push_msat, refused = 1000 * CAPACITY_SAT // 2, ""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not self.channel_id:
                    await self.connected()
                    try:
                        opened = await self.mallory.api.open(
                            self.node.node_id.hex(), CAPACITY_SAT, push_msat, "", (), None
                        )
                        self.channel_id = opened.channel_id
                    except LnpdError as error:  # the end of the last connection may still be on its way
                        refused = repr(error)
                        if "to be deep" in refused:  # too many of those that broke off wait for their funding
                            await self.network.mine(6)
                        await self.cleared()
        except TimeoutError:
            raise AssertionError(f"no channel can be opened any more: {refused}") from None
        await self.network.seen(opened.funding.partition(":")[0])
        await self.network.mine()
        await self.network.active(opened.channel_id, self.mallory, self.node)

    async def cleared(self) -> None:
        """A person ends by force what Mallory's node knows nothing of: a shutdown that only her tongue had sent. Until
        then the node hangs up at each word that contradicts it."""
        for driver in list(self.node.channels.drivers.values()):
            if driver.channel.peer == self.mallory.node_id and isinstance(driver.channel.phase, CLOSING):
                with suppress(LnpdError):
                    await self.node.api.close(driver.channel.id.hex(), True, None)

    async def connected(self) -> None:
        """A connection, however often it takes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not all(self.linked()):
                with suppress(LnpdError):
                    await self.network.connect(self.mallory, self.node)
                await asyncio.sleep(0.005)

    async def parted(self) -> None:
        """No connection on either side, and both channels know it."""
        with suppress(LnpdError):
            await self.mallory.peers.disconnect(self.node.node_id)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while any(self.linked()) or any(usable(each, self.channel_id) for each in (self.node, self.mallory)):
                await asyncio.sleep(0.005)

    def linked(self) -> list[bool]:
        """Whether there is a connection, for the node and for Mallory."""
        return [
            self.mallory.node_id in self.node.channels.links,
            self.node.node_id in self.mallory.channels.links,
        ]

    async def judged(self) -> str:
        """What became of the channel, once there was a connection with a steady tongue."""
        self.tongue.slips.clear()
        try:
            await self.parted()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    if end := self.end():
                        break
                    with suppress(LnpdError):
                        await self.network.connect(self.mallory, self.node)
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"the channel is neither unharmed nor over: {self.phases()}") from None
        if end != "unharmed":
            self.channel_id = ""
        return end

    def end(self) -> str:
        """Unharmed on both sides, or over on the node's; nothing yet."""
        if all(self.linked()) and all(usable(each, self.channel_id) for each in (self.node, self.mallory)):
            return "unharmed"
        phases = self.phases()
        if not phases or isinstance(phases[0], OVER):
            return type(phases[0]).__name__ if phases else "forgotten"
        return ""

    def phases(self) -> list[object]:
        """The channel's phase, for the node and for Mallory."""
        return [
            driver.channel.phase
            for each in (self.node, self.mallory)
            for driver in each.channels.drivers.values()
            if driver.channel.id.hex() == self.channel_id
        ]

    def link(self) -> Connection | None:
        """Mallory's connection with the node."""
        peer = self.mallory.peers._peers.get(self.node.node_id)
        return peer.connection if peer else None

    def throw_in(self) -> None:
        """Some messages that the channel's state does not call for: old ones again, or invented ones."""
        link = self.link()
        if link is None or link.over:
            return
        ids = (bytes.fromhex(self.channel_id), bytes.fromhex(self.channel_id), bytes(32))
        rows = tuple(CORE.numbers.values())
        thrown = []
        for _ in range(self.chance.randint(1, 4)):
            old = self.tongue.said and self.chance.randrange(2)
            data = self.chance.choice(self.tongue.said) if old else invented(self.chance, self.chance.choice(rows), ids)
            thrown += mutated(self.chance, data) if self.chance.randrange(3) == 0 else (data,)
        self.tongue.slipped.append(f"thrown in: {[each[:200].hex() for each in thrown]}")
        if not link._outbox:
            asyncio.get_running_loop().call_soon(link._flush)
        link._outbox += thrown


# The stories


async def she_pays(attack: Attack) -> None:
    await _pay(attack.mallory, attack.node, attack.chance)


async def she_is_paid(attack: Attack) -> None:
    await _pay(attack.node, attack.mallory, attack.chance)


async def both_pay(attack: Attack) -> None:
    await asyncio.gather(she_pays(attack), she_is_paid(attack), return_exceptions=True)


async def she_throws_in(attack: Attack) -> None:
    paying = asyncio.ensure_future(both_pay(attack))
    await asyncio.sleep(0.01 * attack.chance.random())
    attack.throw_in()
    await paying


async def she_reconnects(attack: Attack) -> None:
    paying = asyncio.ensure_future(both_pay(attack))
    await asyncio.sleep(0.02 * attack.chance.random())
    await attack.mallory.peers.disconnect(attack.node.node_id)
    await attack.network.connect(attack.mallory, attack.node)
    await paying


async def she_falls_quiet(attack: Attack) -> None:
    """Quiescence, with a payment before, in or after it."""
    link, paying = attack.link(), asyncio.ensure_future(both_pay(attack))
    if link is not None:
        await asyncio.sleep(0.01 * attack.chance.random())
        link._outbox.append(encode(Stfu(channel_id=bytes.fromhex(attack.channel_id), initiator=1)))
        link.send(Warning(channel_id=bytes(32), data=b"hush"))
    await paying
    attack.throw_in()


async def she_changes_the_fee(attack: Attack) -> None:
    if link := attack.link():
        rate = attack.chance.choice((0, 253, 1000, 5000, 1 << 31))
        link._outbox.append(encode(UpdateFee(channel_id=bytes.fromhex(attack.channel_id), feerate_per_kw=rate)))
        link.send(Warning(channel_id=bytes(32), data=b"dear"))
    await both_pay(attack)


async def she_opens(attack: Attack) -> None:
    await attack.mallory.api.open(attack.node.node_id.hex(), CAPACITY_SAT, 0, "", (), None)


async def she_closes(attack: Attack) -> None:
    paying = asyncio.ensure_future(both_pay(attack))
    await attack.mallory.api.close(attack.channel_id, False, None)
    await paying


async def she_shuts_down_alone(attack: Attack) -> None:
    """Shutdown by her word, not her node's: what follows is out of step."""
    paying = asyncio.ensure_future(both_pay(attack))
    if link := attack.link():
        script = attack.chance.choice((b"\0\x14" + bytes(20), b"\x6a", b"", bytes(100)))
        link._outbox.append(encode(Shutdown(channel_id=bytes.fromhex(attack.channel_id), scriptpubkey=script)))
        link.send(Warning(channel_id=bytes(32), data=b"bye"))
    await paying


async def _pay(payer: Node, payee: Node, chance: Random) -> None:
    invoice = await payee.api.invoice(chance.choice((1, 1_000, 400_000, 3_000_000, 20_000_000)), "", 3600)
    await payer.api.pay(invoice.invoice, None, STORY_SECONDS)


Story = Callable[[Attack], Awaitable[None]]
STORIES: tuple[Story, ...] = (
    *(she_pays, she_is_paid, both_pay, both_pay, she_throws_in, she_throws_in, she_reconnects, she_reconnects),
    *(she_falls_quiet, she_changes_the_fee, she_opens, she_closes, she_shuts_down_alone),
)
