"""Does the page show its text to who asks as agreed, and to nobody else, however they ask?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.config import Address, Config, checked
from lnpd.errors import ConfigRefused, ListenRefused
from lnpd.services import metrics
from lnpd.services.metrics import MetricsPage
from lnpd.services.node.metrics import memory_bytes, page
from lnpd.testing import Network, free_port
from tests.services.plugins.test_host import contribute, hosted, written


async def asked(page: MetricsPage, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


REQUESTS = {
    "the page": (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 OK"),
    "with words": (b"GET /metrics?x=y HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK"),
    "another page": (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 Not Found"),
    "another method": (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 Method Not Allowed"),
    "nonsense": (b"\xff\x00\r\n\r\n", b"HTTP/1.1 405 Method Not Allowed"),
    "too long": (b"GET /metrics HTTP/1.1\r\n" + b"x" * 100_000, b""),
    "cut off": (b"GET /metr", b""),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_only_the_page_is_answered(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "REQUEST_SECONDS", 0.3)
    request, answer = REQUESTS[what]

    async def main() -> None:
        page = MetricsPage(Address("127.0.0.1", 0), lambda: "a 1\n")
        await page.start()
        got = await asked(page, request)
        assert got.startswith(answer) and (answer or got == b"")
        assert got.endswith(b"\r\n\r\na 1\n") == answer.endswith(b"OK")
        await page.stop()

    asyncio.run(main())


def test_only_a_few_read_at_once() -> None:
    async def main() -> None:
        page = MetricsPage(Address("127.0.0.1", 0), lambda: "a 1\n")
        await page.start()
        slow = [await asyncio.open_connection("127.0.0.1", page.port) for _ in range(metrics.MAX_READERS)]
        got = await asked(page, b"GET /metrics HTTP/1.1\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 503")
        for _, writer in slow:
            writer.close()
        await page.stop()

    asyncio.run(main())


def test_a_place_that_is_taken_is_refused() -> None:
    async def main() -> None:
        address = Address("127.0.0.1", free_port())
        first, second = (MetricsPage(address, str) for _ in range(2))
        await first.start()
        with pytest.raises(ListenRefused, match="--metrics"):
            await second.start()
        await first.stop()

    asyncio.run(main())


BODY = """
    @plugin.rpc("Fails.")
    async def fail(node):
        await node.log("info", "x")
        raise KeyError("bug")

    @plugin.provider
    class Bad(ProviderBase):
        spec = ProviderSpec("bad", (1,), (Phase("contribute"),))
        def contribute(self, view, state):
            return ()
"""


def test_the_figures_say_what_was_asked(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, BODY),))
        for _ in range(3):
            with pytest.raises(Exception, match="bug"):
                await host.call_rpc("bad-fail", {})
        assert await host.answers.answer(contribute("bad")) == ()
        text = page(host.plugins, host.hooks.figures.rows)
        for line in (
            'lnpd_plugin_status{plugin="bad",status="ready"} 1',
            'lnpd_plugin_status{plugin="bad",status="quarantined"} 0',
            'lnpd_plugin_starts_total{plugin="bad"} 1',
            'lnpd_plugin_question_seconds_bucket{question="rpc bad-fail",plugin="bad",le="+Inf"} 3',
            'lnpd_plugin_question_errors_total{question="rpc bad-fail",plugin="bad"} 3',
            'lnpd_plugin_question_seconds_count{question="bad.contribute",plugin="bad"} 1',
            'lnpd_plugin_question_seconds_count{question="service log",plugin="bad"} 3',
            'lnpd_plugin_question_waiting{question="bad.contribute",plugin="bad"} 0',
        ):
            assert line in text.splitlines(), text
        assert host.plugins[0].pid and memory_bytes(host.plugins[0].pid) > 5_000_000
        assert memory_bytes(2**22 + 1) == 0
        await host.stop()

    asyncio.run(main())


def test_a_node_has_the_page_only_where_it_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            address = Address("127.0.0.1", free_port())
            await network.node("alice", metrics=address, plugins=(written(tmp_path, BODY),))
            reader, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert b'lnpd_plugin_status{plugin="bad",status="ready"} 1' in await reader.read()
            writer.close()

    asyncio.run(main())


def test_it_is_for_this_machine_alone() -> None:
    with pytest.raises(ConfigRefused, match="--metrics is for this machine"):
        checked(Config(directory=Path("/x"), metrics=Address("0.0.0.0", 9000)))
