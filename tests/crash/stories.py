"""Through which stories does a channel go on its way past every persistence point?

Each step does what it does once, however often it has to begin again: after a death it looks first at what is there.
What must hold is asserted by the steps themselves: payments end and both sides agree how, balances add up to the
millisatoshi, coins of an opening that failed are free, and the chain pays out what the channel said.
"""

import asyncio
from hashlib import sha256
from typing import Any

from lnpd.errors import (
    ChannelFrozen,
    ChannelRefused,
    CommandRefused,
    LnpdError,
    NoDirectChannel,
    PaymentFailed,
    PeerNotConnected,
    PeerUnreachable,
    StateUnproven,
)
from lnpd.services.node.node import Node
from lnpd.services.onchain import Balance
from lnpd.testing import DEPTH, shown
from tests.crash.looks import (
    agreed_to_close,
    closing,
    has,
    has_no_channel,
    is_normal,
    list_boxes,
    payment_state,
    unknown_invoice,
    waiting_channels,
)
from tests.crash.power import Died
from tests.crash.world import NODES, World

CAPACITY_SAT = 1_000_000
PUSH_SAT = 300_000
BOX_SAT = 25_000
COINS_SAT = 1_200_000
KIND = "lockbox/anchors_zero_fee_htlc_tx"
MOST_FEE_SAT = 15_000


class Story:
    """A channel, of this type, that alice opens to bob. `bobs_msat` is what bob has in it by our own account."""

    def __init__(self, world: World, kind: str = KIND) -> None:
        self.world, self.kind = world, kind
        self.bobs_msat = 1000 * PUSH_SAT

    # --- opening

    async def fund(self) -> None:
        """alice gets coins."""
        world = self.world
        script = await world.look("alice", lambda node: node.wallet.next_script())
        await world.chain.fund(script, COINS_SAT)
        await world.mine()

    async def connect(self) -> None:
        """alice dials bob, until they are connected."""
        while True:
            bob = (await self.world.living("bob")).node
            address = f"{bob.node_id.hex()}@{bob.peers.listening()[0]}"
            try:
                await self.world.ask("alice", lambda node: node.api.connect(address))  # noqa: B023 (awaited at once)
                return
            except (Died, PeerUnreachable, LnpdError):
                await asyncio.sleep(0.02)

    async def open(self) -> None:
        """One channel, active on both sides; each opening that failed left no coins behind."""
        while not await self._opened():
            await self.coins_are_free()
        await self.world.network.seen(await self.world.look("alice", self._funding))
        await self.world.mine(DEPTH)
        await self.world.active()

    async def _opened(self) -> bool:
        """Opens, unless an opening survived; whether there is a channel that awaits its depth now."""
        world = self.world
        if not await world.look("alice", waiting_channels):
            await self.connect()
            try:
                await world.ask("alice", self._open)
            except (Died, ChannelRefused, PeerNotConnected):
                await asyncio.sleep(0.01)
        found = await world.look("alice", waiting_channels)
        assert len(found) <= 1
        for world.channel in found:
            await world.until("bob", has(world.channel), "the acceptor has what the opener has")
        return bool(found)

    async def _open(self, node: Node) -> None:
        bob = (await self.world.living("bob")).node.node_id.hex()
        await node.api.open(bob, CAPACITY_SAT, 1000 * PUSH_SAT, self.kind, (), None)

    async def _funding(self, node: Node) -> str:
        row = await shown(node, self.world.channel)
        assert row is not None
        return row.funding.partition(":")[0]

    async def lose_an_opening(self) -> None:
        """The line breaks when the funding is signed: the channel is given up, and its coins are free."""
        await self.connect()
        self.world.at("alice", "funding-created", lambda: self.world.cut_line("alice"))
        try:
            await self.world.ask("alice", self._open)
        except (Died, ChannelRefused, PeerNotConnected):
            pass
        else:
            raise AssertionError("an opening without a line succeeded")
        finally:
            self.world.nothing_more()
        if not await self.world.look("alice", waiting_channels):
            await self.coins_are_free()

    async def coins_are_free(self) -> None:
        """No opening holds any coin of alice's."""

        async def free(node: Node) -> bool:
            balance = await node.wallet.balance()
            return balance.reserved_sat == 0 and balance.confirmed_sat == COINS_SAT

        await self.world.until("alice", free, "the coins are free again")

    # --- payments

    async def pay(self, payer: str, amount_msat: int) -> None:
        """One payment, made once however often it is begun: it ends, and both sides agree how."""
        invoice = await self.world.look(
            NODES[payer == "alice"], lambda node: node.api.invoice(amount_msat, "crash", 3600)
        )
        await self._paid(payer, invoice.invoice, invoice.payment_hash)
        self.bobs_msat += amount_msat if payer == "alice" else -amount_msat

    async def _paid(self, payer: str, text: str, payment_hash: str) -> None:
        while True:
            await self.world.active()
            try:
                paid = await self.world.ask(payer, lambda node: node.api.pay(text, None, 25))
                assert sha256(bytes.fromhex(paid.preimage)).hexdigest() == payment_hash
            except Died:
                self.world.nothing_more()  # whoever was held up for a line that was to break goes on
                await self._ended(payer, payment_hash)
                continue
            except (PaymentFailed, NoDirectChannel, CommandRefused, ChannelFrozen):
                await self._agreed(payer, payment_hash, ("", "failed"), ("open",))
                assert self.world.disturbed, "a payment fails only when something died, or the line broke"
                continue
            await self._agreed(payer, payment_hash, ("paid",), ("paid",))
            return

    async def _ended(self, payer: str, payment_hash: str) -> None:
        """After a death nobody asks again, and the payment ends all the same."""

        async def over(node: Node) -> bool:
            payment = await node.payments.payment(bytes.fromhex(payment_hash))
            return payment is None or payment.state in ("paid", "failed")

        await self.world.until(payer, over, "the payment in flight ends")

    async def _agreed(self, payer: str, payment_hash: str, sent: tuple[str, ...], received: tuple[str, ...]) -> None:
        key = bytes.fromhex(payment_hash)

        async def received_state(node: Node) -> str:
            invoice = await node.payments.invoice(key)
            return invoice.state if invoice else ""

        assert await self.world.look(payer, payment_state(payment_hash)) in sent
        assert await self.world.look(NODES[payer == "alice"], received_state) in received

    async def fail_to_pay(self, payer: str) -> None:
        """A payment that the payee never heard of fails, and says so."""
        payee = NODES[payer == "alice"]
        text, payment_hash = await self.world.look(payee, unknown_invoice)
        while True:
            await self.world.active()
            try:
                await self.world.ask(payer, lambda node: node.api.pay(text, None, 25))
            except Died:
                await self._ended(payer, payment_hash)
                continue
            except (NoDirectChannel, PaymentFailed, CommandRefused, ChannelFrozen):
                await self._agreed(payer, payment_hash, ("", "failed"), ("",))
                if await self.world.look(payer, payment_state(payment_hash)) == "failed":
                    return
                assert self.world.disturbed, "an HTLC is not offered only when something died, or the line broke"
                continue
            raise AssertionError("an unknown invoice was paid")

    async def forget_a_payment(self, payer: str) -> None:
        """The line breaks when an HTLC waits unsigned behind another: it is forgotten, offered again, and paid."""
        payee = NODES[payer == "alice"]
        texts = [
            await self.world.look(payee, lambda node: node.api.invoice(3_000_000, "crash", 3600)) for _ in range(2)
        ]
        await self.quiet()
        offered = asyncio.Event()
        self.world.at(payer, "payment-offered", offered.set)
        self.world.hold(payee, "commitment-held")
        letting_go = asyncio.create_task(self._let_go())
        first = asyncio.create_task(self._paid(payer, texts[0].invoice, texts[0].payment_hash))
        try:
            await asyncio.wait({first, asyncio.create_task(offered.wait())}, return_when=asyncio.FIRST_COMPLETED)
            self.world.at(payer, "payment-offered", lambda: self._break_off(payer))
            await self._paid(payer, texts[1].invoice, texts[1].payment_hash)
            await first
        finally:
            self.world.nothing_more()
            first.cancel()
            letting_go.cancel()
        self.bobs_msat += 6_000_000 if payer == "alice" else -6_000_000

    async def _let_go(self) -> None:
        """A channel that a death has frozen meanwhile does not come back while the payee's disk is held."""
        while await self.world.is_active():
            await asyncio.sleep(0.01)
        self.world.nothing_more()

    def _break_off(self, name: str) -> None:
        self.world.cut_line(name)
        self.world.nothing_more()

    # --- wallets

    async def rescan(self) -> None:
        """Both wallets read their past again, and find what they had."""
        for name in NODES:
            had = await self.world.look(name, lambda node: node.wallet.balance())
            while True:
                try:
                    await self.world.ask(name, lambda node: node.api.rescan(0))
                    break
                except Died:
                    await asyncio.sleep(0.02)

            async def found(node: Node, had: Balance = had) -> bool:
                return await node.wallet.balance() == had

            await self.world.until(name, found, "a wallet that reads its past again finds what it had")

    async def tune(self) -> None:
        """Each sets a fee of its own, which is in effect whoever died meanwhile."""
        for name in NODES:
            while True:
                try:
                    await self.world.ask(name, lambda node: node.api.config_set("fee_base_msat", "1500"))
                    break
                except Died:
                    continue
            await self.world.until(name, _is_tuned, "the setting is in effect")

    # --- boxes

    async def box(self) -> None:
        """alice puts a box into the channel, and gives it to bob."""
        await self._boxes("lockbox-put", {"amount_sat": BOX_SAT}, 1)

    async def give(self) -> None:
        """bob gets what is in alice's box."""
        (box,) = await self.world.look("alice", list_boxes)
        await self._boxes("lockbox-give", {"box": box["box"]}, 0)
        self.bobs_msat += 1000 * BOX_SAT

    async def _boxes(self, method: str, params: dict[str, Any], wanted: int) -> None:
        while True:
            await self.world.active()
            await self.quiet()
            if len(await self._boxes_of("alice")) == wanted:
                break
            call = {"channel_id": self.world.channel, **params}
            try:
                await self.world.ask("alice", lambda node: node.api.call_plugin(method, call))  # noqa: B023 (awaited at once)
            except Died:
                continue
            except LnpdError:
                assert self.world.disturbed, "an update is refused only when something died"
        assert len(await self._boxes_of("bob")) == wanted

    async def _boxes_of(self, name: str) -> list[dict[str, Any]]:
        while True:
            try:
                return await self.world.look(name, list_boxes)
            except LnpdError:  # its plugin was killed
                assert self.world.cut is not None
                await asyncio.sleep(0.05)

    # --- both

    async def quiet(self) -> None:
        """Returns once nothing is pending in the channel on either side."""
        for name in (*NODES, *NODES):  # what the first one waited for may still be on its way when it is asked
            await self.world.until(name, self._is_quiet, "nothing is pending")

    async def _is_quiet(self, node: Node) -> bool:
        for driver in list(node.channels.drivers.values()):
            await driver.settled()
        found = [d for d in node.channels.drivers.values() if d.channel.id.hex() == self.world.channel]
        return all(
            d.channel.live and not d.frozen and not d.channel.log and not d.channel.awaiting_revocation for d in found
        )

    async def balances(self) -> None:
        """Both sides say what we say."""
        ours = 1000 * CAPACITY_SAT - self.bobs_msat  # what is in a box is its owner's
        await self.quiet()
        for name, msat in (("alice", ours), ("bob", self.bobs_msat)):

            async def right(node: Node, msat: int = msat) -> bool:
                row = await shown(node, self.world.channel)
                return row is not None and (row.ours_msat, row.htlcs) == (msat, ())

            await self.world.until(name, right, f"{msat} msat are {name}'s")

    async def reconnect(self) -> None:
        """The line breaks, and comes back by itself."""
        for name in NODES:
            self.world.cut_line(name)
        await asyncio.sleep(0)
        await self.world.active()

    # --- the end

    async def close(self) -> None:
        """The channel is closed by agreement, whoever dies meanwhile; bob has his share, alice paid the fees."""
        world, channel = self.world, self.world.channel
        world.channel = ""
        while True:
            try:
                await world.ask("alice", lambda node: node.api.close(channel, False, None))
                break
            except Died:
                if await world.look("alice", closing(channel)):
                    break
            except (ChannelFrozen, PeerNotConnected):
                assert world.disturbed, "a close is refused only when something died"
                await asyncio.sleep(0.05)
        await world.until("alice", agreed_to_close, "the close goes on by itself")
        await self._settle(1, self.bobs_msat // 1000)

    async def force_close(self, closer: str) -> None:
        """One side closes alone; every output comes home, the box to its owner."""
        world, channel = self.world, self.world.channel
        world.channel = ""
        while True:
            try:
                await world.ask(closer, lambda node: node.api.close(channel, True, None))
                break
            except Died:
                if not await world.look(closer, is_normal(channel)):
                    break
            except StateUnproven:
                assert world.disturbed, "only a node that was started again waits for its peer's word"
                await asyncio.sleep(0.05)
        await self._settle(150, self.bobs_msat // 1000)

    async def _settle(self, blocks: int, bobs_sat: int) -> None:
        world, total = self.world, COINS_SAT
        for turn in range(40):  # a restarted node broadcasts what it owes when it is ready, not when we mine
            await world.mine(blocks if turn % 8 == 0 else 1)
            alices = (await world.look("alice", lambda node: node.wallet.balance())).confirmed_sat
            bobs = (await world.look("bob", lambda node: node.wallet.balance())).confirmed_sat
            if total - MOST_FEE_SAT <= alices + bobs:
                break
            await asyncio.sleep(0.02)
        assert total - MOST_FEE_SAT <= alices + bobs < total, f"of {total} sat {alices} + {bobs} came home"
        assert bobs_sat - MOST_FEE_SAT <= bobs <= bobs_sat
        await world.mine(100)
        for name in NODES:
            await world.until(name, has_no_channel, "the channel is settled")


async def _is_tuned(node: Node) -> bool:
    (setting,) = await node.api.config("fee_base_msat")
    return setting.value == 1500 and setting.source == "set"
