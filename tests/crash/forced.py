"""What becomes of a channel that is closed by force, or is robbed, when a node dies in the middle of that?

    HTLC  offered by   amount    ends by
    1     alice        40,000    bob's preimage, which alice learns from the chain
    2     alice        30,000    alice's timeout
    3     bob          20,000    alice's preimage
    4     bob          25,000    bob's timeout
    5     alice           300    it is trimmed, and fails; before it was the state that a thief broadcasts

    closed by one side    close, claims, replaced, preimage, timeouts, sweeps, end
    robbed by the other   theft, replaced, taken, end

In one of these stages one node dies: at a commit or a broadcast of that stage, before it or after it, or when the
stage is over if it has fewer of them. The channel is made once for each type, and copied for each death. In the end
every satoshi is accounted for, fees by name, and each HTLC has ended as it must.
"""

import asyncio
import atexit
import functools
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from lnpd.chain.interface import Outpoint
from lnpd.channel.events import Fulfill
from lnpd.channel.state import Normal
from lnpd.errors import LnpdError, StateUnproven
from lnpd.services.node.node import Node
from lnpd.store.filebirth import made_unix_nanoseconds
from lnpd.store.witness import PLACE_NAME, WITNESS_NAME, Seen
from lnpd.testing import Network
from tests.crash.power import Died
from tests.crash.world import NODES, World
from tests.e2e.closing import Ears, Money, driver_of, ears, is_closed, offer, preimage
from tests.e2e.thief import Loot, loot

KINDS: Final = {"static": "static_remotekey", "anchors": "anchors_zero_fee_htlc_tx"}
OTHER: Final = {"alice": "bob", "bob": "alice"}
CAPACITY_SAT, PUSHED_SAT, COINS_SAT = 1_000_000, 400_000, 200_000
OFFERS: Final = (("alice", 1, 40_000), ("alice", 2, 30_000), ("bob", 3, 20_000), ("bob", 4, 25_000))
TRIMMED_SAT: Final = 300
FIRST_EXPIRY: Final = 40  # blocks from the offers on; each HTLC's is two blocks after the one before
KNOWN: Final = {"alice": (0, 3), "bob": (0, 1)}  # the id of the HTLC of which each knows the preimage, and its number
FULFILLED: Final = {"alice": {0: preimage(1)}, "bob": {0: preimage(3)}}  # what each is told of the HTLCs it offered
FAILED: Final = {"alice": {1, 2}, "bob": {1}}
HIGH_PER_KW, USUAL_PER_KW = 10_000, 2_500
MOST_FEES_SAT: Final = 40_000
DELAY: Final = 144
DEEP: Final = 100


@dataclass(frozen=True)
class Base:
    """A channel with its HTLCs in flight, in the folders of a chain and two nodes that do not run."""

    folder: Path
    channel: str
    height: int  # when the HTLCs were offered
    stolen: dict[str, Loot]  # what each could broadcast, and has revoked


@functools.cache
def base(kind: str) -> Base:
    """Made once in a process."""
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return asyncio.run(_make(folder, KINDS[kind]))


async def _make(folder: Path, kind: str) -> Base:
    async with Network(folder) as network:
        nodes = {name: await network.node(name) for name in NODES}
        alice, bob = nodes.values()
        channel = await network.channel(alice, bob, CAPACITY_SAT, push_sat=PUSHED_SAT, kind=kind)
        for node in (alice, bob):
            await network.fund(node, COINS_SAT)
            ears(node)
        height = (await network.chain.best_block()).height
        for payer, number, amount_sat in OFFERS:
            expiry = height + FIRST_EXPIRY + 2 * (number - 1)
            await offer(nodes[payer], nodes[OTHER[payer]], number, amount_sat, expiry)
        stolen = {name: await loot(node) for name, node in nodes.items()}
        await offer(alice, bob, 5, TRIMMED_SAT, height + FIRST_EXPIRY)
        return Base(folder, channel, height, stolen)


def copy(made: Base, folder: Path) -> None:
    """A base of one's own. It is told its new place: nobody uses the one that it was copied from."""
    shutil.copytree(made.folder, folder, ignore=shutil.ignore_patterns("run"))
    for path in folder.rglob(WITNESS_NAME):
        seen, place = Seen.decode(path.read_bytes()), path.with_name(PLACE_NAME)
        assert seen is not None
        path.write_bytes(Seen(seen.commits, made_unix_nanoseconds(place)).encode())


class Silent(Node):
    """A node that answers no HTLC, and remembers what it is told of them."""

    def _make_payments(self) -> None:
        super()._make_payments()
        ears(self)


@dataclass
class Fight:
    """The channel of a base, in a world. `first` closes; or is robbed, and the other is gone."""

    world: World
    base: Base
    first: str
    money: Money = field(init=False)

    def __post_init__(self) -> None:
        self.money = Money(self.world.network)
        self.world.make, self.world.plugins = Silent, ()
        self.world.orphans = "to no payment and no circuit"

    @property
    def second(self) -> str:
        """Who does not close."""
        return OTHER[self.first]

    async def begin(self) -> None:
        """The nodes live, and are connected if there are two."""
        world = self.world
        await world.begin()
        if len(world.names) > 1:
            bob = (await world.living("bob")).node
            address = f"{bob.node_id.hex()}@{bob.peers.listening()[0]}"
            await world.ask("alice", lambda node: node.api.connect(address))
            world.channel = self.base.channel
            await world.active()
        await self.money.begin(*[(await world.living(name)).node for name in world.names])

    # --- closed by one side

    async def close(self) -> None:
        """The first side closes alone, and a commitment is in the mempool."""
        while True:
            try:
                await self.world.ask(self.first, lambda node: node.api.close(self.base.channel, True, None))
                break
            except Died:
                if not await self.world.look(self.first, _is_normal):
                    break
            except StateUnproven:
                assert self.world.disturbed, "only a node that was started again waits for its peer's word"
                await asyncio.sleep(0.02)
        await self._spent()

    async def _spent(self) -> None:
        funding = self.base.stolen[self.first].kept.graph.funding

        async def spent(_node: Node) -> bool:
            output = await self.world.chain.output(Outpoint(funding.txid, funding.vout))
            return output is None or output.spent_by is not None

        await self.world.until(self.first, spent, "a commitment in the mempool")

    async def claims(self) -> None:
        """The commitment is in a block, and whoever closed knows a preimage."""
        await self.world.mine()
        await self._know(self.first)
        await self.world.handled()

    async def replaced(self) -> None:
        """Feerates rise while what was broadcast finds no room: there are new versions of it, at once and later."""
        await self.world.estimate(HIGH_PER_KW)
        await self.world.mine_nothing()
        await self.world.mine_nothing()
        await self.world.estimate(USUAL_PER_KW)

    async def preimage(self) -> None:
        """The other side learns its preimage only now."""
        await self.world.mine()
        await self._know(self.second)
        await self._pass(2, 1)

    async def timeouts(self) -> None:
        """The last HTLC runs out."""
        height = (await self.world.chain.best_block()).height
        await self._pass(self.base.height + FIRST_EXPIRY + 2 * len(OFFERS) - height, 6)
        await self._pass(2, 1)

    async def sweeps(self) -> None:
        """The delays pass."""
        await self._pass(DELAY, 48)
        await self._pass(2, 1)

    async def end(self) -> None:
        """All is a hundred blocks deep, and the channel is closed for good."""
        await self._pass(DEEP, 50)
        for _ in range(5):  # a node that came back only now was late with something
            if all([await self.world.look(name, _is_over) for name in self.world.names]):
                return
            await self._pass(DEEP, 50)
        raise AssertionError("the channel is never closed for good")

    async def _know(self, name: str) -> None:
        """The node learns the preimage of an HTLC that it received."""
        identity, number = KNOWN[name]
        command = Fulfill(identity, preimage(number))
        while True:
            try:
                await self.world.ask(name, lambda node: driver_of(node).command(command))
                return
            except Died:
                continue
            except LnpdError:
                assert self.world.disturbed, "it learns nothing new only if it knew it before it died"
                return

    async def _pass(self, blocks: int, step: int) -> None:
        while blocks > 0:
            await self.world.mine(min(step, blocks))
            await self.world.handled()
            blocks -= step

    # --- robbed by the other

    async def theft(self) -> None:
        """The thief's revoked commitment is in a block."""
        stolen = self.base.stolen[self.second].commitment
        await self.world.mine_nothing(1, stolen.serialise())

    async def taken(self) -> None:
        """What punishes it is in a block."""
        await self._pass(2, 1)

    # --- what must hold

    async def ends_well(self) -> None:
        """Everybody has what was theirs, less the fees; and was told of each HTLC what became of it."""
        nodes = [(await self.world.living(name)).node for name in self.world.names]
        fees, anchors_sat = await self.money.fees_sat(*nodes), await self.money.unspent_anchors_sat()
        gained = {node.config.alias: await self.money.gained_sat(node) for node in nodes}
        if len(nodes) == 1:
            graph = self.base.stolen[self.second].kept.graph
            held_sat = graph.funding.capacity_sat - graph.fee_sat
            assert gained[self.first] == held_sat - fees[self.first] - anchors_sat, (gained, fees)
        else:
            moved_sat = OFFERS[0][2] - OFFERS[2][2]  # the two with preimages
            opener_sat = fees["channel"] + anchors_sat  # a trimmed HTLC is in the commitment's fee
            assert gained["bob"] == PUSHED_SAT + moved_sat - fees["bob"], (gained, fees)
            assert gained["alice"] == CAPACITY_SAT - PUSHED_SAT - moved_sat - fees["alice"] - opener_sat, (gained, fees)
            self._told()
        assert all(fees[name] < MOST_FEES_SAT for name in self.world.names), fees

    def _told(self) -> None:
        for name in NODES:
            lives = [node for node in self.world.born if node.config.alias == name]
            heard = [cast(Ears, node.channels.parts.recipients["payments"]) for node in lives]
            fulfilled = {number: each for ears in heard for number, each in ears.fulfilled.items()}
            assert fulfilled == FULFILLED[name], name
            assert {number for ears in heard for number in ears.failed} == FAILED[name], name


async def _is_normal(node: Node) -> bool:
    return isinstance(driver_of(node).channel.phase, Normal)


async def _is_over(node: Node) -> bool:
    return is_closed(node)


STAGES: Final = {
    "closed": ("close", "claims", "replaced", "preimage", "timeouts", "sweeps", "end"),
    "robbed": ("theft", "replaced", "taken", "end"),
}
