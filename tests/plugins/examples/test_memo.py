"""Does every transaction of a channel carry its memo, also where the plugin is dead?"""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from lnpd.testing.pair import Pair
from lnpd.tx.script import data_carrier
from lnpd.tx.transaction import Tx

MEMO = Path(__file__).parents[3] / "plugins" / "examples" / "memo.py"
pytestmark = pytest.mark.lnpd_plugin("../../../plugins/examples/memo.py")
spec = importlib.util.spec_from_file_location("memo", MEMO)
assert spec is not None and spec.loader is not None
memo: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(memo)
WORDS = (("commitment",), ("close",), ("claim", "own"), ("claim", "other"))


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


def commitment_and_claims(pair: Pair, txid: bytes) -> tuple[Tx, list[tuple[str, ...]]]:
    ((commitment, words),) = [found for found in below(pair, txid) if found[1]]
    assert words == ("commitment",)
    claims = [found for found in below(pair, commitment.txid) if found[1]]
    assert all(len(tx.inputs) == 1 and len(tx.outputs) == 2 for tx, _ in claims), "each is alone"
    return commitment, sorted(words for _, words in claims)


def test_sweeps_carry_theirs_with_the_plugin_dead(pair: Pair) -> None:
    pair.open()
    pair.pay()
    txid = funding(pair)
    pair.kill_plugin()
    pair.close("alice")
    pair.mine(150)
    assert commitment_and_claims(pair, txid)[1] == [("claim", "other"), ("claim", "own")]


def test_penalties_carry_theirs_with_the_plugin_dead(pair: Pair) -> None:
    pair.open()
    pair.pay()
    txid = funding(pair)
    pair.cheat()
    pair.mine(6)
    commitment, claims = commitment_and_claims(pair, txid)
    assert claims == [("claim", "other"), ("claim", "other")], "bob took his own output, and the cheat's"
    assert len(commitment.outputs) == 5
