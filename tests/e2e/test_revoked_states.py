"""Is each of the last ten revoked states punished, HTLCs both ways and an extension's output in it, its plugin dead?

One channel is made and used; bob's folder and the chain are then copied for each state, so that each is the first and
only one that alice broadcasts.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lnpd.testing import Network, shown
from tests.e2e.closing import Money, driver_of, ears, full_blocks, offer, pass_blocks
from tests.e2e.test_lockbox import KINDS, pair
from tests.e2e.test_penalties import secured
from tests.e2e.thief import Loot, loot

LAST = 10
BOX_SAT, HELD_SAT = 25_000, {"alice": 40_000, "bob": 20_000}
Made = Callable[[str], tuple[Path, list[Loot]]]


async def make(folder: Path, kind: str) -> list[Loot]:
    """A channel in which alice has a box, and which has changed more than ten times since; her states, newest first."""
    async with Network(folder) as network:
        alice, bob, _ = await pair(network, kind)
        ears(alice), ears(bob)
        expiry = (await network.chain.best_block()).height + 300
        await offer(alice, bob, 1, HELD_SAT["alice"], expiry)
        await offer(bob, alice, 2, HELD_SAT["bob"], expiry)
        held = driver_of(alice).channel.numbers[driver_of(alice).channel.us]
        number = 2
        while driver_of(alice).channel.numbers[driver_of(alice).channel.us] < held + LAST:
            number += 1
            payer, payee = (alice, bob) if number % 2 else (bob, alice)
            await offer(payer, payee, number, 3_000 + number, expiry + number)
        return [await loot(alice, back) for back in range(LAST + 1)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A folder to copy, and alice's states; made once for each kind."""
    known: dict[str, tuple[Path, list[Loot]]] = {}

    def get(kind: str) -> tuple[Path, list[Loot]]:
        if kind not in known:
            folder = tmp_path_factory.mktemp("made")
            known[kind] = folder, asyncio.run(make(folder, kind))
        return known[kind]

    return get


@pytest.mark.parametrize("back", range(1, LAST + 1))
@pytest.mark.parametrize("kind", KINDS)
def test_a_revoked_state_is_punished_with_the_plugin_dead(tmp_path: Path, made: Made, kind: str, back: int) -> None:
    folder, states = made(kind)
    stolen = states[back]
    assert stolen.kept.graph.number == states[0].kept.graph.number - back
    outputs = {(o.provider, o.value_sat) for o in stolen.kept.graph.outputs}
    assert outputs >= {("lockbox", BOX_SAT), *(("htlc", each) for each in HELD_SAT.values())}
    shutil.copytree(folder, tmp_path / "n", ignore=shutil.ignore_patterns("run", "alice"))

    async def main() -> None:
        async with Network(tmp_path / "n") as network:
            bob = await network.node("bob")  # without the plugin
            money = Money(network)
            await money.begin(bob)
            channel = driver_of(bob).channel.id.hex()
            await full_blocks(network, 1, stolen.commitment)
            await pass_blocks(network, 2)
            row = await shown(bob, channel)
            assert row is not None
            assert {(o.provider, o.state) for o in row.onchain if o.kind != "anchor"} == {
                ("lockbox", "claimed"), ("htlc", "claimed"), ("base", "claimed")
            }  # fmt: skip
            await secured(network, bob, money, stolen)

    asyncio.run(main())
