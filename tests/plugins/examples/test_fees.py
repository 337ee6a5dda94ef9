"""Do fees follow what is left of a channel, by a command and with each block?"""

from typing import Any

import pytest

from lnpd.testing.network import until_asked
from lnpd.testing.pair import Pair

pytestmark = pytest.mark.lnpd_plugin("../../../plugins/examples/fees.py")


def test_who_has_little_asks_more(pair: Pair) -> None:
    pair.open(amount_sat=1_000_000, push_sat=200_000)
    assert pair.alice.rpc("now") == {pair.channel: 1_000 - 990 * 8 // 10}
    assert pair.bob.rpc("now") == {pair.channel: 1_000 - 990 * 2 // 10}
    pair.pay(400_000)
    pair.mine()

    async def asked() -> Any:  # Any: JSON values
        row = await pair.alice.node.api.relay(pair.channel, None, None, None, None, None)
        return row.ours.fee_proportional_millionths == 1_000 - 990 * 4 // 10

    pair.run(until_asked(asked, "what alice asks after a block"))
