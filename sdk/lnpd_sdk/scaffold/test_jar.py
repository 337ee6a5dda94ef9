"""Is the output in both commitments, is it punished when it is stale, and is it swept when this plugin is dead?

`pair` is two whole nodes on a chain of their own, alice and bob, with the plugin in both (lnpd.testing.pair).
"""

from typing import Any


def test_it_is_in_both_commitments_and_is_punished_when_stale(pair: Any) -> None:
    """Alice broadcasts what she has revoked: bob has everything."""
    pair.open()
    pair.alice.rpc("fill", amount_sat=25_000)
    assert [(each.holder, each.amount_sat) for each in pair.outputs()] == [("alice", 25_000), ("bob", 25_000)]
    pair.cheat()
    assert pair.swept() == {"aside": "bob"}


def test_it_is_swept_when_the_plugin_is_dead(pair: Any) -> None:
    """Bob closes by force: alice has what she put aside."""
    pair.open()
    pair.alice.rpc("fill", amount_sat=25_000)
    assert len(pair.outputs()) == 2
    pair.kill_plugin()
    pair.close("bob")
    assert pair.swept() == {"aside": "alice"}
