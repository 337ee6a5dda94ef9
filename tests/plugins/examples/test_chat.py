"""Do words get across, and is it told that they did?"""

import pytest

from lnpd.errors import LnpdError
from lnpd.testing.network import until_asked
from lnpd.testing.pair import Pair

pytestmark = pytest.mark.lnpd_plugin("../../../plugins/examples/chat.py")


def test_a_line_is_heard_and_seen(pair: Pair) -> None:
    pair.connect()
    alice, bob = (side.node.node_id.hex() for side in (pair.alice, pair.bob))
    assert [pair.alice.rpc("say", node_id=bob, words=words) for words in ("good morning", "hellö")] == [1, 2]

    async def seen() -> bool:
        told = await pair.alice.node.api.call_plugin("chat-heard", {})
        return isinstance(told, dict) and told["seen"] == [1, 2]

    pair.run(until_asked(seen, "both lines are seen"))
    assert pair.bob.rpc("heard")["heard"] == [
        {"from": alice, "words": "good morning"},
        {"from": alice, "words": "hellö"},
    ]


def test_nobody_hears_what_is_said_to_a_stranger(pair: Pair) -> None:
    with pytest.raises(LnpdError, match="no connection"):
        pair.alice.rpc("say", node_id="02" * 33, words="is anybody there?")
