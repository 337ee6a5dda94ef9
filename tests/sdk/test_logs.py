"""Does what a plugin logs reach the node with its level, and is what is too much counted?"""

import asyncio
import logging
import threading

from lnpd_sdk.envelope import BusError
from lnpd_sdk.logs import MAX_WAITING, records_to


def test_records_of_any_thread_reach_the_node_with_their_levels() -> None:
    lines: list[tuple[str, str]] = []

    async def call(method: str, params: object) -> object:
        assert method == "log" and isinstance(params, dict)
        lines.append((params["level"], params["text"]))
        if len(lines) == 1:
            raise BusError("the node takes no more frames")
        return None

    async def main() -> None:
        mine = logging.getLogger("mine")
        mine.setLevel(logging.DEBUG)
        with records_to(call, asyncio.get_running_loop()):
            mine.debug("fine")
            mine.info("so %s", "it is")
            thread = threading.Thread(target=lambda: mine.warning("from a thread"))
            thread.start()
            thread.join()
            mine.critical("bad")
            while len(lines) < 4:
                await asyncio.sleep(0)
        mine.error("nobody hears this")

    asyncio.run(main())
    assert lines == [("debug", "fine"), ("info", "so it is"), ("warning", "from a thread"), ("error", "bad")]


def test_what_is_too_much_is_counted() -> None:
    lines: list[str] = []

    async def call(method: str, params: object) -> object:
        assert isinstance(params, dict)
        lines.append(params["text"])
        return None

    async def main() -> None:
        loud = logging.getLogger("loud")
        with records_to(call, asyncio.get_running_loop()):
            for number in range(MAX_WAITING + 5):
                loud.warning("line %d", number)
            while len(lines) < MAX_WAITING:
                await asyncio.sleep(0)
            loud.warning("the next")
            while len(lines) < MAX_WAITING + 1:
                await asyncio.sleep(0)

    asyncio.run(main())
    assert lines[-1] == "the next (5 lines before this one were left out)"
