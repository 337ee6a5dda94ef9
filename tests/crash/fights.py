"""Which deaths are tried in forced closes and thefts, and how is one told?

Of both channel types, by each side, in each stage and on both sides: two deaths, one at a commit and one at a
broadcast. At which, and whether before or after it, is drawn with a seed.
"""

import itertools
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from tests.crash.forced import KINDS, STAGES, Fight, base, copy
from tests.crash.world import NODES, Cut, Moment, World, told

SEED: Final = 2026
MOST: Final = {"commit": 6, "broadcast": 3}


@dataclass(frozen=True)
class Case:
    """A death in a stage of a story."""

    story: str
    kind: str
    first: str
    stage: str = ""
    cut: Cut | None = None

    def __str__(self) -> str:
        cut = self.cut
        assert cut is not None
        return ":".join((self.story, self.kind, self.first, self.stage, cut.who, cut.point, cut.moment, str(cut.count)))


def read(name: str) -> Case:
    """The case of a name, as str() writes it."""
    story, kind, first, stage, who, point, moment, count = name.split(":")
    return Case(story, kind, first, stage, Cut(who, point, cast(Moment, moment), count=int(count)))


def cases() -> list[Case]:
    """All of them."""
    chance = random.Random(SEED)
    found = []
    for story, stages in STAGES.items():
        places = itertools.product(KINDS, NODES, stages, NODES, MOST.items())
        for kind, first, stage, who, (point, most) in places:
            if story == "robbed" and who != first:
                continue  # the thief does not live
            moment: Moment = chance.choice(("before", "after"))
            found.append(Case(story, kind, first, stage, Cut(who, point, moment, count=chance.randint(1, most))))
    return found


async def tell(folder: Path, case: Case) -> World:
    """A story with a death in one stage; what must hold is asserted at its end."""
    made = base(case.kind)
    copy(made, folder)
    async with World(folder, names=NODES if case.story == "closed" else (case.first,)) as world:
        fight = Fight(world, made, case.first)
        await fight.begin()
        await world.chaptered(fight, STAGES[case.story], case.stage, case.cut)
        await fight.ends_well()
        return world


def run(case: Case) -> World:
    """`tell`, with a limit."""
    base(case.kind)  # before the loop begins, for it is made in a loop of its own

    return told(lambda folder: tell(folder, case))
