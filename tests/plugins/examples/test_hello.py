"""Does it greet people and peers?"""

import logging

import pytest

from lnpd.testing.network import until
from lnpd.testing.pair import Pair

pytestmark = pytest.mark.lnpd_plugin("../../../plugins/examples/hello.py")


def test_people_and_peers_are_greeted(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lnpd.plugins")
    assert pair.alice.rpc("hello", name="Ada") == "Hello, Ada."
    pair.connect()
    greeting = f"hello, {pair.bob.node.node_id.hex()}"
    pair.run(until(lambda: any(greeting in record.getMessage() for record in caplog.records), "the log's line"))
