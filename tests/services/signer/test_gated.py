"""Does a signer hold a commitment only with every signature that came ahead, and does one open by its secret alone?"""

from pathlib import Path

import msgspec
import pytest
from lnpd_sdk.types import ACCEPTOR, OPENER, PARTIES
from msgspec.structs import replace

from lnpd.crypto.secp import public_key
from lnpd.errors import SignerRefused
from lnpd.services.interfaces import SecondStage, StagePart
from lnpd.services.signer.commitment import _check_locks
from lnpd.services.signer.durable import DurableSigner
from lnpd.services.signer.refusals import Rule
from lnpd.tx.adaptors import shown
from lnpd.tx.graph import CommitmentSignatures, Graph
from tests.channel.vault import GatedVault
from tests.plugins.two_parties import TYPES, built, commitment, pinned
from tests.services.signer.signers import INDEX, Pair, htlc, keys_from, run_now
from tests.services.signer.world import changed_child, of_kind

SOLD = b"\x5a" * 32
OTHER_POINT = public_key(b"\x5b" * 32)
NAME = f"adaptor:{public_key(SOLD).hex()}"


async def graphs(pair: Pair) -> tuple[Graph, CommitmentSignatures]:
    """The opener's commitment 1, whose HTLC-timeout is signed for an adaptor point."""
    await pair.opened()
    for holder in (OPENER, ACCEPTOR):
        await pair.hold(holder, await pair.graph(holder, 0))
    graph = await pair.graph(OPENER, 1, (htlc(OPENER),))
    assert of_kind(graph, "htlc_timeout") == 0
    graph = changed_child(graph, gated=True, adaptor_point=public_key(SOLD))
    return graph, await pair.sign(ACCEPTOR, graph)


def test_it_is_held_with_a_true_pre_signature_and_no_secret_leaves_before() -> None:
    async def main() -> None:
        pair = Pair()
        graph, signatures = await graphs(pair)
        signer, index = pair.signers[OPENER], INDEX[OPENER]
        (ahead,) = signatures.children
        assert len(ahead) == 162
        for wrong in (ahead[:64], ahead[:-1] + bytes((ahead[-1] ^ 1,)), ahead + b"\0"):
            held = await signer.hold_commitment(index, graph, replace(signatures, children=(wrong,)))
            assert "Signature 0 of commitment 1 is invalid: htlc_timeout" in held.wrong
        plain = replace(graph, children=(replace(graph.children[0], gated=False, adaptor_point=b""),))
        assert "Signature 0" in (await signer.hold_commitment(index, plain, signatures)).wrong
        with pytest.raises(SignerRefused) as refused:
            await signer.prepare_release(index, 0)
        assert refused.value.rule == Rule.RELEASE_BEFORE_HELD
        assert (await signer.hold_commitment(index, graph, signatures)).wrong == ""
        await signer.prepare_release(index, 0)

    run_now(main())


def test_its_second_stage_needs_the_secret() -> None:
    async def main() -> None:
        pair = Pair()
        graph, signatures = await graphs(pair)
        signer, index = pair.signers[OPENER], INDEX[OPENER]
        await signer.hold_commitment(index, graph, signatures)
        part = StagePart(0, signatures.children[0])
        tx = replace(graph.children[0].tx)
        for late in ((), ((NAME, b"\x11" * 32),), (("sha256:00", SOLD),)):
            with pytest.raises(SignerRefused) as refused:
                await signer.sign_second_stage(index, SecondStage(graph, (replace(part, late=late),), tx))
            assert refused.value.rule == Rule.WITNESS_INCOMPLETE
        stage = SecondStage(graph, (replace(part, late=((NAME, SOLD),)),), tx)
        signed = await signer.sign_second_stage(index, stage)
        assert signed.txid == tx.txid and len(signed.inputs[0].witness) == 5

    run_now(main())


def test_it_tells_the_secret_of_what_it_signed_and_of_nothing_else() -> None:
    async def main() -> None:
        pair = Pair()
        graph, signatures = await graphs(pair)
        await pair.signers[OPENER].hold_commitment(INDEX[OPENER], graph, signatures)
        stage = SecondStage(graph, (StagePart(0, signatures.children[0], ((NAME, SOLD),)),), graph.children[0].tx)
        signed = await pair.signers[OPENER].sign_second_stage(INDEX[OPENER], stage)
        seen, (signer, index) = shown(graph.children[0], signed.inputs[0].witness), (pair.signers[ACCEPTOR], INDEX[1])
        assert len(seen) == 2 and await signer.sold_secret(index, graph, 0, seen) == SOLD
        for useless in ((), seen[1:], (signatures.children[0], bytes(64), b"\xff" * 64)):
            assert await signer.sold_secret(index, graph, 0, useless) == b""
        wrong = {
            Rule.WRONG_CHILD: (index, graph, 1),
            Rule.OTHER_COMMITMENT: (index, changed_child(graph, adaptor_point=OTHER_POINT), 0),
            Rule.UNKNOWN_CHANNEL: (INDEX[OPENER], graph, 0),
            Rule.WRONG_KEYS: (index, replace(graph, keys=replace(graph.keys, counterparty_htlc=OTHER_POINT)), 0),
        }
        for rule, (which, asked, child) in wrong.items():
            with pytest.raises(SignerRefused) as refused:
                await signer.sold_secret(which, asked, child, seen)
            assert refused.value.rule == rule
        with pytest.raises(SignerRefused):
            await pair.signers[OPENER].sold_secret(INDEX[OPENER], graph, 0, seen)  # it is its own commitment

    run_now(main())


def test_a_signer_of_its_own_store_knows_over_a_restart_what_it_held_and_signed(tmp_path: Path) -> None:
    async def main() -> None:
        opened = [DurableSigner.open(keys_from(party + 1), tmp_path / str(party), "regtest") for party in PARTIES]
        pair = Pair(signers=(opened[OPENER][0], opened[ACCEPTOR][0]))
        graph, signatures = await graphs(pair)
        with pytest.raises(SignerRefused) as early:
            await pair.signers[OPENER].release_secret(INDEX[OPENER], 0)
        assert early.value.rule == Rule.RELEASE_UNPREPARED
        assert (await pair.signers[OPENER].hold_commitment(INDEX[OPENER], graph, signatures)).wrong == ""
        for _, store in opened:
            store.close_sync()
        again = [DurableSigner.open(keys_from(party + 1), tmp_path / str(party), "regtest") for party in PARTIES]
        holder, other = again[OPENER][0], again[ACCEPTOR][0]
        await holder.resume_channel(INDEX[OPENER], 1, 0)
        await other.resume_channel(INDEX[ACCEPTOR], 0, 1)
        await holder.prepare_release(INDEX[OPENER], 0)
        await holder.release_secret(INDEX[OPENER], 0)
        assert await other.sign_commitment(INDEX[ACCEPTOR], graph) == signatures
        for changed in (changed_child(graph, adaptor_point=b""), changed_child(graph, adaptor_point=OTHER_POINT)):
            with pytest.raises(SignerRefused) as refused:
                await other.sign_commitment(INDEX[ACCEPTOR], changed)
            assert refused.value.rule == Rule.TWO_REMOTE_COMMITMENTS
        for _, store in again:
            store.close_sync()

    run_now(main())


def test_a_child_waits_for_blocks_and_never_for_a_time() -> None:
    """Deadlines are counted in blocks: five units of 512 seconds would be taken for five of them."""
    vault = GatedVault()
    spec = commitment(pinned(vault, TYPES["anchors"]), msgspec.msgpack.encode((40_000, 0)))
    graph = built(spec, vault)
    child, parent = graph.children[0], graph.outputs[graph.children[0].vout]
    _check_locks(child, parent, child.path)
    spent = replace(child.tx.inputs[0], sequence=1 << 22 | 5)
    with pytest.raises(SignerRefused, match="waits for a time") as refused:
        _check_locks(replace(child, tx=replace(child.tx, inputs=(spent,))), parent, child.path)
    assert refused.value.rule == Rule.CHILD_LOCKS
