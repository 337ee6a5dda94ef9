"""Does a channel hear first that plugins changed, whatever the store does, and everybody else in the end?"""

import asyncio
import gc

import pytest

from lnpd.hooks.figures import HookFigures
from lnpd.services.plugins import changes as plugin_changes
from lnpd.services.plugins.changes import Changes, Listener
from tests.services.plugins.test_host import until


def test_who_fails_or_is_slow_is_told_again_and_is_in_nobodys_way(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(plugin_changes, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(plugin_changes, "PAUSES_SECONDS", (0.001,))
    told: list[str] = []

    async def slow() -> None:
        told.append("slow")
        if told.count("slow") == 1:
            await asyncio.Event().wait()

    async def failing() -> None:
        told.append("failing")
        if told.count("failing") < 3:
            raise OSError("no room")

    def broken() -> None:
        told.append("broken")
        if told.count("broken") == 1:
            raise KeyError("a defect")

    def channels() -> None:
        told.append("channels")

    listeners: tuple[tuple[str, Listener], ...] = (
        *(("the broken", broken), ("the slow", slow), ("the failing", failing)),
        *(("channels", channels), ("the last", lambda: None)),
    )

    async def main() -> None:
        figures = HookFigures()
        changes = Changes(lambda: listeners, figures)
        telling = asyncio.create_task(changes.tell())
        await asyncio.sleep(0)
        assert told == ["broken", "channels"], "at once, before anything that may wait"
        await telling
        await until(lambda: told.count("failing") == 3)
        await until(lambda: changes._again is None)
        assert told.count("slow") == 3
        assert figures.of("change the failing", "lnpd").errors == 2
        assert figures.of("change the slow", "lnpd").errors == 1
        heard = len(told)
        await changes.tell()
        assert told[heard:] == ["broken", "channels", "slow", "failing"]
        await changes.stop()

    asyncio.run(main())
    for words in ("the broken could not be told", "the slow could not be told", "it takes over 0.05 s", "no room"):
        assert words in caplog.text


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning", "error::RuntimeWarning")
def test_an_end_meanwhile_leaves_nobody_half_told() -> None:
    async def waiting() -> None:
        await asyncio.Event().wait()

    async def next_one() -> None:
        pass

    async def main() -> None:
        rows: tuple[tuple[str, Listener], ...] = (("the waiting", waiting), ("the next one", next_one))
        telling = asyncio.create_task(Changes(lambda: rows, HookFigures()).tell())
        await asyncio.sleep(0)
        telling.cancel()
        await asyncio.wait({telling})
        assert telling.cancelled()

    asyncio.run(main())
    gc.collect()
