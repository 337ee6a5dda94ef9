"""Through which story does an HTLC go on its way past every persistence point of a node in the middle?

    alice ---- bob ---- carol

alice pays carol and carol alice, an unknown invoice fails at its end, bob cannot carry an amount, sets other terms, and
loses its line while an HTLC waits unsigned. Whoever dies: each payment is paid once or not at all, all sides agree how,
and what each of the three has in the end is exact to the millisatoshi.
"""

import asyncio
import random
from hashlib import sha256
from pathlib import Path
from typing import Final

from lnpd.errors import CommandRefused, NoDirectChannel, PaymentFailed
from lnpd.services.node.node import Node
from lnpd.testing import DEPTH, shown, usable
from tests.crash.cases import FORWARDING
from tests.crash.looks import payment_state, unknown_invoice
from tests.crash.power import Died
from tests.crash.world import Cut, Moment, World, told

NAMES: Final = ("alice", "bob", "carol")
LINES: Final = (("alice", "bob"), ("bob", "carol"))
CAPACITY_SAT: Final = 1_000_000
PUSH_SAT: Final = {"bob": 300_000, "carol": 600_000}
COINS_SAT: Final = 1_200_000
TOO_MUCH_MSAT: Final = 500_000_000  # less than alice has, more than bob
SEED: Final = 2026


class Line:
    """Three nodes in a row. `msat` is what each has, channel by channel, by our own account."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.channels: list[str] = []
        given = [1000 * PUSH_SAT[name] for name in ("bob", "carol")]
        own = [1000 * CAPACITY_SAT - each for each in given]
        self.msat = [own[0], given[0], own[1], given[1]]  # alice | bob, bob | carol
        self.bobs_msat = sum(self.msat[1:3])

    # --- before anybody dies

    async def open(self) -> None:
        """Both channels, usable, and each side knows what the other asks."""
        world = self.world
        for opener, acceptor in LINES:
            script = await world.look(opener, lambda node: node.wallet.next_script())
            await world.chain.fund(script, COINS_SAT)
            await world.mine()
            peer = (await world.living(acceptor)).node
            address = f"{peer.node_id.hex()}@{peer.peers.listening()[0]}"
            await world.ask(opener, lambda node: node.api.connect(address))  # noqa: B023 (awaited at once)
            terms = (CAPACITY_SAT, 1000 * PUSH_SAT[acceptor], "", (), None)
            opened = await world.ask(
                opener,
                lambda node: node.api.open(peer.node_id.hex(), *terms),  # noqa: B023 (awaited at once)
            )
            self.channels.append(opened.channel_id)
            await world.network.seen(opened.funding.partition(":")[0])
            await world.mine(DEPTH)
        await self.active()
        for channel, ends in zip(self.channels, LINES, strict=True):
            for name in ends:

                async def knows(node: Node, channel: str = channel) -> bool:
                    return (await node.api.relay(channel)).theirs is not None

                await world.until(name, knows, "the peer's terms are known")

    # --- payments

    async def pay(self, payer: str, payee: str, amount_msat: int) -> None:
        """One payment over bob, made once however often it is begun."""
        invoice = await self.world.look(payee, lambda node: node.api.invoice(amount_msat, "line", 3600))
        await self._paid(payer, payee, invoice.invoice, invoice.payment_hash)

    async def _paid(self, payer: str, payee: str, text: str, payment_hash: str) -> None:
        while True:
            await self.active()
            try:
                paid = await self.world.ask(payer, lambda node: node.api.pay(text, None, 25))
            except Died:
                await self._ended(payer, payment_hash)
                continue
            except (PaymentFailed, NoDirectChannel, CommandRefused) as refused:
                assert self.world.disturbed, f"a payment fails only when something died, or a line broke: {refused}"
                await asyncio.sleep(0.02)
                continue
            assert sha256(bytes.fromhex(paid.preimage)).hexdigest() == payment_hash
            break
        found = await self.world.look(payee, lambda node: node.payments.invoice(bytes.fromhex(payment_hash)))
        assert found is not None and found.state == "paid"
        self._moved(1 if payer == "alice" else -1, paid.amount_msat, paid.fee_msat)

    def _moved(self, way: int, amount_msat: int, fee_msat: int) -> None:
        first, second = (amount_msat + fee_msat, amount_msat) if way > 0 else (amount_msat, amount_msat + fee_msat)
        for place, sign, msat in ((0, -1, first), (1, 1, first), (2, -1, second), (3, 1, second)):
            self.msat[place] += way * sign * msat

    async def _ended(self, payer: str, payment_hash: str) -> None:
        """After a death nobody asks again, and the payment ends all the same."""

        async def over(node: Node) -> bool:
            payment = await node.payments.payment(bytes.fromhex(payment_hash))
            return payment is None or payment.state in ("paid", "failed")

        await self.world.until(payer, over, "the payment in flight ends")

    async def fail_at_the_end(self) -> None:
        """carol never heard of an invoice: alice reads that in her words, which came back through bob."""
        text, payment_hash = await self.world.look("carol", unknown_invoice)
        hop = await self._hop()
        await self._fails(text, payment_hash, hop, "incorrect_or_unknown_payment_details")

    async def fail_in_the_middle(self) -> None:
        """bob has too little: he says so himself."""
        invoice = await self.world.look("carol", lambda node: node.api.invoice(TOO_MUCH_MSAT, "line", 3600))
        await self._fails(invoice.invoice, invoice.payment_hash, await self._hop(), "temporary_channel_failure")

    async def _hop(self) -> tuple[str, ...]:
        """alice's route to carol, with bob's terms said outright: an invoice that carol did not write has no hint."""
        rows = await self.world.look("bob", lambda node: node.api.relay(self.channels[1]))
        carol, bob = [(await self.world.living(name)).node.node_id.hex() for name in ("carol", "bob")]
        ours = rows.ours
        asked = f"{ours.fee_base_msat}:{ours.fee_proportional_millionths}:{ours.cltv_expiry_delta}"
        return bob, f"{carol}@{rows.short_channel_ids[0]}:{asked}"

    async def _fails(self, text: str, payment_hash: str, route: tuple[str, ...], name: str) -> None:
        while True:
            await self.active()
            try:
                await self.world.ask("alice", lambda node: node.api.pay(text, None, 25, route))
            except Died:
                await self._ended("alice", payment_hash)
                continue
            except (PaymentFailed, NoDirectChannel, CommandRefused) as refused:
                if name in str(refused):
                    assert await self.world.look("alice", payment_state(payment_hash)) in ("failed", "")
                    return
                assert self.world.disturbed, f"the failure is {name}, not {refused}"
                continue
            raise AssertionError("what could not be paid was paid")

    async def forget(self) -> None:
        """bob's lines break while an HTLC waits unsigned behind another: it is offered again, and both are paid."""
        world = self.world
        invoices = [await world.look("carol", lambda node: node.api.invoice(3_000_000, "line", 3600)) for _ in range(2)]
        await self.quiet()
        offered = asyncio.Event()
        world.at("bob", "circuit-offered", offered.set)
        world.hold("carol", "commitment-held")
        first = asyncio.create_task(self._paid("alice", "carol", invoices[0].invoice, invoices[0].payment_hash))
        waits = asyncio.create_task(offered.wait())
        try:
            await asyncio.wait({first, waits}, return_when=asyncio.FIRST_COMPLETED)
            world.at("bob", "circuit-offered", self._break_off)
            await self._paid("alice", "carol", invoices[1].invoice, invoices[1].payment_hash)
            world.nothing_more()
            await first
        finally:
            world.nothing_more()
            waits.cancel()
            first.cancel()

    def _break_off(self) -> None:
        self.world.cut_line("carol")
        self.world.nothing_more()

    async def reconnect(self) -> None:
        """alice's line breaks, and comes back by itself."""
        self.world.cut_line("alice")
        await asyncio.sleep(0)
        await self.active()

    async def ask_more(self) -> None:
        """bob asks more from now on, and carol hears of it."""
        channel = self.channels[1]
        while True:
            try:
                await self.world.ask("bob", lambda node: node.api.relay(channel, fee_base_msat=2_000))
                break
            except Died:
                continue
        await self.active()

        async def told(node: Node) -> bool:
            theirs = (await node.api.relay(channel)).theirs
            return theirs is not None and theirs.fee_base_msat == 2_000

        await self.world.until("carol", told, "the peer hears of the new terms")

    # --- looking

    async def active(self) -> None:
        """Returns once both channels can be used at both ends, with nobody's help."""
        for channel, ends in zip(self.channels, LINES, strict=True):
            for name in ends:

                async def is_usable(node: Node, channel: str = channel) -> bool:
                    return usable(node, channel) is not None

                await self.world.until(name, is_usable, "the channel is active again with no one's help")

    async def quiet(self) -> None:
        """Returns once nothing is pending anywhere."""

        async def is_quiet(node: Node) -> bool:
            for driver in list(node.channels.drivers.values()):
                await driver.settled()
            channels = [driver.channel for driver in node.channels.drivers.values()]
            return all(c.live and not c.log and not c.awaiting_revocation and not c.decisions for c in channels)

        for name in (*NAMES, *NAMES):
            await self.world.until(name, is_quiet, "nothing is pending")

    async def balances(self) -> None:
        """Every node says of each channel what we say, and no circuit is open."""
        await self.active()
        await self.quiet()
        places = [(name, channel) for channel, ends in zip(self.channels, LINES, strict=True) for name in ends]
        for (name, channel), msat in zip(places, tuple(self.msat), strict=True):

            async def right(node: Node, channel: str = channel, msat: int = msat) -> bool:
                row = await shown(node, channel)
                return row is not None and (row.ours_msat, row.htlcs) == (msat, ())

            await self.world.until(name, right, f"{msat} msat are {name}'s")
        rows = await self.world.look("bob", lambda node: node.api.forwards())
        assert {row.state for row in rows} <= {"fulfilled", "failed"}
        earned = sum(self.msat[1:3]) - self.bobs_msat
        assert earned == sum(row.fee_msat for row in rows), "bob has what he earned, and not a millisatoshi more"


async def tell(folder: Path, cut: Cut | None) -> World:
    """The story with one death in it."""
    async with World(folder, names=NAMES) as world:
        world.plugins = ()
        line = Line(world)
        await world.begin()
        await line.open()
        world.hits.clear()
        world.arm(cut)
        await line.pay("alice", "carol", 50_000_000)
        await line.pay("carol", "alice", 7_000_001)
        await line.fail_at_the_end()
        await line.fail_in_the_middle()
        await line.forget()
        await line.reconnect()
        await line.ask_more()
        await line.pay("alice", "carol", 1_234_567)
        await line.balances()
        assert world.struck, "the story did not pass the point so often"
        return world


def run(cut: Cut | None) -> World:
    """`tell`, with a limit."""
    return told(lambda folder: tell(folder, cut))


def cuts() -> list[Cut]:
    """bob's death at each point of forwarding, and everybody's at seeded moments of what their channels store."""
    found = [Cut("bob", point, moment) for point in FORWARDING for moment in MOMENTS]
    chance = random.Random(SEED)
    for who in NAMES:
        for point in ("commitment-signed", "commitment-held", "revocation-stored", "channel-reestablished"):
            for moment in MOMENTS:
                most = 1 if point == "channel-reestablished" else 12 if who == "bob" else 5
                found.append(Cut(who, point, moment, count=chance.randint(1, most)))
    later = ("circuit-opened", "circuit-offered", "circuit-fulfilled", "circuit-failed", "preimage-learned")
    for point in later:
        for moment in MOMENTS:
            found.append(Cut("bob", point, moment, count=2))
    found += [Cut("carol", point, moment) for point in ("invoice-paid", "channel-update-kept") for moment in MOMENTS]
    found += [Cut("alice", point, moment) for point in ("payment-paid", "payment-failed") for moment in MOMENTS]
    return found


MOMENTS: Final[tuple[Moment, ...]] = ("before", "after")


def name_of(cut: Cut) -> str:
    """How a case is called."""
    return f"{cut.who}:{cut.point}:{cut.moment}:{cut.count}"


def read(name: str) -> Cut:
    """The case of a name."""
    who, point, moment, count = name.split(":")
    return Cut(who, point, moment, count=int(count))  # type: ignore[arg-type]  # they are what `name_of` wrote
