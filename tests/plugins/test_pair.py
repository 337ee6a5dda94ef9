"""Is "my output is in both commitments, is punished when stale, is swept when I am dead" ten lines for an author?"""

import pytest

from lnpd.errors import PluginRefused
from lnpd.testing.pair import Pair

LOCKBOX = pytest.mark.lnpd_plugin("../../plugins/lockbox.py")
NOTE = pytest.mark.lnpd_plugin("../../plugins/note.py")


@LOCKBOX
def test_my_box_is_in_both_commitments_and_is_punished_when_stale(pair: Pair) -> None:
    pair.open()
    pair.alice.rpc("put", amount_sat=25_000)
    assert [(each.holder, each.amount_sat) for each in pair.outputs()] == [("alice", 25_000), ("bob", 25_000)]
    pair.cheat()
    assert pair.swept() == {"0/0": "bob"}


@LOCKBOX
def test_my_box_is_swept_when_i_am_dead(pair: Pair) -> None:
    pair.open("lockbox/anchors_zero_fee_htlc_tx")
    pair.alice.rpc("put", amount_sat=25_000)
    pair.bob.rpc("put", amount_sat=10_000)
    assert len(pair.outputs()) == 4
    pair.kill_plugin()
    pair.close("bob")
    assert pair.swept() == {"0/0": "alice", "1/0": "bob"}


@NOTE
def test_a_note_is_in_both_commitments_and_is_nobodys_money(pair: Pair) -> None:
    pair.open()
    pair.alice.rpc("write", note=b"my note".hex())
    (first, second) = pair.outputs()
    assert first.script_pubkey == second.script_pubkey == b"\x6a\x20" + b"my note".ljust(32, b"\0")
    pair.kill_plugin("bob")
    pair.close("bob")
    assert pair.swept() == {}


@pytest.mark.lnpd_plugin("../../plugins/lockbox.py", "updates:1000")
def test_a_mark_says_what_is_granted(pair: Pair) -> None:
    pair.open()
    with pytest.raises(PluginRefused, match="1000000 are granted"):
        pair.alice.rpc("put", amount_sat=25_000)
