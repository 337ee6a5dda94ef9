"""Is every token where it has to be at the end of a channel's life, whatever happens in it?

Payments both ways, with tokens and without, that can be made or not; restarts; HTLCs in flight; a close by agreement,
by force, or by a thief; feerates that rise meanwhile; blocks that are undone. The seed says what happens.
"""

import asyncio
import random
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from lnpd.channel.state import Channel
from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.testing import Network, until
from lnpd.tx.transaction import Tx
from tests.e2e.closing import broadcast_commitment, driver_of, estimate, finish, full_blocks, know, preimage
from tests.e2e.thief import Loot, loot
from tests.plugins.rgb_channel.chain import Holder, counted
from tests.plugins.rgb_channel.test_story import at_rest, offer, opened, pay, side, silent, tokens

SEEDS = (0, 31, 46, 74)  # by force, by thieves of either side; coins of the wallet pay for some claims
ALL = 5_700
FEERATES = (253, 2_500, 7_000, 9_900)
LATER = (253, 2_500, 8_000, 15_000)
BLOCKS = 900


class Flying(NamedTuple):
    """An HTLC that stays: who offered it, its id, the number of its preimage, its tokens."""

    offerer: int
    id: int
    number: int
    tokens: int


@dataclass
class Life:
    """A channel of two nodes, the opener first."""

    network: Network
    chance: random.Random
    nodes: list[Node]
    holders: list[Holder]
    witness: int = 0  # whose plugin is asked what became of it
    said: list[str] = field(default_factory=list)

    async def begun(self) -> Channel:
        for node in self.nodes:
            await self.network.fund(node, 300_000)
        channel = await opened(self.network, *self.nodes, push_sat=self.one_of(400, 20_000, 60_000, 400_000, 800_000))
        await estimate(self.network, self.one_of(*FEERATES))
        await self.network.mine()
        await at_rest(*self.nodes)
        return channel

    def one_of(self, *choices: int) -> int:
        return self.chance.choice(choices)

    async def lived(self) -> None:
        """Payments, and restarts between them."""
        for _ in range(self.chance.randint(0, 5)):
            payer = self.one_of(0, 1)
            amount, sat = self.one_of(0, 0, 1, 50, 700, 3_000), self.one_of(500, 9_200, 10_000, 50_000)
            try:
                await pay((self.nodes[payer], self.holders[payer]), self.nodes[1 - payer], sat, amount)
            except LnpdError as error:
                self.said.append(f"{payer} does not pay {sat} sat with {amount}: {error}")
            if self.chance.random() < 0.2:
                await self.restarted(self.one_of(0, 1))
        await at_rest(*self.nodes)

    async def restarted(self, which: int) -> None:
        await at_rest(*self.nodes)
        self.nodes[which], self.holders[which] = await self.network.restart(self.nodes[which]), Holder()
        await self.nodes[which].plugins.add_in_process(self.holders[which].plugin)
        await until(lambda: all(driver_of(node).channel.live for node in self.nodes), "the channel again")

    async def in_flight(self) -> list[Flying]:
        """HTLCs that stay."""
        height, found = await self.network.followed(), list[Flying]()
        for number in range(1, self.chance.randint(1, 5)):
            offerer, amount = self.one_of(0, 1), self.one_of(0, 1, 50, 300)
            sat, expiry = self.one_of(500, 2_000, 9_300, 15_000, 30_000), height + self.one_of(40, 50, 60)
            try:
                identity = await offer(*self.pair(offerer), number, sat, expiry, amount)
                found.append(Flying(offerer, identity, number, amount))
            except LnpdError as error:
                self.said.append(f"{offerer} does not offer {sat} sat with {amount}: {error}")
        return found

    def pair(self, first: int) -> tuple[Node, Node]:
        return self.nodes[first], self.nodes[1 - first]

    def some(self, flying: list[Flying]) -> list[Flying]:
        return [each for each in flying if self.chance.random() < 0.5]

    async def undone(self) -> None:
        """Blocks leave the chain, and come again otherwise."""
        for _ in range(self.chance.randint(0, 2)):
            await self.network.mine(self.chance.randint(1, 3))
            depth = self.chance.randint(1, 4)
            await self.network.chain.reorganise(depth, depth + 1)  # type: ignore[union-attr]  # the embedded chain
            await self.network.followed()

    async def moved_on(self) -> None:
        """The commitments of before are revoked."""
        height = await self.network.followed()
        try:
            await offer(*self.pair(0), 77, 2_000, height + 70, 0)
        except LnpdError:  # it has no more sats to offer
            await offer(*self.pair(1), 77, 2_000, height + 70, 0)

    def stages(self, stale: Loot, flying: list[Flying], thief: int) -> list[Tx]:
        """Some of the thief's HTLC transactions, in the block of its commitment."""
        known = [preimage(each.number) for each in self.some(flying) if each.offerer != thief]
        claims = stale.claims(known, [sha256(each).digest() for each in known])
        at_once = [each for each in claims if not each.path.after and self.chance.random() < 0.7]
        return [stale.second_stage([each]) for each in at_once]

    # --- how it ends: each returns how many tokens whose are then
    async def agreed(self) -> list[int]:
        wanted, node = [*tokens(*self.nodes)], self.nodes[self.one_of(0, 1)]
        await node.api.close(driver_of(node).channel.id.hex(), False, None)
        await finish(self.network, *self.nodes)
        return wanted

    async def forced(self) -> list[int]:
        flying, wanted = await self.in_flight(), [*tokens(*self.nodes)]
        await broadcast_commitment(self.network, self.nodes[self.one_of(0, 1)])
        await estimate(self.network, self.one_of(*LATER))
        await self.network.mine()
        for each in self.some(flying):
            await know(self.nodes[1 - each.offerer], each.id, each.number)
            wanted[each.offerer] -= each.tokens
            wanted[1 - each.offerer] += each.tokens
        await self.undone()
        await finish(self.network, *self.nodes, blocks=BLOCKS)
        return wanted

    async def cheated(self) -> list[int]:
        thief, flying = self.one_of(0, 1), await self.in_flight()
        stale = await loot(self.nodes[thief])
        for each in self.some(flying):
            await know(self.nodes[1 - each.offerer], each.id, each.number)
        await self.moved_on()
        stages = self.stages(stale, flying, thief)
        self.witness = 1 - thief
        await self.nodes[thief].plugins.stop()
        await self.network.stop(self.nodes[thief])
        await estimate(self.network, self.one_of(*LATER))
        await full_blocks(self.network, 1, stale.commitment, *stages)
        await self.undone()
        await finish(self.network, self.nodes[1 - thief], blocks=BLOCKS)
        return [0 if party == thief else ALL for party in (0, 1)]


async def told(folder: Path, seed: int) -> None:
    async with Network(folder) as network:
        sides = [await side(network, name) for name in ("alice", "bob")]
        life = Life(network, random.Random(seed), [node for node, _ in sides], [holder for _, holder in sides])
        channel = await life.begun()
        await life.lived()
        with silent(*life.nodes):
            wanted = await life.chance.choice((life.agreed, life.forced, life.forced, life.cheated, life.cheated))()
        has, purposes = await counted(network, life.holders[life.witness], channel, *life.nodes)
        assert [*has] == wanted, (has, wanted, purposes, life.said)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_token_is_lost_or_made_whatever_happens(tmp_path: Path, seed: int) -> None:
    asyncio.run(told(tmp_path, seed))
