"""What does a start do about what the checks find?

    rows       before anything acts on them: refused, a lost watch is set again
    channels   restored: one that contradicts what both sides signed is frozen
    chain      once the watch has caught up: what it missed is read again

A frozen channel is neither signed nor spoken for: a wrong balance would be signed away, and a wrong commitment number
be told to the peer. Deadlines, and what the chain does to it, are answered from what is kept. Everything else is said,
for a node that stands still watches no channel at all.
"""

import logging
from functools import partial

from lnpd.chain.interface import ChainBackend
from lnpd.channel.state import Channel
from lnpd.errors import ChainError, StoreInconsistent
from lnpd.services.backup.check import LAST_STATES, check
from lnpd.services.backup.check_chain import CHAIN, check_chain, watch_again
from lnpd.services.backup.problems import Problem
from lnpd.services.chain.watch import ChainWatch
from lnpd.services.channels.service import Channels
from lnpd.store.codec import decode
from lnpd.store.store import Store
from lnpd.store.write import Write

log = logging.getLogger("lnpd.node")


class StartCheck:
    """The checks of one start. `problems` is all that they found."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.problems: tuple[Problem, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """For whoever asks how the node is."""
        count = len(self.problems)
        problems = "1 problem" if count == 1 else f"{count} problems"
        return (f"the check at the start found {problems}: `lnp check` names what is left",) if count else ()

    async def rows(self) -> None:
        """What is stored against itself. Raises StoreInconsistent: with this nothing can be looked after."""
        self._say((await self._store.read(lambda read: check(read, LAST_STATES))).problems)
        for problem in self.problems:
            if problem.then == "refused":
                raise StoreInconsistent(f"{problem.line} `lnpd check` names all that is wrong.")
        await self._mend(self.problems)

    def channels(self, channels: Channels) -> None:
        """Freezes those that are not to be gone on with, before any peer is spoken with."""
        for problem in self.problems:
            if problem.then == "frozen" and problem.channel in channels.drivers:
                channels.drivers[problem.channel].freeze(f"{problem.what} (`lnp check`)", for_good=True)

    async def chain(self, backend: ChainBackend, watcher: ChainWatch, channels: Channels) -> None:
        """The channels against the chain, as far as the watch and they have followed it."""
        found = await checked_with_chain(self._store, backend, watcher, channels)
        self._say(found)
        self.channels(channels)
        if await self._mend(found):
            watcher.applied()

    def _say(self, problems: tuple[Problem, ...]) -> None:
        for problem in problems:
            log.warning("%s", problem.line)
        self.problems += problems

    async def _mend(self, problems: tuple[Problem, ...]) -> bool:
        lost = [problem.channel for problem in problems if problem.then == "mended"]
        if lost:
            await self._store.write(partial(_watch_again, keys=lost))
        return bool(lost)


async def checked_with_chain(
    store: Store, backend: ChainBackend, watcher: ChainWatch, channels: Channels
) -> tuple[Problem, ...]:
    """What the chain contradicts, twice, with everything that was on its way delivered in between; and what could not
    be asked. As long as the past is read nobody waits for its end: whom it concerns is not contradicted by then."""
    first = await check_chain(store.read, backend, running=True)
    if all(problem.where == CHAIN for problem in first):
        return first
    if watcher.acted:
        try:
            await watcher.sync()
        except ChainError as error:
            log.warning("the check goes on with what is known of the chain, which cannot be followed now: %s", error)
    for driver in tuple(channels.drivers.values()):
        await channels.deliver(driver.channel.key.encode())
        await driver.settled()
    again = await check_chain(store.read, backend, running=True)
    return tuple(problem for problem in again if problem in first or problem.where == CHAIN)


def _watch_again(write: Write, keys: list[str]) -> None:
    for key in keys:
        row = write.channel(key.encode())
        assert row is not None, "its row was checked"
        watch_again(write, decode(row.snapshot, Channel, table="channel", key=row.channel_id))
