"""Is a provider that looks at the clock named in test mode, and do a plugin's own log records reach the node's log?"""

import asyncio
import logging
from pathlib import Path

import pytest

from lnpd.errors import ProviderFault
from tests.services.plugins.test_host import contribute, hosted, until, written

CLOCK = """
    @plugin.provider
    class Bad(ProviderBase):
        spec = ProviderSpec("bad", (1,), (Phase("contribute"),))

        def contribute(self, view, state):
            time.time()
            return ()
"""
TALKS = """
    import logging

    @plugin.rpc("Logs.")
    def say(node, word: str):
        logging.getLogger("mine").warning("I say %s", word)
"""


def test_in_test_mode_a_provider_may_not_look_at_the_clock(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        host.environment["LNPD_TEST_MODE"] = "1"
        await host.start((written(tmp_path, CLOCK),))
        with pytest.raises(ProviderFault, match=r"Bad.contribute uses the clock \(time.time\) in bad.py, line"):
            await host.answers.answer(contribute("bad"))
        await host.stop()

    asyncio.run(main())


def test_without_it_nobody_looks(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, CLOCK),))
        assert await host.answers.answer(contribute("bad")) == ()
        await host.stop()

    asyncio.run(main())


def test_its_log_records_reach_the_nodes_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, TALKS),))
        await host.call_rpc("bad-say", {"word": "hello"})
        await until(lambda: "plugin bad: I say hello" in caplog.messages)
        await host.stop()

    with caplog.at_level(logging.INFO, logger="lnpd.plugins"):
        asyncio.run(main())
    assert [r.levelname for r in caplog.records if r.getMessage() == "plugin bad: I say hello"] == ["WARNING"]
