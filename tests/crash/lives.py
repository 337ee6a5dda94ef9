"""What does a real kill -9 cost two daemons on a real bitcoind, from the opening of a channel to its last satoshi?

    open, pay both ways, and then    close by agreement, resolve
                                     HTLCs hang, one side closes by force, resolve on chain

Each trial is the life of one channel, with one death in it: of alice, bob, or the bitcoind itself; at a persistence
point, or so many milliseconds after a stage began. Whoever dies is started again, and nobody helps it. At the end of
each life both sides agree on every payment, bob has his share, and all coins are there but for fees and anchors.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from lnpd.errors import RefusedByNode
from lnpd.testing import free_port
from tests.crash.daemon import Daemon, Gone
from tests.crash.endings import STAGES, Ending
from tests.crash.hand import Hand
from tests.crash.real import OPENING, Row, unknown_invoice
from tests.crash.trials import OTHER, in_turn

COINS_SAT, CAPACITY_SAT, PUSH_SAT = 10_000_000, 1_000_000, 400_000
KINDS: Final = {"static": "static_remotekey", "anchors": "anchors_zero_fee_htlc_tx"}
COINBASE_BLOCKS: Final = 100
PATIENCE_SECONDS: Final = 90.0
MOST_FEES_SAT: Final = 45_000  # of one side in a forced close, as blocks pass by its deadlines in one go
HANGS: Final = "invoice-paid:before:1"  # the payee dies when it is to answer an HTLC
PAYMENTS_SAT: Final = (20_000, 30_000)
NEAR_BLOCKS, STEP_BLOCKS, MOST_TURNS = 8, 50, 40


class Lives:
    """alice and bob, who are started again whenever they die."""

    def __init__(self, folder: Path) -> None:
        self.hand = Hand(folder)
        chain = f"--bitcoind-directory={self.hand.bitcoind.directory} --network=regtest"
        keys = {name: sha256(name.encode()).digest() for name in OTHER}
        self.daemons = {name: Daemon(folder, name, chain, free_port(), keys[name], lockbox=False) for name in OTHER}
        self.deaths: Counter[str] = Counter()
        self.fees: Counter[str] = Counter()
        self.refused: list[str] = []  # since the trial began: why something had to be asked for again
        self._up = {name: asyncio.Event() for name in OTHER}
        self._arms: dict[str, tuple[str, ...]] = {}
        self._hung: set[str] = set()  # whose HTLCs shall hang
        self._down: set[str] = set()  # who is not to be started again yet
        self._keepers: list[asyncio.Task[None]] = []
        self.channel = ""
        self.funded_at = 0  # the block that holds the channel's funding
        self.bobs_msat = 0
        self.pending: list[tuple[str, str, int]] = []  # payer, payment hash, msat

    async def begin(self) -> None:
        """Both live, and have coins."""
        await self.hand.start()
        self._keepers = [asyncio.create_task(self._keep(name)) for name in OTHER]
        for name in OTHER:
            await self.look(name, "fund", amount_sat=COINS_SAT)
        await self.hand.remember()
        await self.hand.mine(COINBASE_BLOCKS)  # the blocks of `fund` were the nodes' own
        self.hand.count_from_here()
        await self.level()
        self.total_sat = sum([(await self.look(name, "funds"))["confirmed_sat"] for name in OTHER])

    async def kill(self) -> None:
        """Every process, at the end."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for daemon in self.daemons.values():
            await daemon.kill()
        await asyncio.to_thread(self.hand.bitcoind.kill)

    # --- life and death

    async def _keep(self, name: str) -> None:
        daemon = self.daemons[name]
        while True:
            await self.hand.there()
            await daemon.live(*self._arms.pop(name, ()), *([HANGS] if name in self._hung else []))
            self._up[name].set()
            assert daemon.process is not None
            await daemon.process.wait()
            self._up[name].clear()
            self.deaths[name] += 1
            while name in self._down:
                await asyncio.sleep(0.02)

    async def strike(self, who: str, *arms: str) -> None:
        """kill -9. With arms it will die again, at one of these points."""
        if who == "bitcoind":
            await self.hand.kill()
            return
        self._arms[who] = arms
        self._up[who].clear()  # nobody asks it before it lives again
        await self.daemons[who].kill()

    def is_up(self, name: str) -> bool:
        """Whether the daemon lives."""
        return self._up[name].is_set()

    # --- asking

    async def ask(self, name: str, method: str, **params: Any) -> Any:  # Any: JSON values
        """What a daemon answers, once it lives, if it shall. Gone, RefusedByNode."""
        if name in self._down and not self.is_up(name):
            raise Gone(f"{name} is not to live now")
        up = asyncio.create_task(self._up[name].wait())
        await asyncio.wait({up, *self._keepers}, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        for keeper in self._keepers:
            if keeper.done():
                keeper.result()
        return await self.daemons[name].call(method, **params)

    async def look(self, name: str, method: str, **params: Any) -> Any:  # Any: JSON values
        """What it answers to a question that may be asked again."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await self.ask(name, method, **params)
            except (Gone, RefusedByNode) as error:
                self.refused.append(f"{name}: {method}: {error}")
                assert time.monotonic() < deadline, f"{name} never answered {method}: {self.refused[-3:]}"
                await asyncio.sleep(0.05)

    async def until(self, condition: Callable[[], Awaitable[object]], why: str) -> None:
        """Returns once it is true."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await condition():
            assert time.monotonic() < deadline, f"never came true: {why}; {self.refused[-3:]}"
            await asyncio.sleep(0.05)

    async def row(self, name: str) -> Row | None:
        """The channel, as one side shows it."""
        rows: list[Row] = await self.look(name, "channels")
        return next((row for row in rows if row["channel_id"] == self.channel), None)

    async def is_active(self) -> bool:
        """Whether the channel can be used on both sides. Alice dials: her own pauses grow, as bob dies often."""
        rows = [await self.row(name) for name in OTHER]
        if not all(row and row["connected"] for row in rows):
            await self.connect()
        return all(row and row["state"] == "normal" and row["connected"] and not row["frozen"] for row in rows)

    async def level(self) -> None:
        """Returns once both have handled every block, and the mempool holds what they want of it."""

        async def there() -> bool:
            return all([await self._follows(name) for name in OTHER])

        await self.until(there, f"both have followed the chain to {self.hand.height}")
        before = None
        while before != (before := await self.hand.waiting()):
            await asyncio.sleep(0.1)

    async def _follows(self, name: str) -> bool:
        height = (await self.look(name, "info"))["height"]
        row = await self.row(name) if self.funded_at else None
        return height == self.hand.height and (row is None or row["confirmations"] == height - self.funded_at + 1)

    async def mine(self, blocks: int = 1) -> None:
        """New blocks, once everybody has done what it wants to do before them."""
        await self.level()
        await self.hand.mine(blocks)

    # --- the stages of a life

    async def open(self, kind: str) -> None:
        """A channel that both can use."""
        self.channel, self.funded_at, self.bobs_msat = "", 0, 1000 * PUSH_SAT
        while not self.channel:
            rows = await self.look("alice", "channels")
            if found := [row["channel_id"] for row in rows if row["state"] in OPENING]:
                (self.channel,) = found
                break
            await self.connect()
            asked = {"peer": self.daemons["bob"].node_id, "amount_sat": CAPACITY_SAT, "push_msat": self.bobs_msat}
            if not await self._try("alice", "open", **asked, channel_type=KINDS[kind]):
                await asyncio.sleep(0.1)

        async def ready() -> bool:
            await self.mine()
            return await self.is_active()

        await self.until(ready, "the channel is open")
        row = await self.row("alice")
        assert row is not None
        self.funded_at = await self.hand.height_of(row["funding"].partition(":")[0])

    async def connect(self) -> None:
        """Alice dials bob."""
        bob = self.daemons["bob"]
        await self._try("alice", "connect", address=f"{bob.node_id}@{bob.address}")

    async def pay(self) -> None:
        """Payments both ways at once."""
        await asyncio.gather(*(self.pay_one(name, sat) for name in OTHER for sat in PAYMENTS_SAT))
        await self.until(self.is_active, "the channel is active again with no one's help")
        await self.until(self.have_ended, "every payment ends")

    async def pay_one(self, payer: str, amount_sat: int) -> None:
        """One payment; how it ended is looked at later."""
        if text := await self._invoice(payer, amount_sat):
            await self._try(payer, "pay", invoice=text, timeout_seconds=20)

    async def _invoice(self, payer: str, amount_sat: int) -> str:
        made = await self._try(OTHER[payer], "invoice", amount_msat=1000 * amount_sat, description="crash")
        if made is None:
            return ""
        self.pending.append((payer, made["payment_hash"], 1000 * amount_sat))
        return str(made["invoice"])

    async def have_ended(self) -> bool:
        """Whether all payments have ended, the same on both sides; their amounts are then counted."""
        sent = {name: {p["payment_hash"]: p["state"] for p in await self.look(name, "payments")} for name in OTHER}
        paid = {name: {i["payment_hash"]: i["state"] for i in await self.look(name, "invoices")} for name in OTHER}
        for payment in list(self.pending):
            payer, payment_hash, amount_msat = payment
            state, other = sent[payer].get(payment_hash, "never offered"), paid[OTHER[payer]][payment_hash]
            if state == "pending":
                continue
            assert (state == "paid") == (other == "paid"), f"{payment_hash} is {state} by {payer}, and {other}"
            self.pending.remove(payment)
            if state == "paid":
                self.bobs_msat += amount_msat if payer == "alice" else -amount_msat
        return not self.pending

    async def close(self) -> None:
        """By agreement."""
        while (row := await self.row("alice")) and row["state"] == "normal":
            if not await self._try("alice", "close", channel=self.channel):
                await self.connect()
        await self.mine()

    async def force(self, closer: str) -> None:
        """HTLCs of the closer's hang, for its peer dies at the first one; it closes, and the peer comes back."""
        peer = OTHER[closer]
        await self._hang(closer, peer)
        while (row := await self.row(closer)) and row["state"] == "normal":
            try:
                await self.ask(closer, "close", channel=self.channel, force=True)
            except Gone:
                continue
            except RefusedByNode as error:
                self.refused.append(f"{closer}: close: {error}")
                self._release(peer)  # it was started again, and waits for the peer's word
                await self.connect()
        self._release(peer)
        await self.mine()

    def _release(self, peer: str) -> None:
        self._hung.discard(peer)
        self._down.discard(peer)

    async def _hang(self, closer: str, peer: str) -> None:
        self._hung.add(peer)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._up[peer].wait()  # who is just being started again, after the stage before, was not told to die
        await self.strike(peer)
        await self.until(self.is_active, "the channel is active before HTLCs hang")
        self._down.add(peer)
        texts = [*[await self._invoice(closer, sat) for sat in PAYMENTS_SAT], unknown_invoice(self.daemons[peer])]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.is_up(peer):  # a closer that dies, or does not see the chain as it is, has offered nothing
            await asyncio.gather(*(self._try(closer, "pay", invoice=text, timeout_seconds=1) for text in texts if text))
            assert time.monotonic() < deadline, f"no HTLC of {closer}'s reached {peer}: {self.refused[-3:]}"
            await asyncio.sleep(0.1)

    async def _try(self, name: str, method: str, **params: Any) -> Any:  # Any: JSON values
        try:
            return await self.ask(name, method, **params)
        except (Gone, RefusedByNode) as error:
            self.refused.append(f"{name}: {method}: {error}")
            return None

    async def resolve(self) -> None:
        """Blocks go by: claims, deadlines, delays, and a hundred more upon the last of them."""
        for turn in range(MOST_TURNS):
            if all([await self.row(name) is None for name in OTHER]) and await self.have_ended():
                return
            await self.mine(1 if turn < NEAR_BLOCKS else STEP_BLOCKS)
        rows = [await self.row(name) for name in OTHER]
        raise AssertionError(f"the channel is never closed for good: {rows}, {self.pending}")

    # --- a trial

    async def trial(self, ending: Ending) -> None:
        """One life with one death in it, and everything that must hold at its end."""
        self.refused.clear()
        await self.hand.flush()
        killed = sum(self.deaths.values()) + self.hand.deaths
        before = (await self.look("bob", "funds"))["confirmed_sat"]
        if ending.arms:
            await self.strike(ending.who, *ending.arms)
            killed += 1
        for stage in STAGES[ending.story]:
            await self._stage(ending, stage)
            if stage == "resolve" and ending.arms and sum(self.deaths.values()) == killed:
                await self.strike(ending.who)
        await self.level()
        await self.ends_well(ending, before)

    async def _stage(self, ending: Ending, stage: str) -> None:
        dies = asyncio.create_task(self._dies(ending, stage))
        try:
            match stage:
                case "open":
                    await self.open(ending.kind)
                case "pay":
                    await self.pay()
                case "close":
                    await self.close()
                case "force":
                    await self.force(ending.closer)
                case _:
                    await self.resolve()
        except BaseException:
            dies.cancel()
            raise
        await dies

    async def _dies(self, ending: Ending, stage: str) -> None:
        if ending.place == stage:
            await asyncio.sleep(ending.count / 1000)
            await self.strike(ending.who)

    async def ends_well(self, ending: Ending, before_sat: int) -> None:
        """Bob has his share, and nobody has less than everything but the fees and anchors."""
        fees, anchors_sat = await self.hand.spent()
        wanted_sat = self.total_sat - sum(fees.values()) - anchors_sat
        funds: dict[str, Row] = {}

        async def all_there() -> bool:
            funds.update({name: await self.look(name, "funds") for name in OTHER})
            return bool(sum(each["confirmed_sat"] for each in funds.values()) == wanted_sat)

        await self.until(all_there, f"both have {wanted_sat} sat: {funds}, {fees}, anchors: {anchors_sat}")
        assert all(each["unconfirmed_sat"] == each["reserved_sat"] == 0 for each in funds.values()), funds
        assert await self.have_ended()
        self.fees = fees
        lost_sat = before_sat + self.bobs_msat // 1000 - funds["bob"]["confirmed_sat"]
        most_sat = MOST_FEES_SAT if ending.story == "forced" else 0
        assert 0 <= lost_sat <= most_sat, f"bob lost {lost_sat} sat"


async def run(folder: Path, endings: list[Ending], say: Callable[[str], None] = print) -> Counter[str]:
    """Lives one after the other, until one ends badly; says how to run that one alone. The fees by name."""
    lives = Lives(folder)
    try:
        await lives.begin()
        await in_turn(endings, lives.trial, f"--bitcoind {{}}; logs in {folder}", say)
        return lives.fees
    finally:
        await lives.kill()
