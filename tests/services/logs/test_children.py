"""Does what a process of the node's own says come into the node's log, line by line, whatever it is?"""

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE

import pytest

from lnpd.services.logs.children import relay
from lnpd.testing import until

CHILD = """
import logging, sys
from lnpd.services.logs.children import speak
speak("correct horse", bytes(range(9, 41)))
log = logging.getLogger("lnpd.peers")
log.error("said %s", "correct horse\\nERROR forged")
log.debug("not this")
print("no line", bytes(range(9, 41)).hex()[:4], file=sys.stderr, flush=True)
print("x" * 200_000, file=sys.stderr, flush=True)
try:
    raise ValueError("correct horse")
except ValueError:
    logging.getLogger("lnpd.signer").exception("it failed")
logging.getLogger("lnpd.chain").warning("the last")
"""


def test_lines_of_a_child_are_the_nodes(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, stderr=PIPE, limit=1 << 16)
        relay(process, "signer")
        assert await process.wait() == 0
        await until(lambda: "the last" in caplog.text, "the end of what it says")

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    said = [(record.name, record.levelname, record.getMessage()) for record in caplog.records if "lnpd" in record.name]
    assert said[0] == ("lnpd.peers", "ERROR", "said (hidden)\\nERROR forged")
    assert said[1] == ("lnpd.signer", "WARNING", "no line 090a")
    assert said[-1] == ("lnpd.chain", "WARNING", "the last")
    (failed,) = [each for each in said if each[1] == "ERROR" and each[0] == "lnpd.signer"]
    assert failed[2].startswith("it failed Traceback") and "correct horse" not in str(said)
