"""Does a parcel come back, the last one, and to its owner only?"""

import pytest

from lnpd.testing.pair import Pair

pytestmark = pytest.mark.lnpd_plugin("../../../plugins/examples/storage.py")


def test_a_parcel_comes_back_also_after_a_restart(pair: Pair) -> None:
    pair.connect()
    alice, bob = (side.node.node_id.hex() for side in (pair.alice, pair.bob))
    assert pair.alice.rpc("fetch", node_id=bob) == ""
    pair.alice.rpc("leave", node_id=bob, parcel="01" * 60_000)
    pair.alice.rpc("leave", node_id=bob, parcel="0011")
    pair.alice.rpc("leave", node_id=bob, parcel="ff" * 60_001)
    assert pair.alice.rpc("fetch", node_id=bob) == "0011"
    pair.run(pair.bob.node.api.plugin_reload("storage"))
    assert pair.alice.rpc("fetch", node_id=bob) == "0011"
    assert pair.bob.rpc("fetch", node_id=alice) == ""
