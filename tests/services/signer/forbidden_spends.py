"""Which transactions that leave a channel are forbidden?"""

from lnpd_sdk.script import Sighash
from lnpd_sdk.types import ACCEPTOR, OPENER
from msgspec.structs import replace

from lnpd.services.interfaces import Claim, ClaimInput, SecondStage, StagePart
from lnpd.services.signer.refusals import Rule
from lnpd.tx.graph import Child
from lnpd.tx.script import data_carrier
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.channel.sealed import Sealer, with_sealer
from tests.services.signer.world import ADDRESS, ME, STRANGER, Row, World, changed_output, table_of, vout_of

CASES: list[Row] = []
forbidden = table_of(CASES)


@forbidden(Rule.PEER_SIGNATURE)
async def broadcasting_with_an_invalid_signature_of_the_peer(world: World) -> None:
    await world.signer.prepare_broadcast(ME, 1)
    await world.signer.sign_broadcast(ME, world.own, replace(world.own_signatures, commitment=b"\x01" * 64))


@forbidden(Rule.PEER_SIGNATURE)
async def a_second_stage_with_an_invalid_signature_of_the_peer(world: World) -> None:
    stage = SecondStage(world.own, (StagePart(0, b"\x01" * 64),), world.own.children[0].tx)
    await world.signer.sign_second_stage(ME, stage)


@forbidden(Rule.WRONG_CHILD)
async def a_second_stage_that_pays_elsewhere(world: World) -> None:
    tx = replace(world.own.children[0].tx, outputs=(TxOut(50_000, STRANGER),))
    await world.signer.sign_second_stage(
        ME, SecondStage(world.own, (StagePart(0, world.own_signatures.children[0]),), tx)
    )


@forbidden(Rule.PAYS_ELSEWHERE)
async def a_second_stage_with_change_for_a_stranger(world: World) -> None:
    tx = world.own.children[0].tx
    grown = replace(tx, inputs=(*tx.inputs, TxIn(bytes(32), 0)), outputs=(*tx.outputs, TxOut(9_000, STRANGER)))
    await world.signer.sign_second_stage(
        ME, SecondStage(world.own, (StagePart(0, world.own_signatures.children[0]),), grown)
    )


@forbidden(Rule.PAYS_ELSEWHERE)
async def a_claim_to_a_stranger(world: World) -> None:
    graph = world.theirs
    await world.signer.sign_claim(ME, world.claim(graph, vout_of(graph, "to_remote"), "payment", STRANGER))


@forbidden(Rule.OTHER_COMMITMENT)
async def a_claim_of_an_output_of_another_commitment(world: World) -> None:
    graph = world.theirs
    claim = world.claim(graph, vout_of(graph, "to_remote"), "payment")
    inputs = (replace(claim.tx.inputs[0], txid=b"\x12" * 32),)
    await world.signer.sign_claim(ME, replace(claim, tx=replace(claim.tx, inputs=inputs)))


@forbidden(Rule.WRONG_KEYS)
async def a_claim_by_keys_of_another_commitment(world: World) -> None:
    graph = world.theirs
    other = await world.pair.graph(ACCEPTOR, 0)
    mixed = replace(graph, keys=replace(other.keys, per_commitment_point=graph.keys.per_commitment_point))
    await world.signer.sign_claim(ME, world.claim(mixed, vout_of(graph, "to_remote"), "payment"))


@forbidden(Rule.UNKNOWN_PATH)
async def a_claim_by_a_path_of_another_output(world: World) -> None:
    graph = world.theirs
    await world.signer.sign_claim(ME, world.claim(graph, vout_of(graph, "to_remote"), "revocation"))


@forbidden(Rule.NOT_OUR_PATH)
async def a_claim_by_the_peers_path(world: World) -> None:
    graph = world.theirs
    await world.signer.sign_claim(ME, world.claim(graph, vout_of(graph, "to_local"), "delayed", sequence=96))


@forbidden(Rule.NOT_REVOKED)
async def a_penalty_without_the_secret(world: World) -> None:
    graph = world.theirs
    await world.signer.sign_claim(ME, world.claim(graph, vout_of(graph, "to_local"), "revocation"))


@forbidden(Rule.WRONG_REVEALED_SECRET)
async def a_penalty_with_the_secret_of_another_commitment(world: World) -> None:
    graph = world.theirs
    claim = world.claim(graph, vout_of(graph, "to_local"), "revocation")
    await world.signer.sign_claim(ME, replace(claim, per_commitment_secret=world.pair.secret(ACCEPTOR, 0)))


@forbidden(Rule.WRONG_LOCKS)
async def a_claim_that_does_not_wait(world: World) -> None:
    graph = world.own
    await world.signer.sign_claim(ME, world.claim(graph, vout_of(graph, "to_local"), "delayed", sequence=5))


@forbidden(Rule.WITNESS_INCOMPLETE)
async def a_claim_without_its_preimage(world: World) -> None:
    graph = await world.next()
    await world.pair.sign(OPENER, graph)
    await world.signer.sign_claim(ME, world.claim(graph, vout_of(graph, "offered_htlc"), "preimage"))


@forbidden(Rule.FEE_TOO_HIGH)
async def a_claim_that_burns_what_it_takes(world: World) -> None:
    graph = world.theirs
    claim = world.claim(graph, vout_of(graph, "to_remote"), "payment")
    await world.signer.sign_claim(ME, replace(claim, tx=replace(claim.tx, outputs=(TxOut(1_000, ADDRESS),))))


@forbidden(Rule.FEE_TOO_HIGH)
async def a_claim_that_burns_what_it_takes_beside_another_input(world: World) -> None:
    claim = world.claim(world.theirs, vout_of(world.theirs, "to_remote"), "payment")
    tx = replace(claim.tx, inputs=(*claim.tx.inputs, TxIn(b"\x66" * 32, 0)), outputs=(TxOut(354, ADDRESS),))
    await world.signer.sign_claim(ME, replace(claim, tx=tx))


@forbidden(Rule.WRONG_CHILD)
async def a_claim_of_a_second_stage_that_nobody_signed(world: World) -> None:
    graph = await world.bare()
    vout = vout_of(graph, "to_remote")
    ours = graph.outputs[vout]
    made_up = Tx((TxIn(b"\x66" * 32, 0),), (TxOut(ours.value_sat, ours.script_pubkey),))
    child = Child("htlc", "0/0", "made_up", vout, ours.paths[0], made_up, Sighash.SINGLE_ANYONECANPAY, (ours,))
    tx = Tx((TxIn(made_up.txid, 0, 1),), (TxOut(ours.value_sat - 300, ADDRESS),))
    await world.signer.sign_claim(ME, Claim(replace(graph, children=(child,)), tx, (ClaimInput(0, "payment", 0),)))


@forbidden(Rule.OTHER_COMMITMENT)
async def a_claim_of_a_commitment_of_the_peer_that_we_did_not_sign(world: World) -> None:
    graph = await world.pair.graph(ACCEPTOR, 1)
    await world.signer.sign_claim(ME, world.claim(graph, vout_of(graph, "to_remote"), "payment"))


@forbidden(Rule.OTHER_COMMITMENT)
async def a_claim_of_a_commitment_of_ours_that_was_not_held(world: World) -> None:
    graph = await world.pair.graph(OPENER, 1)
    await world.signer.sign_claim(ME, world.claim(graph, vout_of(graph, "to_local"), "delayed", sequence=144))


@forbidden(Rule.OTHER_COMMITMENT)
async def a_claim_of_a_commitment_of_ours_that_is_to_come(world: World) -> None:
    graph = await world.pair.graph(OPENER, 7)
    await world.signer.sign_claim(ME, world.claim(graph, vout_of(graph, "to_local"), "delayed", sequence=144))


@forbidden(Rule.WRONG_SCRIPT)
async def a_claim_of_an_output_with_a_forged_script(world: World) -> None:
    graph = world.theirs
    forged = changed_output(graph, "to_remote", witness_script=b"\x51")
    await world.signer.sign_claim(ME, world.claim(forged, vout_of(graph, "to_remote"), "payment"))


@forbidden(Rule.INVOICE_MALFORMED)
async def the_node_key_over_something_that_is_no_invoice(world: World) -> None:
    await world.signer.sign_invoice("Lightning Signed Message:", b"")


@forbidden(Rule.UPDATE_MALFORMED)
async def the_node_key_over_something_that_is_no_channel_update(world: World) -> None:
    await world.signer.sign_channel_update(bytes(73))


@forbidden(Rule.UPDATE_MALFORMED)
async def the_node_key_over_a_channel_update_that_no_one_would_read(world: World) -> None:
    await world.signer.sign_channel_update(bytes(72))


@forbidden(Rule.UNENCODABLE)
async def a_claim_with_an_amount_that_no_transaction_has(world: World) -> None:
    claim = world.claim(world.theirs, vout_of(world.theirs, "to_remote"), "payment")
    await world.signer.sign_claim(ME, replace(claim, tx=replace(claim.tx, outputs=(TxOut(1 << 70, ADDRESS),))))


@forbidden(Rule.UNENCODABLE)
async def a_second_stage_with_a_locktime_that_no_transaction_has(world: World) -> None:
    tx = replace(world.own.children[0].tx, locktime=-1)
    await world.signer.sign_second_stage(
        ME, SecondStage(world.own, (StagePart(0, world.own_signatures.children[0]),), tx)
    )


async def sealed_claim(*outputs: TxOut) -> None:
    """Our main output of the peer's commitment, claimed by a transaction with the carrier that was made for it, once
    with these outputs before it, and once as it should be."""
    fresh = await World.fresh(with_sealer("claim"), providers=(Sealer("claim"),))
    graph = fresh.theirs
    vout = vout_of(graph, "to_remote")
    claim = fresh.claim(graph, vout, "payment")
    carrier = TxOut(0, graph.outputs[vout].claim_seals[OPENER])
    good = replace(claim, tx=replace(claim.tx, outputs=(carrier, *claim.tx.outputs)))
    assert (await fresh.signer.sign_claim(ME, good)).outputs[0] == carrier
    wrong = tuple(carrier if each.script_pubkey == b"" else each for each in outputs)
    await fresh.signer.sign_claim(ME, replace(claim, tx=replace(claim.tx, outputs=(*wrong, *claim.tx.outputs))))


@forbidden(Rule.PAYS_ELSEWHERE)
async def a_sealed_claim_without_its_carrier(world: World) -> None:
    await sealed_claim()


@forbidden(Rule.PAYS_ELSEWHERE)
async def a_sealed_claim_with_another_carrier(world: World) -> None:
    await sealed_claim(TxOut(0, data_carrier(bytes(32))))


@forbidden(Rule.PAYS_ELSEWHERE)
async def a_sealed_claim_with_two_carriers(world: World) -> None:
    await sealed_claim(TxOut(0, b""), TxOut(0, data_carrier(bytes(32))))
