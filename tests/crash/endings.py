"""Which real deaths are tried on a real bitcoind? Seeded: of two in five a point is drawn, of two a moment in a stage,
and in one it is bitcoind that dies."""

import random
from dataclasses import dataclass
from typing import Final

from tests.crash.trials import OTHER

STAGES: Final = {"agreed": ("open", "pay", "close", "resolve"), "forced": ("open", "pay", "force", "resolve")}
LONGEST_MS: Final = {"open": 600, "pay": 400, "close": 300, "force": 1500, "resolve": 2000}
KINDS: Final = ("static", "anchors")
BOTH: Final = (
    "channel-ready",
    "channel-update-made",
    "channel-update-kept",
    "invoice-created",
    "update-proposed",
    "payment-offered",
    "commitment-signed",
    "commitment-held",
    "revocation-stored",
    "invoice-paid",
    "preimage-learned",
    "payment-paid",
    "chain-event",
    "chain-followed",
    "chain-past-read",
    "wallet-followed",
)
OWN: Final = {
    "alice": ("channel-proposed", "wallet-funded", "funding-created", "funding-broadcast"),
    "bob": ("channel-accepted", "funding-signed"),
}
LAST: Final = {"agreed": ("shutdown-stored", "closing-signed"), "forced": ("force-close",)}
MOST: Final = {"chain-event": 10, "chain-followed": 20, "wallet-followed": 12, "commitment-signed": 6}
"""How often a point is passed at least, where that is more than a few times."""


@dataclass(frozen=True)
class Ending:
    """A channel's life, and who dies in it: at the `count`-th commit of a point, or `count` ms after a stage began."""

    who: str
    story: str
    kind: str
    closer: str
    place: str
    moment: str
    count: int

    def __str__(self) -> str:
        parts = (self.who, self.story, self.kind, self.closer, self.place, self.moment, str(self.count))
        return ":".join(parts)

    @property
    def arms(self) -> tuple[str, ...]:
        """The daemon's fail-point."""
        return () if self.moment == "at" else (f"{self.place}:{self.moment}:{self.count}",)


def read(name: str) -> Ending:
    """The ending of a name, as str() writes it."""
    who, story, kind, closer, place, moment, count = name.split(":")
    return Ending(who, story, kind, closer, place, moment, int(count))


def endings(seed: str, number: int) -> list[Ending]:
    """So many, no two alike."""
    chance = random.Random(seed)
    found: dict[Ending, None] = {}
    while len(found) < number:
        turn = len(found) % 5
        found[_draw(chance, turn)] = None
    return list(found)


def _draw(chance: random.Random, turn: int) -> Ending:
    story = chance.choice(tuple(STAGES))
    kind, closer = chance.choice(KINDS), chance.choice(tuple(OTHER)) if story == "forced" else "alice"
    who = "bitcoind" if turn == 4 else chance.choice(tuple(OTHER))
    if turn < 2:
        points = BOTH + OWN[who] + (LAST[story] if story == "agreed" or who == closer else ())
        place = chance.choice(points)
        count = chance.randint(1, MOST.get(place, 1))
        return Ending(who, story, kind, closer, place, chance.choice(("before", "after")), count)
    stage = chance.choice(STAGES[story])
    return Ending(who, story, kind, closer, stage, "at", chance.randint(0, LONGEST_MS[stage]))
