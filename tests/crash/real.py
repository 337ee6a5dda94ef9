"""What does a real kill -9 leave behind? Two daemons on one chain, one of them killed in the middle of its work.

A trial names who dies and at which commit; the daemon kills itself there (--dev-fail-at). A trial without a point is a
kill at a random moment of many payments both ways. After each one the daemon is started again, and nobody helps it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from lnpd.crypto.secp import sign_recoverable
from lnpd.errors import RefusedByNode
from lnpd.routing import invoice as invoices
from lnpd.store.points import PERSISTENCE_POINTS
from lnpd.testing import free_port
from tests.crash.daemon import Daemon, Gone, Program
from tests.crash.looks import unknown_request
from tests.crash.trials import OTHER, Trial, in_turn

KIND: Final = "lockbox/anchors_zero_fee_htlc_tx"
CAPACITY_SAT, PUSH_SAT, EXTRA_SAT, BOX_SAT = 2_000_000, 1_000_000, 100_000, 5_000
PATIENCE_SECONDS: Final = 60.0
DIES_WITHIN_SECONDS: Final = 20.0
ATTEMPTS: Final = 5
OPENING: Final = ("awaiting_ready", "normal", "shutting_down", "negotiating", "closing")
Row = dict[str, Any]  # a JSON object


class Pair:
    """alice and bob, with one channel that outlives all their deaths."""

    def __init__(self, folder: Path, payments: int) -> None:
        self.payments = payments
        chain = f"ipc://{folder}/c"
        self.chain = Program(folder / "chain.log", "regtest", f"--directory={folder}/chain", f"--endpoint={chain}")
        keys = {name: sha256(name.encode()).digest() for name in OTHER}
        self.daemons = {name: Daemon(folder, name, f"--chain={chain}", free_port(), keys[name]) for name in OTHER}
        self.alice, self.bob = self.daemons.values()
        self.channel = ""
        self.bobs_msat = 1000 * PUSH_SAT
        self.refused: list[str] = []  # since the last death: why nothing led there
        self.pending: list[tuple[str, str, int]] = []  # payer, payment hash, msat: not looked at yet

    async def begin(self) -> None:
        """The two and their channel."""
        await self.chain.start()
        for daemon in self.daemons.values():
            await daemon.live()
        await self.alice.call("fund", amount_sat=10_000_000)
        await self.alice.call("connect", address=f"{self.bob.node_id}@{self.bob.address}")
        self.channel = await self.open(CAPACITY_SAT, PUSH_SAT, KIND)
        await self.until(self.is_active, "the channel is active")

    async def end(self) -> None:
        """The channel is closed, and the chain pays what it held."""
        before = (await self.bob.call("funds"))["confirmed_sat"]
        await self.alice.call("close", channel=self.channel)
        await self.until(lambda: self.paid_out(before), f"{self.bobs_msat} msat are bob's on the chain")

    async def paid_out(self, before_sat: int) -> bool:
        """Whether the close has paid bob his share."""
        await self.alice.call("mine", blocks=1)
        return bool((await self.bob.call("funds"))["confirmed_sat"] - before_sat == self.bobs_msat // 1000)

    async def kill(self) -> None:
        """Every process."""
        for program in (*self.daemons.values(), self.chain):
            await program.kill()

    async def until(self, condition: Callable[[], Awaitable[object]], why: str) -> None:
        """Returns once it is true."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await condition():
            assert time.monotonic() < deadline, f"never came true: {why}"
            await asyncio.sleep(0.05)

    # --- a trial

    async def trial(self, trial: Trial) -> None:
        """One death, and everything that must hold after it."""
        victim, peer = self.daemons[trial.who], self.daemons[OTHER[trial.who]]
        self.refused.clear()
        if not trial.point:
            work = asyncio.create_task(self.pay(trial.who))
            await asyncio.sleep(trial.count / 1000)
            await victim.kill()
        else:
            await victim.kill()  # at a quiet moment; the next death is the trial's
            if trial.point == "wallet-released":
                await peer.kill()
                await peer.live("funding-signed:before")
            await victim.live(f"{trial.point}:{trial.moment}:{trial.count}")
            work = asyncio.create_task(self.activity(trial))
            assert await victim.died(DIES_WITHIN_SECONDS), f"{trial}: the point was not passed; {self.refused}"
        if trial.point == "payment-forgotten":
            await work  # it starts the peer again
        if trial.point == "wallet-released":
            await peer.kill()
            await peer.live()
        await victim.live()
        await self.sound()
        await work
        await self.check()

    async def activity(self, trial: Trial) -> None:
        """What leads past a point, until somebody dies."""
        doing = ACTIVITIES.get(trial.point, Pair.pay)
        try:
            if doing is not Pair.rest:
                await self.until(self.is_active, "the channel is active before the death")
            await doing(self, trial.who)
        except (Gone, RefusedByNode) as error:
            self.refused.append(str(error))

    async def rest(self, _who: str) -> None:
        """Nothing: the start alone leads there."""

    async def pay(self, _who: str) -> None:
        """Payments both ways at once, and a box."""
        await asyncio.gather(self.box(), *(self.pay_one(name) for name in OTHER for _ in range(self.payments // 2)))

    async def pay_one(self, payer: str) -> None:
        """One payment; how it ended is looked at later, for nobody may be there to say."""
        amount_msat = random.randint(1_000_000, 3_000_000)
        try:
            invoice = await self.daemons[OTHER[payer]].call("invoice", amount_msat=amount_msat, description="crash")
            self.pending.append((payer, invoice["payment_hash"], amount_msat))
            await self.daemons[payer].call("pay", invoice=invoice["invoice"], timeout_seconds=20)
        except (Gone, RefusedByNode) as error:
            self.refused.append(str(error))

    async def box(self) -> None:
        """alice locks something up."""
        try:
            await self.alice.call("lockbox-put", channel_id=self.channel, amount_sat=BOX_SAT)
        except (Gone, RefusedByNode) as error:
            self.refused.append(str(error))

    async def tune(self, who: str) -> None:
        """Whoever is to die sets a fee."""
        await self.daemons[who].call("config.set", key="fee_base_msat", value="1500")

    async def rescan(self, who: str) -> None:
        """The wallet of whoever is to die reads its past again."""
        await self.daemons[who].call("rescan", from_height=0)

    async def fail(self, _who: str) -> None:
        """Payments both ways that nobody asked for."""
        for payer in self.daemons:
            await self.until(lambda payer=payer: self.failed(payer), "a payment that nobody asked for comes back")

    async def failed(self, payer: str) -> bool:
        """Whether the payee sent such a payment back, or somebody died. A node that is still behind the chain refuses
        it before it has made an HTLC: that is no answer of the payee's."""
        try:
            text = unknown_invoice(self.daemons[OTHER[payer]])
            await self.daemons[payer].call("pay", invoice=text, timeout_seconds=20)
        except Gone:
            return True
        except RefusedByNode as error:
            return error.name == "PaymentFailed"
        raise AssertionError("an unknown invoice was paid")

    async def forget(self, payer: str) -> None:
        """The payee dies before it has the first of many payments: those behind it wait unsigned, and are forgotten."""
        payee = self.daemons[OTHER[payer]]

        async def over() -> bool:
            return not await self.answers(payer) or await self.is_active()

        for _ in range(ATTEMPTS):
            await payee.kill()
            await payee.live("commitment-held:before:1")
            await self.until(over, "the channel is active before the payments")
            work = [asyncio.create_task(self.pay_one(payer)) for _ in range(20)]
            assert await payee.died(DIES_WITHIN_SECONDS), "no commitment came"
            await payee.live()
            await asyncio.gather(*work)
            await self.until(over, "the channel is active again with no one's help, or the payer died")
            if not await self.answers(payer):
                return

    async def answers(self, name: str) -> bool:
        """Whether a daemon lives."""
        try:
            await self.daemons[name].call("info")
        except Gone:
            return False
        return True

    async def reopen(self, _who: str) -> None:
        """A second channel opens and is closed by agreement."""
        channel = await self.open(EXTRA_SAT, 0, "")
        await self.alice.call("close", channel=channel)
        await self.alice.call("mine", blocks=1)

    async def open(self, amount_sat: int, push_sat: int, kind: str) -> str:
        """A channel from alice to bob, ready on both sides; its id."""
        bob = self.bob.node_id
        more = {"channel_type": kind} if kind else {}
        opened = await self.alice.call("open", peer=bob, amount_sat=amount_sat, push_msat=1000 * push_sat, **more)
        channel = str(opened["channel_id"])

        async def ready() -> bool:
            await self.alice.call("mine", blocks=1)
            return all([await self.state(name, channel) == "normal" for name in OTHER])

        await self.until(ready, "the channel is open")
        return channel

    async def force(self, closer: str) -> None:
        """A second channel opens, and whoever is to die closes it alone."""
        channel = await self.open(EXTRA_SAT, EXTRA_SAT // 2, "")
        await self.daemons[closer].call("close", channel=channel, force=True)
        await self.alice.call("mine", blocks=150)

    # --- what must hold

    async def sound(self) -> None:
        """A death is no reason for an alarm: neither at the start, nor while everything goes on."""
        for name, daemon in self.daemons.items():
            problems = (await daemon.call("check"))["problems"]
            warnings = [each for each in (await daemon.call("info"))["warnings"] if "the check at the start" in each]
            assert not problems and not warnings, f"{name}: {problems} {warnings}"

    async def check(self) -> None:
        """The channel is active, every payment has ended the same on both sides, and balances add up."""
        await self.until(self.is_active, "the channel is active again with no one's help")
        await self.until(self.have_ended, "every payment in flight ends")
        await self.give()
        await self.clear()
        await self.until(self.balanced, f"bob has {self.bobs_msat} msat, and alice the rest")
        await self.pay_one("alice")
        await self.until(self.have_ended, "a payment")
        await self.until(self.balanced, "balances after one more payment")

    async def rows(self, name: str) -> list[Row]:
        """The channels of one side."""
        found: list[Row] = await self.daemons[name].call("channels")
        return found

    async def row(self, name: str) -> Row:
        """The channel."""
        return next(row for row in await self.rows(name) if row["channel_id"] == self.channel)

    async def state(self, name: str, channel: str) -> str:
        """The state of a channel."""
        return next((str(row["state"]) for row in await self.rows(name) if row["channel_id"] == channel), "")

    async def is_active(self) -> bool:
        """Whether the channel can be used on both sides."""
        try:
            rows = [await self.row(name) for name in OTHER]
        except Gone:
            return False
        return all(row["state"] == "normal" and row["connected"] and not row["frozen"] for row in rows)

    async def have_ended(self) -> bool:
        """Whether all payments have ended, the same on both sides; their amounts are then counted."""
        states = {}
        for name, daemon in self.daemons.items():
            states[name, "sent"] = {row["payment_hash"]: row["state"] for row in await daemon.call("payments")}
            states[name, "received"] = {row["payment_hash"]: row["state"] for row in await daemon.call("invoices")}
        ended = []
        for payment in self.pending:
            payer, payment_hash, amount_msat = payment
            sent = states[payer, "sent"].get(payment_hash, "never offered")
            if sent == "pending":
                continue
            received = states[OTHER[payer], "received"][payment_hash]
            assert (sent == "paid") == (received == "paid"), f"{payment_hash} is {sent} by {payer}, and {received}"
            ended.append(payment)
            if sent == "paid":
                self.bobs_msat += amount_msat if payer == "alice" else -amount_msat
        self.pending = [payment for payment in self.pending if payment not in ended]
        return not self.pending

    async def balanced(self) -> bool:
        """Whether both sides say what the payments say."""
        alice, bob = [await self.row(name) for name in OTHER]
        return (alice["ours_msat"], alice["theirs_msat"], bob["ours_msat"]) == (
            1000 * CAPACITY_SAT - self.bobs_msat,
            self.bobs_msat,
            self.bobs_msat,
        ) and not (alice["htlcs"] or bob["htlcs"])

    async def give(self) -> None:
        """Every box that was put before the death is given to bob."""

        async def given() -> bool:
            boxes = await self.alice.call("lockbox-list")
            for box in boxes:
                if box["box"] in asked:
                    continue
                try:
                    await self.alice.call("lockbox-give", channel_id=self.channel, box=box["box"])
                except RefusedByNode:
                    return False
                asked.add(box["box"])
                self.bobs_msat += 1000 * box["amount_sat"]
            return not boxes and not await self.bob.call("lockbox-list")

        asked: set[int] = set()
        await self.until(given, "boxes are given")

    async def clear(self) -> None:
        """Of openings there is a channel, which is closed now, or nothing: no coin stays reserved."""

        async def cleared() -> bool:
            extra = [row for row in await self.rows("alice") if row["channel_id"] != self.channel]
            if extra:
                await self.alice.call("mine", blocks=3)
            for row in extra:
                if row["state"] == "normal" and row["connected"]:
                    try:
                        await self.alice.call("close", channel=row["channel_id"])
                    except RefusedByNode:
                        return False
                elif row["state"] not in OPENING:
                    await self.alice.call("mine", blocks=100)
            funds = await self.alice.call("funds")
            return not extra and funds["reserved_sat"] == 0

        await self.until(cleared, "openings left a channel or nothing")


ACTIVITIES: Final[dict[str, Callable[[Pair, str], Awaitable[None]]]] = {
    **dict.fromkeys((point for point in PERSISTENCE_POINTS if point.startswith(("chain-", "wallet-"))), Pair.reopen),
    **dict.fromkeys(("channel-proposed", "channel-accepted", "channel-ready"), Pair.reopen),
    **dict.fromkeys(("channel-update-made", "channel-update-kept"), Pair.reopen),
    **dict.fromkeys(("funding-created", "funding-signed", "funding-broadcast"), Pair.reopen),
    **dict.fromkeys(("shutdown-stored", "closing-signed"), Pair.reopen),
    **dict.fromkeys(("store-owner", "channel-reestablished"), Pair.rest),
    "force-close": Pair.force,
    "wallet-rescanned": Pair.rescan,
    "setting-kept": Pair.tune,
    "payment-failed": Pair.fail,
    "payment-forgotten": Pair.forget,
}


def unknown_invoice(payee: Daemon) -> str:
    """An invoice that this daemon could have written, and has not."""
    draft = invoices.unsigned(unknown_request(bytes.fromhex(payee.node_id)))
    digest = sha256(draft.readable.encode() + draft.data).digest()
    return invoices.signed(draft, *sign_recoverable(payee.node_key, digest))


def _say(text: str) -> None:
    print(text, flush=True)


async def run(folder: Path, trials: list[Trial], payments: int, say: Callable[[str], None] = _say) -> None:
    """Trials one after the other on one pair, until one fails; says how to run that one alone."""
    pair = Pair(folder, payments)
    try:
        await pair.begin()
        await in_turn(trials, pair.trial, f"--real {{}}; logs in {folder}", say)
        await pair.end()
    finally:
        await pair.kill()
