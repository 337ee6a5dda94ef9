"""Does a signer hold a commitment only with every signature that came ahead, and does one open by its secret alone?"""

import pytest
from lnpd_sdk.types import ACCEPTOR, OPENER
from msgspec.structs import replace

from lnpd.crypto.secp import public_key
from lnpd.errors import SignerRefused
from lnpd.services.interfaces import SecondStage, StagePart
from lnpd.services.signer.refusals import Rule
from lnpd.tx.graph import CommitmentSignatures, Graph
from tests.services.signer.signers import INDEX, Pair, htlc, run_now
from tests.services.signer.world import changed_child, of_kind

SOLD = b"\x5a" * 32
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
