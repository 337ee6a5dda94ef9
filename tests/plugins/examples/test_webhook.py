"""Is each payment told to the web server, also when it answers only later, and is no other address taken?"""

import asyncio
import json

import pytest

from lnpd.errors import LnpdError
from lnpd.testing import free_port, until
from lnpd.testing.pair import Pair

pytestmark = pytest.mark.lnpd_plugin("../../../plugins/examples/webhook.py")


class Web:
    """A web server that is not there at first, then fails, then takes what it is told."""

    def __init__(self) -> None:
        self.port, self.asked, self.taken = free_port(), 0, list[object]()

    async def start(self) -> None:
        await asyncio.start_server(self._answer, "127.0.0.1", self.port)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length"))
        body = json.loads(await reader.readexactly(length))
        self.asked += 1
        if self.asked > 1:
            self.taken.append(body)
        writer.write(b"HTTP/1.0 500 no\r\n\r\n" if self.asked == 1 else b"HTTP/1.0 200 ok\r\n\r\n")
        writer.close()


def test_payments_are_told(pair: Pair) -> None:
    web = Web()
    with pytest.raises(LnpdError, match="does not begin with http"):
        pair.run(pair.bob.node.api.plugin_set("webhook", "url", "file:///etc/passwd"))
    pair.run(pair.bob.node.api.plugin_set("webhook", "url", f"http://127.0.0.1:{web.port}/paid"))
    pair.open()
    pair.pay(1_000)
    pair.run(web.start())
    pair.run(until(lambda: web.taken, "the web server was told"))
    assert web.asked == 2
    (told,) = web.taken
    assert isinstance(told, dict)
    assert (told["amount_msat"], len(told["payment_hash"])) == (1_000_000, 64)
