"""Whenever a plugin with tokens, or its node, is killed: does the story go on, and is each token where it belongs?

Each test tells one long story of one victim, who dies at every step of it: while channels are opened and paid in. At
its end the tokens are counted. The steps are those of rgb_moments.py, and are all tried each time; what the story
passes and that table does not name fails it. Closing and coming home are told elsewhere.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from lnpd.testing import until_asked
from tests.interop.rgb_deaths import Kind, Victim
from tests.interop.rgb_moments import MOMENTS, OPENING, PAID, PAYING, RAISED, WAITING, deaths, unnamed
from tests.interop.rgb_story import Story
from tests.interop.rgb_wakes import mortal_pair

KINDS: Final[tuple[Kind, ...]] = ("plugin", "node")
SECONDS: Final = 900  # for some 80 deaths, on a loaded machine
OTHER: Final = {"alice": "bob", "bob": "alice"}


def told(folder: Path, victim: Victim, tell: Callable[[Story], Awaitable[None]]) -> None:
    async def main() -> None:
        async with mortal_pair(folder, victim) as pair:
            await tell(Story(pair))

    asyncio.run(asyncio.wait_for(main(), SECONDS))


def passed(story: Story, name: str) -> set[str]:
    """What a node has passed just now."""
    return {what for who, what in story.pair.network.passed if who == name}


@pytest.mark.parametrize("victim", [Victim(name, kind) for kind in KINDS for name in ("alice", "bob")], ids=str)
def test_whenever_it_dies_in_an_opening_or_a_payment_no_token_is_lost_or_made(tmp_path: Path, victim: Victim) -> None:
    name, other = victim.name, OTHER[victim.name]
    opening = OPENING[name]

    async def tell(story: Story) -> None:
        await story.fruitful()
        new = unnamed(passed(story, name), [what for what, *_ in opening], WAITING, RAISED)
        assert not new, f"no row of OPENING says what {victim} does around {new}"
        for payer, amount in (("alice", 500), ("bob", 30)):
            await story.pays(payer, amount)
            new = unnamed(passed(story, name), PAYING if name == payer else PAID)
            assert not new, f"no row says what {victim} does around {new} when {payer} pays"
        for paying, paid in zip(deaths(PAYING), deaths(PAID), strict=True):
            await story.pays(name, 10, paying)
            await story.pays(other, 10, paid)
        for what, *comes in opening:
            for moment, kinds in zip(MOMENTS, comes, strict=True):
                if victim.kind in kinds:
                    await story.fruitful((moment, what))
                else:
                    await story.fruitless((moment, what))
        for death in deaths(WAITING):
            await story.waited(death)
        for each in ("alice", "bob"):
            await story.quiet(each)
        await story.spendable()
        await until_asked(story.agree, "histories that add up to the balances")

    told(tmp_path, victim, tell)
