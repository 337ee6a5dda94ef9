"""Does the policy refuse small channels and strangers', say why, and let friends in?"""

import pytest

from lnpd.errors import LnpdError
from lnpd.testing.pair import Pair

pytestmark = pytest.mark.lnpd_plugin("../../../plugins/examples/policy.py")


def test_what_is_refused_and_what_is_not(pair: Pair) -> None:
    with pytest.raises(LnpdError, match="50000 sat are too few: 100000 at least"):
        pair.open(amount_sat=50_000, push_sat=0)
    pair.run(pair.bob.node.api.plugin_set("policy", "friends_only", "true"))
    with pytest.raises(LnpdError, match="channels of its friends only"):
        pair.open()
    alice = pair.alice.node.node_id.hex()
    assert "is a friend now" in pair.bob.rpc("befriend", node_id=alice)
    assert pair.bob.rpc("friends") == [alice]
    pair.open()
    pair.pay()
