"""What becomes of a channel in which payouts are signed ahead, for a secret, when a node dies around such signatures?

    offer      alice and bob each put an amount aside for the other, at once
    settle     both are handed over within the channel
    again      alice puts one aside once more, the line breaks, and bob learns the secret that completes his child
    close      bob closes alone
    sold       he takes it on the chain, and the mempool, or a block, shows alice the secret
    end        all is a hundred blocks deep

In one of these stages one node dies, at a commit or a broadcast of it, or at its end if it has fewer of them. Payouts
stand on both sides or on none, each can be enforced, the secret is told once, and every satoshi is accounted for.
"""

import asyncio
import atexit
import functools
import itertools
import random
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from lnpd_sdk.envelope import decode

from lnpd.channel.events import PutWitness
from lnpd.channel.state import Normal
from lnpd.crypto.secp import public_key
from lnpd.errors import LnpdError, StateUnproven
from lnpd.services.node.node import Node
from lnpd.testing import Network
from tests.crash.forced import Base, copy
from tests.crash.power import Died
from tests.crash.world import NODES, Cut, Moment, World, told
from tests.e2e.closing import Money, driver_of, is_closed
from tests.e2e.test_presigned import payouts
from tests.e2e.thief import loot

PRESIGNED: Final = Path(__file__).parents[2] / "plugins" / "examples" / "presigned.py"
GRANTS: Final = (("presigned", "updates:1000000"),)
KINDS: Final = {"static": "presigned/static_remotekey", "anchors": "presigned/anchors_zero_fee_htlc_tx"}
CAPACITY_SAT, PUSHED_SAT, COINS_SAT = 1_000_000, 400_000, 200_000
PAYOUTS_SAT: Final = {"alice": 25_000, "bob": 21_000}
LAST_SAT: Final = 30_000
SECRET: Final = b"\x5a" * 32
NAME: Final = f"adaptor:{public_key(SECRET).hex()}"
STAGES: Final = ("offer", "settle", "again", "close", "sold", "end")
POINTS: Final = {
    "offer": ("update-proposed", "auxiliary-stored", "commitment-signed", "commitment-held", "revocation-stored"),
    "settle": ("commitment-signed", "commitment-held", "revocation-stored"),
    "again": ("auxiliary-stored", "commitment-signed", "commitment-held", "revocation-stored", "channel-reestablished"),
    "close": ("force-close", "broadcast"),
    "sold": ("secret-sold", "chain-event", "broadcast"),
}
ONE_SIDED: Final = {
    ("sold", "secret-sold"): "alice",
    ("again", "auxiliary-stored"): "bob",
    ("close", "force-close"): "bob",
}
SEED: Final = 2026
UPDATING: Final = ("auxiliary-stored", "commitment-held")
MOST: Final = {"broadcast": 2, "chain-event": 2, "commitment-held": 2, "commitment-signed": 2}
MOST_FEES_SAT: Final = 20_000


@functools.cache
def base(kind: str) -> Base:
    """A channel and coins for both, in the folders of nodes that do not run. Made once in a process."""
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return asyncio.run(_make(folder, KINDS[kind]))


def plugin_in(folder: Path) -> Path:
    """The example, whose children are signed for the secret's point."""
    path, source = folder / "presigned.py", PRESIGNED.read_text()
    assert source.count("gated=True)") == 1
    path.write_text(source.replace("gated=True)", f'gated=True, adaptor_point=bytes.fromhex("{NAME[8:]}"))'))
    return path


async def _make(folder: Path, kind: str) -> Base:
    plugin = plugin_in(folder)
    async with Network(folder) as network:
        alice, bob = [await network.node(name, plugins=(plugin,), grants=GRANTS) for name in NODES]
        channel = await network.channel(alice, bob, CAPACITY_SAT, push_sat=PUSHED_SAT, kind=kind)
        for node in (alice, bob):
            await network.fund(node, COINS_SAT)
        return Base(folder, channel, (await network.chain.best_block()).height, {})


class Presigned:
    """The channel of a base, in a world."""

    def __init__(self, world: World, made: Base, folder: Path) -> None:
        self.world, self.base, self.money = world, made, Money(world.network)
        world.plugins, world.grants = (folder / "presigned.py",), GRANTS

    async def begin(self) -> None:
        """Both live, and the channel is in use."""
        world = self.world
        await world.begin()
        bob = (await world.living("bob")).node
        address = f"{bob.node_id.hex()}@{bob.peers.listening()[0]}"
        await world.ask("alice", lambda node: node.api.connect(address))
        world.channel = self.base.channel
        await world.active()
        await self.money.begin(*[(await world.living(name)).node for name in NODES])

    # --- within the channel

    async def offer(self) -> None:
        """Both at once."""
        await asyncio.gather(*(self._open(name, amount_sat) for name, amount_sat in PAYOUTS_SAT.items()))
        await self._stand((PAYOUTS_SAT["alice"], PAYOUTS_SAT["bob"]))

    async def settle(self) -> None:
        """Both at once."""
        await asyncio.gather(*(self._ask(name, "presigned-settle", {}, 0) for name in NODES))
        await self._stand((0, 0))

    async def again(self) -> None:
        """Only alice's; and bob learns the secret."""
        await self._open("alice", LAST_SAT)
        for name in NODES:
            self.world.cut_line(name)
        await asyncio.sleep(0)
        await self._stand((LAST_SAT, 0))
        command = PutWitness("presigned", NAME, SECRET)
        while True:
            try:
                await self.world.ask("bob", lambda node: driver_of(node).command(command))
                return
            except Died:
                continue

    async def _open(self, payer: str, amount_sat: int) -> None:
        await self._ask(payer, "presigned-offer", {"amount_sat": amount_sat}, amount_sat)

    async def _ask(self, payer: str, method: str, params: dict[str, object], wanted_sat: int) -> None:
        """Once, however often it has to begin again: what was not signed is forgotten at a death."""
        call = {"channel_id": self.base.channel, **params}
        while True:
            await self.world.active()
            await self._quiet()
            if (await self.world.look(payer, state_of))[NODES.index(payer)] == wanted_sat:
                return
            try:
                await self.world.ask(payer, lambda node: node.api.call_plugin(method, call))
            except Died:
                continue
            except LnpdError:
                assert self.world.disturbed, "an update is refused only when something died"
                await asyncio.sleep(0.02)

    async def _stand(self, payouts_sat: tuple[int, int]) -> None:
        """Both sides say so, and each holds what it needs to have its own without anybody."""
        await self.world.active()
        await self._quiet()
        for name in NODES:
            assert await self.world.look(name, state_of) == payouts_sat, name
            assert await self.world.look(name, holds(payouts_sat, NODES.index(name))), name

    async def _quiet(self) -> None:
        for name in (*NODES, *NODES):  # what the first one waited for may still be on its way when it is asked
            await self.world.until(name, is_quiet, "nothing is pending")

    # --- on the chain

    async def close(self) -> None:
        """Bob has broadcast his commitment."""
        self.commitment = (await self.world.look("bob", loot)).commitment
        while True:
            try:
                await self.world.ask("bob", lambda node: node.api.close(self.base.channel, True, None))
                break
            except Died:
                if not await self.world.look("bob", is_normal):
                    break
            except StateUnproven:
                assert self.world.disturbed, "only a node that was started again waits for its peer's word"
                await asyncio.sleep(0.02)

    async def sold(self) -> None:
        """It is in a block, his child waits, or is in another, and alice knows why."""
        await self.world.mine_nothing(1, self.commitment.serialise())  # and not alice's, who was told of it

        async def known(node: Node) -> bool:
            return any(each.data == SECRET for each in driver_of(node).channel.witnesses)

        for _ in range(20):
            if await self.world.look("alice", known):
                return
            await self._pass(1, 1)
        raise AssertionError("alice never learns the secret")

    async def end(self) -> None:
        """The channel is closed for good."""
        for _ in range(8):
            await self._pass(100, 50)
            if all([await self.world.look(name, is_over) for name in NODES]):
                return
        raise AssertionError("the channel is never closed for good")

    async def _pass(self, blocks: int, step: int) -> None:
        while blocks > 0:
            await self.world.mine(min(step, blocks))
            await self.world.handled()
            blocks -= step

    # --- what must hold

    async def ends_well(self) -> None:
        """Everybody has what was theirs, less the fees, and alice was told of the secret once."""
        nodes = [(await self.world.living(name)).node for name in NODES]
        fees, anchors_sat = await self.money.fees_sat(*nodes), await self.money.unspent_anchors_sat()
        gained = {node.config.alias: await self.money.gained_sat(node) for node in nodes}
        bobs_sat = PUSHED_SAT + PAYOUTS_SAT["alice"] - PAYOUTS_SAT["bob"] + LAST_SAT
        assert bobs_sat - fees["bob"] <= gained["bob"] <= bobs_sat - fees["bob"] + 660, (gained, fees)
        assert sum(gained.values()) + sum(fees.values()) + anchors_sat == CAPACITY_SAT, (gained, fees, anchors_sat)
        assert sum(fees.values()) < MOST_FEES_SAT, fees
        told = [event for event in await nodes[0].events.since(0, 10_000) if event.topic == "secret_sold"]
        assert len(told) == 1 and SECRET.hex() in bytes(told[0].payload).decode()


async def state_of(node: Node) -> tuple[int, int]:
    """What each side has put aside, irrevocably."""
    state = dict(driver_of(node).channel.base.states)["presigned"]
    return cast(tuple[int, int], decode(state, tuple[int, int])) if state else (0, 0)


def holds(payouts_sat: tuple[int, int], party: int) -> Callable[[Node], Coroutine[Any, Any, bool]]:
    """Whether a node's commitment has these outputs, and what its peer signed ahead."""

    async def look(node: Node) -> bool:
        return await payouts(node) == (sum(map(bool, payouts_sat)), int(payouts_sat[1 - party] > 0))

    return look


async def is_quiet(node: Node) -> bool:
    """Whether nothing is pending in the channel."""
    driver = driver_of(node)
    await driver.settled()
    channel = driver.channel
    return channel.live and not driver.frozen and not channel.log and not channel.awaiting_revocation


async def is_normal(node: Node) -> bool:
    """Whether the channel is in use."""
    return isinstance(driver_of(node).channel.phase, Normal)


async def is_over(node: Node) -> bool:
    """Whether the channel is closed for good."""
    return is_closed(node)


# The deaths


@dataclass(frozen=True)
class Case:
    """A death in a stage."""

    kind: str
    stage: str = ""
    cut: Cut | None = None

    def __str__(self) -> str:
        cut = self.cut
        assert cut is not None
        return ":".join((self.kind, self.stage, cut.who, cut.point, cut.moment, str(cut.count), cut.victim))


def read(name: str) -> Case:
    """The case of a name, as str() writes it."""
    kind, stage, who, point, moment, count, victim = name.split(":")
    return Case(kind, stage, Cut(who, point, cast(Moment, moment), cast(Any, victim), int(count)))


def cases() -> list[Case]:
    """Each point of each stage, on both sides, before and after; of the kinds in turn, and some with a plugin's death
    in place of its node's."""
    chance, kinds, found = random.Random(SEED), itertools.cycle(KINDS), []
    for stage, points in POINTS.items():
        for point, who, moment in itertools.product(points, NODES, ("before", "after")):
            if ONE_SIDED.get((stage, point), who) == who:
                cut = Cut(who, point, cast(Moment, moment), count=chance.randint(1, MOST.get(point, 1)))
                found.append(Case(next(kinds), stage, cut))
                if point in UPDATING and moment == "after":
                    found.append(Case(next(kinds), stage, replace(cut, victim="plugin", count=1)))
    return found


async def tell(folder: Path, case: Case) -> World:
    """The story with a death in one stage; what must hold is asserted on its way."""
    made = base(case.kind)
    copy(made, folder)
    async with World(folder) as world:
        story = Presigned(world, made, folder)
        await story.begin()
        await world.chaptered(story, STAGES, case.stage, case.cut)
        await story.ends_well()
        return world


def run(case: Case) -> World:
    """`tell`, with a limit."""
    base(case.kind)  # before the loop begins, for it is made in a loop of its own

    return told(lambda folder: tell(folder, case))
