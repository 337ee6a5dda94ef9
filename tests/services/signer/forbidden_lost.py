"""Which requests are forbidden for a channel of which only a backup was left?"""

from lnpd_sdk.types import ACCEPTOR, OPENER

from lnpd.services.signer.refusals import Rule
from lnpd.services.signer.service import KeySigner
from tests.services.signer.signers import CAPACITY_SAT, htlc, keys_from
from tests.services.signer.world import ME, Row, World, table_of

CASES: list[Row] = []
forbidden = table_of(CASES)


async def lost(world: World) -> KeySigner:
    """A signer with the same keys that knows the channel from a backup."""
    signer = KeySigner(keys_from(1))
    await signer.reserve_channel(ME, "restored")
    await signer.register_channel(world.pair.terms[0], lost=True)
    return signer


@forbidden(Rule.LOST_CHANNEL)
async def signing_the_peers_next_commitment_of_a_lost_channel(world: World) -> None:
    await (await lost(world)).prepare_commitment(ME, await world.pair.graph(ACCEPTOR, 0))


@forbidden(Rule.LOST_CHANNEL)
async def holding_a_commitment_of_a_lost_channel(world: World) -> None:
    graph = await world.pair.graph(OPENER, 1, (htlc(OPENER),))
    await (await lost(world)).hold_commitment(ME, graph, world.own_signatures)


@forbidden(Rule.LOST_CHANNEL)
async def releasing_a_secret_of_a_lost_channel(world: World) -> None:
    await (await lost(world)).prepare_release(ME, 0)


@forbidden(Rule.LOST_CHANNEL)
async def broadcasting_a_commitment_of_a_lost_channel(world: World) -> None:
    await (await lost(world)).prepare_broadcast(ME, 0)


@forbidden(Rule.OTHER_COMMITMENT)
async def signing_a_broadcast_of_a_lost_channel(world: World) -> None:
    await (await lost(world)).sign_broadcast(ME, world.own, world.own_signatures)


@forbidden(Rule.LOST_CHANNEL)
async def closing_a_lost_channel(world: World) -> None:
    await (await lost(world)).prepare_closing(ME, world.closing(CAPACITY_SAT - 300_400))


@forbidden(Rule.LOST_CHANNEL)
async def forgetting_a_lost_channel(world: World) -> None:
    await (await lost(world)).forget_channel(ME)


@forbidden(Rule.INDEX_USED_TWICE)
async def a_new_channel_with_the_index_of_a_lost_one(world: World) -> None:
    await (await lost(world)).reserve_channel(ME, "a new channel")
