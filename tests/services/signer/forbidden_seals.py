"""Which second stages are forbidden on a channel whose type seals them?"""

from lnpd_sdk.types import ACCEPTOR, OPENER
from msgspec.structs import replace

from lnpd.providers.types import STATIC_REMOTEKEY
from lnpd.services.signer.refusals import Rule
from lnpd.tx.script import data_carrier
from lnpd.tx.transaction import TxOut
from tests.channel.sealed import Sealer, with_sealer
from tests.services.signer.signers import htlc
from tests.services.signer.world import ME, Row, World, changed_child, table_of

CASES: list[Row] = []
forbidden = table_of(CASES)
SEALED = with_sealer("second_stage")


async def sealed_second_stage(*carriers: bytes) -> None:
    """A commitment whose HTLC transaction was sealed; then the same one with these carriers in place of that."""
    fresh = await World.fresh(SEALED, providers=(Sealer("second_stage"),))
    graph = await fresh.pair.graph(ACCEPTOR, 1, (htlc(OPENER),))
    await fresh.signer.prepare_commitment(ME, graph)
    child = graph.children[0]
    seal, home = child.outputs
    outputs = (*(replace(seal, script_pubkey=each) for each in carriers), home)
    tx = replace(child.tx, outputs=tuple(TxOut(each.value_sat, each.script_pubkey) for each in outputs))
    await fresh.signer.sign_commitment(ME, graph)
    await fresh.signer.prepare_commitment(ME, changed_child(graph, outputs=outputs, tx=tx))


@forbidden(Rule.WRONG_CHILD)
async def a_sealed_second_stage_without_its_carrier(world: World) -> None:
    await sealed_second_stage()


@forbidden(Rule.WRONG_CHILD)
async def a_sealed_second_stage_with_two_carriers(world: World) -> None:
    await sealed_second_stage(data_carrier(bytes(32)), data_carrier(bytes(32)))


@forbidden(Rule.WRONG_CHILD)
async def a_sealed_second_stage_with_a_carrier_of_another_length(world: World) -> None:
    await sealed_second_stage(data_carrier(bytes(31)))


@forbidden(Rule.TWO_REMOTE_COMMITMENTS)
async def a_second_stage_that_is_sealed_again_in_another_way(world: World) -> None:
    await sealed_second_stage(data_carrier(bytes(32)))


@forbidden(Rule.WRONG_CHILD)
async def an_unsealed_second_stage_of_a_type_that_seals_them(world: World) -> None:
    fresh = await World.fresh(SEALED, providers=(Sealer("second_stage"),))
    plain = await fresh.pair.graph(ACCEPTOR, 1, (htlc(OPENER),), type=STATIC_REMOTEKEY)
    await fresh.signer.prepare_commitment(ME, plain)


@forbidden(Rule.WRONG_STATES)
async def states_of_a_provider_that_seals_nothing_here(world: World) -> None:
    await world.prepare(replace(await world.next(), states=(("stranger", b""),)))


@forbidden(Rule.WRONG_STATES)
async def a_state_that_no_provider_may_have(world: World) -> None:
    fresh = await World.fresh(SEALED, providers=(Sealer("second_stage"),))
    graph = await fresh.pair.graph(ACCEPTOR, 1, (htlc(OPENER),))
    states = tuple((name, bytes(64 * 1024 + 1) if name == "sealer" else state) for name, state in graph.states)
    assert [name for name, _ in states] == ["htlc", "sealer"]
    await fresh.signer.prepare_commitment(ME, replace(graph, states=states))


@forbidden(Rule.WRONG_STATES)
async def limits_of_other_outputs(world: World) -> None:
    fresh = await World.fresh(SEALED, providers=(Sealer("second_stage"),))
    graph = await fresh.pair.graph(ACCEPTOR, 1, (htlc(OPENER),))
    await fresh.signer.prepare_commitment(ME, replace(graph, limits=graph.limits[1:]))
