"""Do plugins' records travel on every message that may carry them, and stay as they were, whoever dies in between?"""

import asyncio
import json
from pathlib import Path
from typing import NamedTuple

from lnpd.hooks.records import CARRIERS
from tests.crash.stories import Story
from tests.crash.world import Cut, World, memory
from tests.plugins.noter import NAMES

NOTER = Path(__file__).parents[1] / "plugins" / "noter.py"
HOOKS = {hook for carrier in CARRIERS.values() for hook in (carrier.asked, *carrier.shown)}
ONCE = frozenset(CARRIERS) - {"init", "channel_reestablish", "payload"}


class Note(NamedTuple):
    """What a plugin was asked for (`sent`), or shown by which hook."""

    what: str
    message: str
    record: str
    number: int


def notes(world: World, name: str) -> list[Note]:
    text = (world.network.folder / name / "plugins" / "noter" / "notes").read_text()
    return [Note(*json.loads(line)) for line in text.splitlines()]


def test_records_on_all_messages_through_deaths_and_reconnects() -> None:
    """alice dies when commitment_signed, and again when shutdown, is stored and not yet sent."""

    async def main(folder: Path) -> None:
        async with World(folder) as world:
            world.plugins = (NOTER,)
            world.grants = (("noter", "messages"), *(("noter", f"hook:{hook}") for hook in sorted(HOOKS)))
            await world.begin()
            story = Story(world, kind="")
            await story.fund()
            await story.open()
            world.arm(Cut("alice", "commitment-signed", "after"))
            await story.pay("alice", 5_000_000)
            await story.reconnect()
            await story.pay("bob", 3_000_000)
            world.arm(Cut("alice", "shutdown-stored", "after"))
            await story.close()
            assert world.deaths == 2
            both = {name: notes(world, name) for name in world.names}
        for name, other in (("alice", "bob"), ("bob", "alice")):
            check(both[name], both[other], name)

    with memory() as folder:
        asyncio.run(asyncio.wait_for(main(folder), 110))


def check(ours: list[Note], theirs: list[Note], name: str) -> None:
    """What came is what was sent, on each message that this node sends, and on one that is sent again the same."""
    sent = [note for note in ours if note.what == "sent"]
    one_sided = {"alice": "accept_channel", "bob": "open_channel"}[name]
    assert {note.message for note in sent} == {*NAMES, "payload"} - {one_sided}
    for message in {note.message for note in sent}:
        values = {note.record for note in sent if note.message == message}
        for hook in CARRIERS[message].shown:
            came = [note.record for note in theirs if (note.what, note.message) == (hook, message)]
            assert came, f"{hook} was shown no {message}"
            assert set(came) <= values, f"{hook}: {message}"
    asked = [(note.message, note.number) for note in sent if note.message in ONCE - {"update_add_htlc"}]
    assert len(set(asked)) == len(asked), "what is sent again is not asked for again"
