"""Do two plugins in processes of their own that ask each other in a circle get out of it again?"""

import asyncio
import logging
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed

from tests.services.plugins.test_host import contribute, hosted, written

# Each answers one question at a time, and asks the other one while it holds what it needs for its own answer.
BODY = """
    import asyncio
    from lnpd_sdk.trace import trace_id

    lock = asyncio.Lock()

    @plugin.offer("chain", deadline_seconds=5.0)
    def question(depth: int) -> None:
        "What do you say?"

    @plugin.rpc("Begins.", name="{name}-go")
    async def go(node) -> list:
        async with lock:
            return [trace_id(), *await node.call_hook("{name}/question", depth=0)]

    @plugin.rpc("Calls what is not its own.", name="{name}-steal")
    async def steal(node) -> list:
        return await node.call_hook("{other}/question", depth=0)

    @plugin.hook("{other}/question")
    async def asked(node, depth):
        async with lock:
            said = await node.call_hook("{name}/question", depth=depth + 1)
            return [trace_id(), "{name}", *said]
"""


def test_a_circle_ends_where_it_began(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """left-go -> left/question -> right -> right/question -> left, which waits, and is not asked."""
    left = written(tmp_path, BODY.format(name="left", other="right"), "left")
    right = written(tmp_path, BODY.format(name="right", other="left"), "right")

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((left, right))
        assert [plugin.why for plugin in host.plugins] == ["", ""]
        async with asyncio.timeout(4):  # with a deadlock it takes the deadline of a hook
            trace, answer = await host.call_rpc("left-go", {})  # type: ignore[misc]  # a list, as the plugin says
        assert answer == [trace, "right"]
        assert host.hooks.figures.of("right/question", "left").skipped == 1
        with pytest.raises(CallFailed, match="left does not offer the hook 'right/question'"):
            await host.call_rpc("left-steal", {})
        await host.stop()

    with caplog.at_level(logging.DEBUG, "lnpd.hooks"):
        asyncio.run(main())
    assert "left waits for what causes it, and is not asked" in caplog.text


# A channel waits for `contribute`, which is not pure: it asks before it answers.
IMPURE = """
    told = []

    @plugin.provider
    class Bad(ProviderBase):
        spec = ProviderSpec("bad", (1,), (Phase("contribute"),))
        async def contribute(self, view, state):
            await plugin.node.log("info", "on its way")
            try:
                told.append(await plugin.node.propose("aa", "bad", b""))
            except Exception as error:
                told.append(str(error))
            return ()

    @plugin.rpc("Says what it was told, and proposes.")
    async def say(node) -> list:
        return [*told, await node.propose("aa", "bad", b"")]
"""


def test_who_would_wait_for_the_channel_that_waits_for_it_is_refused_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, IMPURE)
    path.write_text(path.read_text().replace('version="1"', 'version="1", capabilities=("updates:1000",)'))

    async def main() -> None:
        host, _ = hosted(tmp_path, bad=("updates:1000",))
        await host.start((path,))
        async with asyncio.timeout(4):  # a deadlock takes the deadline of a provider's answer
            assert await host.answers.answer(contribute("bad")) == ()
        assert await host.call_rpc("bad-say", {}) == [
            "bad asks for propose while it answers bad.contribute: a channel waits for that answer, and what is asked"
            " for could wait for the channel. A provider's functions are pure: ask after them.",
            7,
        ]
        assert host.plugins[0].faults == 0
        await host.stop()

    asyncio.run(main())
