"""How many payments a second do LDK and lnpd make, each as payer and as payee, and who takes the time?

Four pairs take turns in each round: LDK to LDK, LDK to lnpd, lnpd to LDK, lnpd to lnpd. They are not alike: LDK runs as
WASM in Node and keeps its channels in memory only; lnpd is Python and has each state on disk before it acts. A share of
the time is a process's use of the processor over the time on the wall; what is nobody's was spent waiting, for a disk
or to be woken. With many payments at once both processes run side by side, so the shares may come to more than 100 %.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from contrib.bench.measure import AsyncTimed, Series, Size, contest_async
from contrib.bench.places import scratch
from contrib.bench.processes import Cost, Route, routes
from contrib.bench.report import Section
from contrib.regtest.bitcoind import Missing

COUNT, TOGETHER, MOST_ROUNDS = 25, 30, 7
ONE = "in turn"
OURS, BESIDE = "lnpd to lnpd", "LDK to LDK"
ROLES = ("payer", "payee")
MOST_LATE = 0.1
Paying = Callable[[Route], Awaitable[Cost]]


class Paid:
    """One way of paying over one channel, as a contestant; it keeps what each round cost the two processes."""

    def __init__(self, route: Route, how: Paying) -> None:
        self._route, self._how = route, how
        self._costs: list[Cost] = []

    async def timed(self) -> float:
        """Seconds of one payment."""
        self._costs.append(await self._how(self._route))
        return self._costs[-1].seconds

    def each(self, field: str) -> Series:
        """A field of Cost in each round; the first round, which warms up, is left out."""
        return Series(tuple(getattr(cost, field) for cost in self._costs[1:]))


async def main(section: Section, folder: Path, size: Size) -> None:
    """Fills the section."""
    count, together = size.of(COUNT), min(size.together, TOGETHER)
    hows: dict[str, Paying] = {
        ONE: lambda route: route.one_by_one(count),
        f"{together} at once": lambda route: route.at_once(together),
    }
    async with routes(folder) as made:
        paid = {(how, name): Paid(route, hows[how]) for name, route in made.items() for how in hows}
        table: dict[str, AsyncTimed] = {f"{how}, {name}": each.timed for (how, name), each in paid.items()}
        found = await contest_async(table, min(size.rounds, MOST_ROUNDS))
    for how in hows:
        times = {name: found[f"{how}, {name}"] for name in made}
        compared(section, how, times, {name: paid[how, name] for name in made})


def compared(section: Section, how: str, times: dict[str, Series], paid: dict[str, Paid]) -> None:
    """Adds all pairs of one way of paying."""
    for name, series in times.items():
        section.count(f"{how}, {name}", [1 / value for value in series.values], "/s")
        section.time(f"{how}, {name}: a payment", series)
        spent = {role: paid[name].each(role) for role in ROLES}
        both = spent["payer"].plus(spent["payee"])
        for role, node in zip(ROLES, name.split(" to "), strict=True):
            section.time(f"{how}, {name}: processor of the {role}, {node}", spent[role])
            section.share(f"{how}, {name}: time spent in the {role}, {node}", spent[role].over(series))
            if node == "lnpd":
                section.share(f"{how}, {name}: {node}'s part of both, as {role}", spent[role].over(both))
    for name, series in times.items():
        if name != BESIDE:
            section.ratio(f"{how}, {name}: speed / {BESIDE}", times[BESIDE].over(series))
    for role in ROLES:
        ours, theirs = paid[OURS].each(role), paid[BESIDE].each(role)
        section.ratio(f"{how}: processor of the {role}, {OURS} / {BESIDE}", ours.over(theirs))
    late = max(paid[name].each("kept_waiting").over(series).median for name, series in times.items())
    if late > MOST_LATE:
        section.note(f"UNSTEADY: {how}, a node waited for a processor in up to {late:.0%} of the time")


def run(size: Size) -> Section:
    """See the file's question."""
    section = Section("interop: lnpd and LDK, each as payer and as payee, on one machine")
    try:
        with scratch() as folder:
            asyncio.run(main(section, folder, size))
    except Missing as why:
        section.not_run = str(why)
    return section
