"""What is a schedule, how is it drawn, run, shortened, and printed as a test?"""

from collections.abc import Callable
from random import Random
from traceback import extract_tb
from typing import NamedTuple

from hypothesis import strategies as st

from tests.channel.schedules import checks, judge
from tests.channel.schedules.chain import ENDINGS
from tests.channel.schedules.world import COUNTS, HAPPENS, Event, Start, World

LENGTH = 30
# How often each event is drawn, of about 100. What ends a channel or its updates comes rarely, and late (see RARE).
WEIGHTS = {
    "commit": 7,
    "deliver": 9,
    "dance": 24,
    "settle": 5,
    "offer": 18,
    "fulfil": 7,
    "fail": 3,
    "malformed": 2,
    "fee": 4,
    "put": 8,
    "take": 3,
    "give": 3,
    "expire": 1,
    "warn": 1,
    "ready_again": 1,
    "confirm": 1,
    "unconfirm": 1,
    "block": 1,
}
VAULT_ONLY = ("put", "take", "give")
CLOSING, CROSSING = 6, ("offer", "fee", "fail", "fulfil", "commit", "commit", "deliver", "deliver", "cut", "reconnect")
RARE = {"quiesce": 6, "close": 6}  # in one schedule of so many, after its first third
LOSSES = ("cut", "cut", "restart", "crash")
KINDS = (("vault",), ("gated",), ("anchors",), ("static_remotekey", "sealed"))  # the last two take turns
PUSHES_MSAT = (300_000_000, 300_000_000, 300_000_000, 984_000_000, 14_000_000, 0)
STARTS = tuple(
    Start(kinds[number % len(kinds)], fundings, push_msat, at, slots, dust_sat)
    for kinds in KINDS
    for fundings in (1, 2)
    for number, push_msat in enumerate(PUSHES_MSAT)
    for at in ("normal", "normal", "normal", "normal", "opening")
    for slots in (30, 30, 3)
    for dust_sat in ((354, 600), (546, 354), (354, 1_000))
    if not (fundings == 2 and at == "opening")
)


class Schedule(NamedTuple):
    """A start, events, and an ending: (one of ENDINGS, party, value)."""

    start: Start
    events: tuple[Event, ...]
    ending: Event = ("mutual", 0, 0)


def run(schedule: Schedule, *, penalties: bool = True) -> World:
    """Live through a schedule. Raises AssertionError, or whatever a machine should never have let out."""
    world = World(schedule.start)
    return follow(world, schedule, penalties=penalties)


def _count(world: World) -> None:
    """What came of the updates, for whoever reads the output of a run."""
    ledger = world.ledger
    for htlc in (*ledger.htlcs[0], *ledger.htlcs[1]):
        COUNTS[{True: "fulfilled", False: "failed", None: "undecided"}[htlc.fulfilled]] += htlc.signed
    COUNTS["moves"] += sum(move.signed and move.amount_sat > 0 for move in ledger.moves)
    COUNTS["gives"] += sum(m.signed and m.amount_sat > 0 and m.verb == "give" for m in ledger.moves)
    COUNTS["fees"] += len(ledger.fees) - 1
    COUNTS["forgotten"] += sum(map(len, ledger.forgotten))


def follow(world: World, schedule: Schedule, *, penalties: bool = True) -> World:
    for event in schedule.events:
        world.apply(event)
        checks.at_any_moment(world)
        if event[0] == "settle":
            checks.at_rest(world)
    name, party, value = schedule.ending
    ENDINGS[name](world, party, value)
    checks.at_any_moment(world)
    _count(world)
    judge.judge_everything(world.nodes, world.numbers, penalties=penalties)
    return world


# Drawing

# hypothesis gives the seed and no more: it varies what it has drawn before, and would tell one schedule many times.
schedules = st.randoms(use_true_random=True).map(lambda random: drawn(random))


def drawn(random: Random) -> Schedule:
    """30 events and two losses of the connection, each with a reconnect a few events later; one in ten goes wrong."""

    def one(name: str) -> Event:
        return name, random.randrange(2), random.randrange(256)

    start = random.choice(STARTS)
    boxes = start.kind in ("vault", "gated")
    weights = {name: weight for name, weight in WEIGHTS.items() if boxes or name not in VAULT_ONLY}
    events = [one(name) for name in random.choices(list(weights), list(weights.values()), k=LENGTH)]
    if random.randrange(CLOSING) == 0:  # early, in the midst of updates that cross it
        at = random.randrange(2, 8)
        events[at : at + 6] = [one(name) for name in random.choices(CROSSING, k=6)]
        events[at] = one("close")
    for name, of in RARE.items():
        if random.randrange(of) == 0:
            events[random.randrange(LENGTH // 3, LENGTH)] = one(name)
    if start.at == "opening":
        for party in (0, 1):
            events[random.randrange(8)] = ("confirm", party, 0)
    for low, high in ((LENGTH // 2, LENGTH), (0, LENGTH // 2 - 4)):
        at = random.randrange(low, high)
        events.insert(at + random.randrange(4), one("reconnect"))
        events.insert(at, one(random.choice(LOSSES)))
    ending = one(random.choices(list(ENDINGS), (6, 3, 2, 0))[0])
    if random.randrange(10) == 0:
        events.append(one(random.choice(("again", "again", "error"))))
        ending = ("force", *ending[1:])
    return Schedule(start, tuple(events), ending)


# When one fails


def shortened(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """The same failure with fewer events and simpler values: none of them can be left out."""
    size = max(1, len(schedule.events) // 2)
    while size:
        at = 0
        while at < len(schedule.events):
            shorter = schedule._replace(events=schedule.events[:at] + schedule.events[at + size :])
            if fails(shorter):
                schedule = shorter
            else:
                at += size
        size //= 2
    for simpler in _simplifications(schedule):
        candidate = simpler(schedule)
        if candidate != schedule and fails(candidate):
            schedule = candidate
    return schedule


def _simplifications(schedule: Schedule) -> list[Callable[[Schedule], Schedule]]:
    def without_value(at: int) -> Callable[[Schedule], Schedule]:
        def simpler(each: Schedule) -> Schedule:
            name, party, _ = each.events[at]
            return each._replace(events=(*each.events[:at], (name, party, 0), *each.events[at + 1 :]))

        return simpler

    return [
        lambda each: each._replace(start=Start(each.start.kind)),
        lambda each: each._replace(ending=("nothing", 0, 0)),
        lambda each: each._replace(ending=(each.ending[0], 0, 0)),
        *(without_value(at) for at in range(len(schedule.events))),
    ]


def fails_alike(error: BaseException) -> Callable[[Schedule], bool]:
    """Whether a schedule fails by an error of the same class that was raised in the same function."""

    def fails(schedule: Schedule) -> bool:
        try:
            run(schedule)
        except Exception as again:
            return _place(again) == _place(error)
        return False

    return fails


def _place(error: BaseException) -> tuple[type, str]:
    return type(error), extract_tb(error.__traceback__)[-1].name


def as_test(schedule: Schedule) -> str:
    """A test to paste into test_schedules.py."""
    events = "".join(f"        {event!r},\n" for event in schedule.events)
    return (
        "def test_this() -> None:\n"
        f"    events = (\n{events}    )\n"
        f"    run(Schedule({schedule.start!r}, events, {schedule.ending!r}))\n"
    )


assert all(name in HAPPENS for name in (*WEIGHTS, *LOSSES))
