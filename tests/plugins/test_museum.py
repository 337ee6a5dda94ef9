"""What does a user see of each bad plugin, and does the rest of the node go on meanwhile?

Every exhibit is a program that real whole nodes run as a process, in one hall after the other.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.plugins.exhibits import EXHIBITS, LYING, Exhibit
from tests.plugins.hall import GUEST, Hall, impatient

MUSEUM = Path(__file__).parent / "museum"
AT_LEAST = 30

Run = asyncio.Runner


@pytest.fixture(scope="module")
def open_hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Hall]]:
    """The nodes, and the loop on which they live."""
    with asyncio.Runner() as run:
        hall = Hall(tmp_path_factory.mktemp("hall"))
        run.run(hall.open())
        yield run, hall
        run.run(hall.close())


def crashes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the node itself did not expect."""
    return [record.getMessage() for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda each: each.name)
def test_a_visit(open_hall: tuple[Run, Hall], exhibit: Exhibit, caplog: pytest.LogCaptureFixture) -> None:
    run, hall = open_hall

    async def visit() -> None:
        try:
            with impatient(hall.alice) if exhibit.hangs else nullcontext():
                seen = await hall.beside(exhibit.provoked(hall, exhibit.file), exhibit.hangs)
            print(seen)
            assert re.search(exhibit.seen, seen), seen
        finally:
            await hall.cleared()
        await hall.well()

    run.run(visit())
    assert not crashes(caplog)


def test_every_bad_plugin_is_shown() -> None:
    files = {path.stem for path in MUSEUM.glob("*.py")}
    assert files == {each.file for each in EXHIBITS} - LYING.keys() - {"huge_answer"}
    assert len(files) >= AT_LEAST
    assert GUEST.is_file()
