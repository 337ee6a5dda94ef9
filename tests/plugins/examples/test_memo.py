"""Does every transaction of a channel carry its memo, also where the plugin is dead?"""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from lnpd.errors import ChannelFrozen
from lnpd.testing.pair import Pair
from lnpd.tx.script import data_carrier
from lnpd.tx.transaction import Tx
from tests.e2e.closing import ears, offer

MEMO = Path(__file__).parents[3] / "plugins" / "examples" / "memo.py"
pytestmark = pytest.mark.lnpd_plugin("../../../plugins/examples/memo.py")
spec = importlib.util.spec_from_file_location("memo", MEMO)
assert spec is not None and spec.loader is not None
memo: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(memo)
WORDS = (("commitment",), ("second_stage",), ("close",), ("claim", "own"), ("claim", "other"))


def below(pair: Pair, txid: bytes) -> list[tuple[Tx, tuple[str, ...]]]:
    """What hangs below a transaction, each with the words of its carrier, which is its first output."""
    known = {data_carrier(memo.memo(*words)): words for words in WORDS}
    spenders = [tx for tx in pair.transactions() if txid in [each.txid for each in tx.inputs]]
    return [(tx, known.get(tx.outputs[0].script_pubkey, ())) for tx in spenders]


def funding(pair: Pair) -> bytes:
    return pair.alice.driver.channel.fundings[0].txid


def test_a_close_by_agreement_carries_its_memo(pair: Pair) -> None:
    pair.open()
    pair.pay()
    txid = funding(pair)
    pair.run(pair.alice.node.api.close(pair.channel, False, None))
    pair.run(pair._network.spent(f"{txid[::-1].hex()}:{pair.alice.driver.channel.fundings[0].vout}"))
    pair.mine()
    ((close, words),) = [found for found in below(pair, txid) if len(found[0].inputs[0].witness) == 4]
    assert words == ("close",) and len(close.outputs) == 3


def commitment_and_spends(pair: Pair, txid: bytes) -> tuple[Tx, list[tuple[Tx, tuple[str, ...]]]]:
    """What spent the funding, and what spends that; each alone, for each has a carrier of its own."""
    ((commitment, words),) = [found for found in below(pair, txid) if found[1]]
    assert words == ("commitment",)
    spends = [found for found in below(pair, commitment.txid) if found[1]]
    assert all(len(tx.inputs) == 1 and len(tx.outputs) == 2 for tx, _ in spends)
    return commitment, sorted(spends, key=lambda found: found[1])


def test_with_the_plugin_dead_it_closes_by_force_alone_and_the_htlc_transaction_and_sweeps_carry_theirs(
    pair: Pair,
) -> None:
    pair.open()
    pair.pay()
    ears(pair.bob.node)
    expiry_height = pair.run(pair._network.followed()) + 40
    pair.run(offer(pair.alice.node, pair.bob.node, 1, 40_000, expiry_height))
    txid = funding(pair)
    pair.kill_plugin()
    with pytest.raises(ChannelFrozen, match=r"no plugin here provides memo\. lnp close --force still closes it"):
        pair.run(pair.alice.node.api.close(pair.channel, False, None))
    pair.close("alice")
    pair.mine(200)
    commitment, spends = commitment_and_spends(pair, txid)
    assert [words for _, words in spends] == [("claim", "other"), ("claim", "own"), ("second_stage",)]
    ((_, words),) = below(pair, spends[-1][0].txid)
    assert words == ("claim", "own"), "what came of the HTLC's timeout is swept, too"
    assert len(commitment.outputs) == 4


def test_penalties_carry_theirs_with_the_plugin_dead(pair: Pair) -> None:
    pair.open()
    pair.pay()
    txid = funding(pair)
    pair.cheat()
    pair.mine(6)
    commitment, spends = commitment_and_spends(pair, txid)
    assert [words for _, words in spends] == [("claim", "other")] * 2, "bob took his own output, and the cheat's"
    assert len(commitment.outputs) == 3
