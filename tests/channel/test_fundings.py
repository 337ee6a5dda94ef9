"""Does a channel with two fundings sign both, in one batch, and survive a cut within it?"""

import pytest

from lnpd.channel import actions, events
from lnpd.channel.queries import commitment_key
from lnpd.wire.message import decode
from lnpd.wire.messages import CommitmentSigned, StartBatch
from tests.channel.harness import WITH_VAULT, Pair, add, opened, preimage, with_second_funding
from tests.channel.vault import body


def paying() -> Pair:
    pair = with_second_funding(opened(WITH_VAULT))
    pair.delivered = 0
    pair.command(0, add(1))
    pair.command(1, events.Propose("vault", body("put", 5_000)))
    return pair


def agree(pair: Pair) -> None:
    """Both sides hold the same commitments on both fundings."""
    pair.check()
    for node in pair.nodes:
        peer = pair.nodes[1 - node.us]
        graphs = set()
        for funding in node.channel.fundings:
            key = commitment_key(funding.txid, node.us, node.channel.numbers[node.us])
            ours, theirs = node.kept(key), peer.kept(key)
            assert ours is not None and theirs is not None and ours.graph == theirs.graph
            graphs.add(ours.graph.tx.txid)
        assert len(graphs) == 2


def test_both_commitments_come_in_one_batch() -> None:
    pair = paying()
    pair.command(0, events.Commit())
    sent = [decode(m) for m in pair.nodes[0].sent]
    assert [type(m) for m in sent[1:]] == [StartBatch, CommitmentSigned, CommitmentSigned]
    assert sent[1].batch_size == 2  # type: ignore[union-attr]
    txids = [m.tlvs.funding_txid for m in sent[2:]]  # type: ignore[union-attr]
    assert txids == [f.txid for f in pair.nodes[0].channel.fundings]
    pair.settle()
    agree(pair)


@pytest.mark.parametrize("at", range(24))
def test_cut_at_every_message(at: int) -> None:
    pair = paying()
    for _ in range(60):
        if pair.delivered == at:
            pair.delivered += 1
            pair.cut()
            pair.reconnect()
        if not (pair.deliver(0) | pair.deliver(1)):
            for node in pair.nodes:
                node.run(events.Commit())
    pair.settle()
    agree(pair)
    assert not any(node.errors for node in pair.nodes)
    if pair.nodes[1].told(actions.HtlcReceived):
        pair.command(1, events.Fulfill(0, preimage(1)))
        pair.settle()
        agree(pair)
        assert pair.nodes[0].channel.base.balances_msat[1] == 305_000_000
