"""Do taproot outputs of an extension come home and get punished on a chain, through leaves, keys and a second stage?"""

import pytest

from lnpd.testing.pair import Pair

TREEBOX = pytest.mark.lnpd_plugin("treebox.py")


def filled(pair: Pair) -> None:
    pair.open()
    pair.alice.rpc("put", plain_sat=25_000, staged_sat=40_000)
    outputs = pair.outputs()
    assert sorted(each.amount_sat for each in outputs) == [25_000, 25_000, 40_000, 40_000]
    assert {each.script_pubkey[:2] for each in outputs} == {b"\x51\x20"}


@TREEBOX
def test_stale_ones_are_punished(pair: Pair) -> None:
    filled(pair)
    pair.cheat()
    assert pair.swept() == {"plain": "bob", "staged": "bob"}


@TREEBOX
@pytest.mark.parametrize("by", ["alice", "bob"])
def test_they_come_home_without_the_plugin(pair: Pair, by: str) -> None:
    filled(pair)
    pair.kill_plugin()
    pair.close(by)
    assert pair.swept() == {"plain": "alice", "staged": "alice"}
    for _ in range(50):
        if pair.alice.node.channels.drivers:
            pair.mine(12)
    assert not pair.alice.node.channels.drivers, "an output is left, that of the second stage perhaps"
    balance = pair.run(pair.alice.node.wallet.balance())
    assert 880_000 < balance.confirmed_sat < 900_000  # of 1,100,000 sat, 200,000 of them given to bob, less the fees
