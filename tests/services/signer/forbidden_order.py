"""Which requests are forbidden at their moment, or for their channel?"""

import pytest
from lnpd_sdk.script import FundingScript, InternalKey, Miniscript, Taproot
from lnpd_sdk.types import ACCEPTOR, OPENER
from msgspec.structs import replace

from lnpd.crypto.hd import ChannelIndex
from lnpd.crypto.secp import public_key
from lnpd.errors import SignerRefused
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX
from lnpd.services.interfaces import SecondStage, StagePart
from lnpd.services.signer.refusals import Rule
from lnpd.services.signer.service import KeySigner
from lnpd.tx.funding import make_funding
from tests.services.signer.signers import CAPACITY_SAT, Pair, htlc, keys_from
from tests.services.signer.world import ME, UNKNOWN, Row, World, changed_child, table_of

BOTH = "multi(2,opener_funding,acceptor_funding)"
CASES: list[Row] = []
forbidden = table_of(CASES)


@forbidden(Rule.UNKNOWN_CHANNEL)
async def keys_of_an_index_never_reserved(world: World) -> None:
    await world.signer.channel_publics(UNKNOWN)


@forbidden(Rule.UNKNOWN_CHANNEL)
async def a_point_of_an_index_never_reserved(world: World) -> None:
    await world.signer.commitment_point(UNKNOWN, 0)


@forbidden(Rule.UNKNOWN_CHANNEL)
async def a_point_by_a_known_index_with_another_payment_turn(world: World) -> None:
    await world.signer.commitment_point(replace(ME, payment_turn=4), 0)


@forbidden(Rule.UNKNOWN_CHANNEL)
async def a_signature_for_a_channel_reserved_and_never_registered(world: World) -> None:
    await world.signer.reserve_channel(UNKNOWN, "new")
    await world.signer.sign_commitment(UNKNOWN, world.theirs)


@forbidden(Rule.UNKNOWN_CHANNEL)
async def registering_an_index_never_reserved(world: World) -> None:
    await world.signer.register_channel(replace(world.pair.terms[0], index=UNKNOWN))


@forbidden(Rule.INDEX_USED_TWICE)
async def one_index_for_two_channels(world: World) -> None:
    await world.signer.reserve_channel(ME, "another channel")


@forbidden(Rule.INDEX_USED_TWICE)
async def one_index_with_another_payment_turn(world: World) -> None:
    await world.signer.reserve_channel(replace(ME, payment_turn=9), "another channel")


@forbidden(Rule.OTHER_TERMS)
async def a_known_channel_with_another_delay(world: World) -> None:
    await world.signer.register_channel(replace(world.pair.terms[0], to_self_delay=(6, 96)))


@forbidden(Rule.UNFIT_TERMS)
async def terms_with_keys_that_are_not_ours(world: World) -> None:
    await world.signer.reserve_channel(UNKNOWN, "new")
    await world.signer.register_channel(replace(world.pair.terms[0], index=UNKNOWN))


@forbidden(Rule.UNFIT_TERMS)
async def a_funding_that_is_not_the_2_of_2(world: World) -> None:
    funding = replace(world.pair.funding, txid=bytes(32), witness_script=b"\x51")
    await world.signer.register_funding(ME, funding)


@forbidden(Rule.UNFIT_TERMS)
async def a_funding_that_is_not_what_the_type_makes_of_the_keys(world: World) -> None:
    funding = world.pair.funding
    script = Miniscript(f"or_d({BOTH},and_v(v:pk(opener_funding),older(5000)))")
    other = make_funding(b"\x77" * 32, 0, 1_000, funding.funding_keys, script)
    await world.signer.register_funding(ME, other)


@forbidden(Rule.UNFIT_TERMS)
async def a_type_whose_funding_the_opener_takes_alone_after_a_day(world: World) -> None:
    await of_funding(Miniscript(f"or_d({BOTH},and_v(v:pk(opener_funding),older(144)))"))


@forbidden(Rule.UNFIT_TERMS)
async def a_type_whose_funding_is_taproot(world: World) -> None:
    await of_funding(Taproot(InternalKey.MUSIG2_FUNDING))


async def of_funding(script: FundingScript) -> None:
    """A channel of a type with this funding is registered."""
    await Pair(replace(ANCHORS_ZERO_FEE_HTLC_TX, funding=script)).opened()


@forbidden(Rule.LAST_FUNDING)
async def forgetting_the_last_funding(world: World) -> None:
    await world.signer.forget_funding(ME, world.pair.funding.txid)


@forbidden(Rule.FORGOTTEN_FUNDING)
async def a_funding_without_what_was_signed_for_it(world: World) -> None:
    funding = world.pair.funding
    other = make_funding(b"\x77" * 32, 0, 1_000, funding.funding_keys)
    fresh = World(await Pair().opened())
    await fresh.signer.register_funding(ME, other)
    await fresh.signer.forget_funding(ME, funding.txid)
    await fresh.signer.register_funding(ME, funding)


@forbidden(Rule.UNKNOWN_FUNDING)
async def a_commitment_of_an_unknown_funding(world: World) -> None:
    graph = await world.next()
    await world.prepare(replace(graph, funding=replace(graph.funding, txid=b"\x99" * 32)))


@forbidden(Rule.UNKNOWN_FUNDING)
async def a_funding_with_another_capacity(world: World) -> None:
    graph = await world.next()
    await world.prepare(replace(graph, funding=replace(graph.funding, capacity_sat=2 * CAPACITY_SAT)))


@forbidden(Rule.FUNDING_OF_ANOTHER_CHANNEL)
async def a_commitment_of_another_channels_funding(world: World) -> None:
    indices = (ChannelIndex(11, 2, 3), ChannelIndex(14, 5, 6))
    other = await Pair(indices=indices, signers=world.pair.signers, funding_txid=b"\x77" * 32).opened()
    graph = await other.graph(ACCEPTOR, 0)
    await world.signer.prepare_commitment(ME, graph)


# Order


@forbidden(Rule.REVOKED_BROADCAST)
async def broadcasting_a_commitment_whose_secret_was_released(world: World) -> None:
    await world.signer.prepare_broadcast(ME, 0)


@forbidden(Rule.REVOKED_BROADCAST)
async def signing_a_commitment_whose_secret_was_released(world: World) -> None:
    graph = await world.pair.graph(OPENER, 0)
    await world.signer.sign_broadcast(ME, graph, world.own_signatures)


@forbidden(Rule.REVOKED_BROADCAST)
async def a_second_stage_of_a_revoked_commitment(world: World) -> None:
    graph = await world.pair.graph(OPENER, 0, (htlc(OPENER),))
    await world.signer.sign_second_stage(ME, SecondStage(graph, (StagePart(0, bytes(64)),), graph.children[0].tx))


@forbidden(Rule.BROADCAST_UNPREPARED)
async def broadcasting_without_having_stored_that(world: World) -> None:
    await world.signer.sign_broadcast(ME, world.own, world.own_signatures)


@forbidden(Rule.RELEASE_BEFORE_HELD)
async def releasing_before_the_next_is_held(world: World) -> None:
    await world.signer.prepare_release(ME, 1)


@forbidden(Rule.RELEASE_BEFORE_HELD)
async def releasing_after_a_wrong_signature_of_a_child(world: World) -> None:
    graph = await world.pair.graph(OPENER, 2, (htlc(OPENER),))
    good = await world.pair.sign(ACCEPTOR, graph)
    held = await world.signer.hold_commitment(ME, graph, replace(good, children=(good.commitment,)))
    assert held.wrong
    await world.signer.prepare_release(ME, 1)


@forbidden(Rule.RELEASE_BEFORE_HELD)
async def releasing_far_ahead(world: World) -> None:
    await world.signer.prepare_release(ME, 40)


@forbidden(Rule.RELEASE_UNPREPARED)
async def a_secret_that_was_not_prepared(world: World) -> None:
    await world.pair.hold(OPENER, await world.pair.graph(OPENER, 2))
    await world.signer.release_secret(ME, 1)


@forbidden(Rule.RELEASE_AFTER_BROADCAST)
async def releasing_the_secret_of_a_commitment_given_out_signed(world: World) -> None:
    await world.pair.hold(OPENER, await world.pair.graph(OPENER, 2))
    await world.signer.prepare_broadcast(ME, 1)
    await world.signer.sign_broadcast(ME, world.own, world.own_signatures)
    await world.signer.prepare_release(ME, 1)


@forbidden(Rule.SIGN_UNPREPARED)
async def a_remote_commitment_that_was_not_prepared(world: World) -> None:
    await world.signer.sign_commitment(ME, await world.next())


@forbidden(Rule.PREVIOUS_NOT_REVOKED)
async def a_remote_commitment_before_the_one_two_earlier_is_revoked(world: World) -> None:
    await world.signer.prepare_commitment(ME, await world.next())


@forbidden(Rule.WRONG_REVEALED_SECRET)
async def a_remote_commitment_with_a_secret_of_another(world: World) -> None:
    await world.signer.prepare_commitment(ME, await world.next(), world.pair.secret(ACCEPTOR, 1))


@forbidden(Rule.WRONG_REVEALED_SECRET)
async def a_remote_commitment_with_no_secret_at_all(world: World) -> None:
    await world.signer.prepare_commitment(ME, await world.next(), bytes(32))


@forbidden(Rule.TWO_REMOTE_COMMITMENTS)
async def two_remote_commitments_with_one_number(world: World) -> None:
    await world.signer.prepare_commitment(ME, await world.pair.graph(ACCEPTOR, 1))


@forbidden(Rule.TWO_REMOTE_COMMITMENTS)
async def another_content_at_the_moment_of_signing(world: World) -> None:
    await world.prepare(await world.next())
    await world.signer.sign_commitment(ME, await world.pair.graph(ACCEPTOR, 2))


@forbidden(Rule.TWO_REMOTE_COMMITMENTS)
async def two_remote_commitments_after_a_restart(world: World) -> None:
    again = KeySigner(keys_from(1), world.pair.rows(OPENER))
    await again.resume_channel(ME, 1, 1)
    await again.prepare_commitment(ME, await world.pair.graph(ACCEPTOR, 1))


@forbidden(Rule.TWO_REMOTE_COMMITMENTS)
async def the_same_commitment_for_another_adaptor(world: World) -> None:
    graph = await world.next()
    sold = changed_child(graph, gated=True, adaptor_point=public_key(b"\x5a" * 32))
    await world.prepare(sold)
    await world.signer.sign_commitment(ME, sold)
    await world.signer.sign_commitment(ME, graph)


@forbidden(Rule.WRONG_HOLDER)
async def signing_our_own_commitment_as_if_it_were_the_peers(world: World) -> None:
    await world.signer.prepare_commitment(ME, world.own)


@forbidden(Rule.WRONG_HOLDER)
async def holding_the_peers_commitment(world: World) -> None:
    await world.signer.hold_commitment(ME, world.theirs, world.own_signatures)


@forbidden(Rule.WRONG_NUMBER)
async def a_transaction_that_carries_another_number(world: World) -> None:
    graph = await world.next()
    await world.prepare(replace(graph, tx=replace(graph.tx, locktime=graph.tx.locktime ^ 1)))


@forbidden(Rule.WRONG_NUMBER)
async def holding_a_number_that_is_revoked(world: World) -> None:
    graph = await world.pair.graph(OPENER, 0)
    await world.signer.hold_commitment(ME, graph, world.own_signatures)


@forbidden(Rule.FORGETS_MONEY)
async def forgetting_a_channel_that_goes_on(world: World) -> None:
    await world.signer.forget_channel(ME)


@forbidden(Rule.FORGETS_MONEY)
async def forgetting_an_opening_of_ours_that_can_be_funded(world: World) -> None:
    pair = await Pair().opened()
    await pair.hold(OPENER, await pair.graph(OPENER, 0))
    await pair.signers[OPENER].forget_channel(ME)


# Going backwards


@forbidden(Rule.WENT_BACKWARDS)
async def rows_older_than_the_channel(world: World) -> None:
    old = world.pair.rows(OPENER)
    await world.pair.hold(OPENER, await world.pair.graph(OPENER, 2))
    await KeySigner(keys_from(1), old).resume_channel(ME, 2, 1)


@forbidden(Rule.WENT_BACKWARDS)
async def rows_that_know_fewer_signatures_than_the_channel(world: World) -> None:
    await KeySigner(keys_from(1), world.pair.rows(OPENER)).resume_channel(ME, 1, 2)


@forbidden(Rule.WENT_BACKWARDS)
async def a_channel_restored_from_an_old_copy(world: World) -> None:
    await world.pair.hold(OPENER, await world.pair.graph(OPENER, 2))
    await world.pair.release(OPENER, 1)
    await KeySigner(keys_from(1), world.pair.rows(OPENER)).resume_channel(ME, 0, 1)


@forbidden(Rule.WENT_BACKWARDS)
async def anything_after_it_was_found_out(world: World) -> None:
    again = KeySigner(keys_from(1), world.pair.rows(OPENER))
    with pytest.raises(SignerRefused):
        await again.resume_channel(ME, 2, 1)
    await again.sign_commitment(ME, world.theirs)


@forbidden(Rule.WENT_BACKWARDS)
async def a_remote_commitment_far_ahead(world: World) -> None:
    await world.signer.prepare_commitment(ME, await world.pair.graph(ACCEPTOR, 4), world.pair.secret(ACCEPTOR, 2))


@forbidden(Rule.WENT_BACKWARDS)
async def our_commitment_far_ahead(world: World) -> None:
    await world.signer.hold_commitment(ME, await world.pair.graph(OPENER, 5), world.own_signatures)


@forbidden(Rule.NOT_RESUMED)
async def stored_rows_that_were_not_compared(world: World) -> None:
    await KeySigner(keys_from(1), world.pair.rows(OPENER)).prepare_release(ME, 0)
