"""Which mutual closes are forbidden, and what is forbidden once one was signed?"""

from lnpd_sdk.script import Miniscript
from lnpd_sdk.types import ACCEPTOR, OPENER, OutputSpec, Phase, ProviderBase, ProviderSpec, View
from msgspec.structs import replace

from lnpd.channel.actions import CompleteClosing, SignClosing
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, pin, with_extensions
from lnpd.services.signer.refusals import Rule
from lnpd.tx.graph import ProviderPin
from lnpd.tx.script import data_carrier
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.channel.sealed import with_sealer
from tests.services.signer.signers import INDEX
from tests.services.signer.world import EXTENDED, ME, STRANGER, Row, World, table_of

CASES: list[Row] = []
forbidden = table_of(CASES)


@forbidden(Rule.CLOSE_UNDERPAYS)
async def a_close_that_pays_us_less_than_our_balance_less_the_fee(world: World) -> None:
    fresh = await World.fresh()
    assert await fresh.close(fresh.closing(699_500))
    await fresh.close(fresh.closing(699_499, 300_001))  # the signer knows our balance, and the fee, itself


@forbidden(Rule.CLOSE_UNDERPAYS)
async def a_close_whose_fee_the_peer_gets(world: World) -> None:
    fresh = await World.fresh()
    await fresh.close(fresh.closing(500_000, 500_000, max_fee_sat=200_000))


@forbidden(Rule.CLOSE_UNDERPAYS)
async def a_close_whose_fee_the_acceptor_pays(world: World) -> None:
    fresh = await World.fresh(us=ACCEPTOR)
    closing = fresh.closing(299_500, 700_000, max_fee_sat=500)
    await fresh.signer.prepare_closing(INDEX[ACCEPTOR], closing)


@forbidden(Rule.CLOSE_UNDERPAYS)
async def a_close_that_pays_us_nothing_of_a_channel_whose_extension_holds_nothing(world: World) -> None:
    fresh = await World.fresh(EXTENDED)
    tx = Tx((TxIn(fresh.pair.funding.txid, 1),), (TxOut(999_500, STRANGER),))
    await fresh.close(SignClosing(fresh.pair.funding, tx, 0, 500))


class Aside(ProviderBase):
    """50,000 sat of the acceptor's are put aside for a stranger."""

    spec = ProviderSpec("aside", (1,), (Phase("contribute"), Phase("close")), max_outputs=1)

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        script = Miniscript("or_d(pk(revocation),and_v(v:pk(delayed),older(65535)))")
        return (OutputSpec("aside", "0", "payout", 50_000, script, (0, 50_000_000)),)


ASIDE = with_extensions(ANCHORS_ZERO_FEE_HTLC_TX, (pin(Aside.spec, 1),))


@forbidden(Rule.CLOSE_UNDERPAYS)
async def a_close_that_takes_more_of_ours_than_what_an_extension_holds(world: World) -> None:
    fresh = await World.fresh(ASIDE, providers=(Aside(),))
    assert await fresh.close(fresh.closing(699_500))
    await fresh.close(fresh.closing(699_499, 300_001))


class Crumb(Aside):
    """300 sat of the opener's are put aside, which are dust in every commitment."""

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        return tuple(
            replace(each, value_sat=300, debits_msat=(300_000, 0), trim="dust")
            for each in super().contribute(view, state)
        )


@forbidden(Rule.CLOSE_UNDERPAYS)
async def a_close_that_takes_more_of_ours_than_what_was_trimmed_of_an_extension(world: World) -> None:
    fresh = await World.fresh(ASIDE, providers=(Crumb(),))
    assert all(each.trimmed for each in (fresh.own, fresh.theirs))
    assert await fresh.close(fresh.closing(699_200, 300_300))
    await fresh.close(fresh.closing(699_199, 300_301))


@forbidden(Rule.CLOSE_UNDERPAYS)
async def a_close_that_pays_us_nothing_because_an_extension_is_said_to_be_trimmed(world: World) -> None:
    """What was trimmed went to the fee, and that the signer sees: all else is still ours."""
    fresh = await World.fresh(EXTENDED)
    for holder in (OPENER, ACCEPTOR):
        graph = replace(await fresh.pair.graph(holder, 1, type=EXTENDED), trimmed=(("lockbox", "0"),))
        await fresh.pair.hold(holder, graph)
    assert await fresh.close(fresh.closing(699_500))
    tx = Tx((TxIn(fresh.pair.funding.txid, 1),), (TxOut(999_500, STRANGER),))
    await fresh.close(SignClosing(fresh.pair.funding, tx, 0, 500))


@forbidden(Rule.CLOSE_UNDERPAYS)
async def a_close_that_leaves_out_what_is_not_dust_to_anyone(world: World) -> None:
    fresh = await World.fresh()
    tx = Tx((TxIn(fresh.pair.funding.txid, 1),), (TxOut(999_600, STRANGER),))
    await fresh.close(SignClosing(fresh.pair.funding, tx, 0, 500))


@forbidden(Rule.CLOSE_UNDERPAYS)
async def a_close_that_pays_a_stranger_our_part(world: World) -> None:
    fresh = await World.fresh()
    closing = fresh.closing(699_500)
    outputs = tuple(replace(each, script_pubkey=STRANGER) for each in closing.transaction.outputs)
    await fresh.close(replace(closing, transaction=replace(closing.transaction, outputs=outputs)))


@forbidden(Rule.FEE_TOO_HIGH)
async def a_close_whose_fee_is_more_than_was_agreed(world: World) -> None:
    fresh = await World.fresh()
    assert await fresh.close(fresh.closing(699_500, 300_000 - 399, max_fee_sat=500))  # the peer's dust goes there too
    await fresh.close(fresh.closing(690_000, max_fee_sat=500))


@forbidden(Rule.CLOSE_UNPREPARED)
async def a_close_that_was_not_stored(world: World) -> None:
    fresh = await World.fresh()
    await fresh.signer.sign_closing(ME, fresh.closing(699_500))


@forbidden(Rule.CLOSE_UNPREPARED)
async def a_complete_close_that_was_not_stored(world: World) -> None:
    fresh = await World.fresh()
    await fresh.signer.complete_closing(ME, CompleteClosing(fresh.closing(699_500), b"\x01" * 64))


@forbidden(Rule.AFTER_CLOSE)
async def a_commitment_of_the_peer_after_a_close(world: World) -> None:
    fresh = await World.fresh()
    await fresh.close(fresh.closing(699_500))
    assert await fresh.pair.sign(OPENER, await fresh.pair.graph(ACCEPTOR, 0))  # what was signed is signed again
    await fresh.pair.sign(OPENER, await fresh.pair.graph(ACCEPTOR, 1))


@forbidden(Rule.AFTER_CLOSE)
async def a_commitment_of_ours_after_a_close(world: World) -> None:
    fresh = await World.fresh()
    await fresh.close(fresh.closing(699_500))
    await fresh.pair.hold(OPENER, await fresh.pair.graph(OPENER, 1))


@forbidden(Rule.CLOSE_PENDING)
async def a_close_while_an_htlc_is_pending(world: World) -> None:
    await world.close(world.closing(699_500, balance_sat=700_000))


@forbidden(Rule.CLOSE_MALFORMED)
async def a_close_with_a_third_output(world: World) -> None:
    closing = world.closing(600_000)
    outputs = (*closing.transaction.outputs, TxOut(1_000, STRANGER))
    await world.close(replace(closing, transaction=replace(closing.transaction, outputs=outputs)))


@forbidden(Rule.FEE_TOO_HIGH)
async def a_close_whose_agreed_fee_is_absurd(world: World) -> None:
    await world.close(world.closing(100_000, balance_sat=700_000, max_fee_sat=600_000))


@forbidden(Rule.UNKNOWN_FUNDING)
async def a_close_of_a_funding_with_another_capacity(world: World) -> None:
    closing = world.closing(699_500)
    await world.close(replace(closing, funding=replace(closing.funding, capacity_sat=1)))


@forbidden(Rule.PEER_SIGNATURE)
async def completing_a_close_without_the_peers_signature(world: World) -> None:
    fresh = await World.fresh()
    closing = fresh.closing(699_500)
    await fresh.signer.prepare_closing(ME, closing)
    await fresh.signer.complete_closing(ME, CompleteClosing(closing, b"\x01" * 64))


@forbidden(Rule.UNENCODABLE)
async def a_close_with_a_sequence_that_no_transaction_has(world: World) -> None:
    closing = world.closing(699_500)
    inputs = (replace(closing.transaction.inputs[0], sequence=1 << 40),)
    await world.close(replace(closing, transaction=replace(closing.transaction, inputs=inputs)))


SEALED, CARRIER = with_sealer("close"), TxOut(0, data_carrier(bytes(32)))


def sealed(closing: SignClosing, *carriers: TxOut) -> SignClosing:
    """The close with these outputs before the others."""
    tx = closing.transaction
    return replace(closing, transaction=replace(tx, outputs=(*carriers, *tx.outputs)))


@forbidden(Rule.CLOSE_MALFORMED)
async def a_close_with_a_data_carrier_that_nobody_seals(world: World) -> None:
    fresh = await World.fresh(SEALED)
    assert await fresh.close(sealed(fresh.closing(699_500), CARRIER))
    unsealed = await World.fresh()
    await unsealed.close(sealed(unsealed.closing(699_500), CARRIER))


@forbidden(Rule.CLOSE_MALFORMED)
async def a_sealed_close_without_its_carrier(world: World) -> None:
    fresh = await World.fresh(SEALED)
    await fresh.close(fresh.closing(699_500))


@forbidden(Rule.CLOSE_MALFORMED)
async def a_sealed_close_with_two_carriers(world: World) -> None:
    fresh = await World.fresh(SEALED)
    await fresh.close(sealed(fresh.closing(699_500), CARRIER, CARRIER))


@forbidden(Rule.CLOSE_MALFORMED)
async def a_carrier_of_another_length(world: World) -> None:
    fresh = await World.fresh(SEALED)
    await fresh.close(sealed(fresh.closing(699_500), TxOut(0, data_carrier(bytes(31)))))


@forbidden(Rule.CLOSE_MALFORMED)
async def a_carrier_with_value(world: World) -> None:
    fresh = await World.fresh(SEALED)
    await fresh.close(sealed(fresh.closing(699_000), replace(CARRIER, value_sat=500)))


@forbidden(Rule.CLOSE_MALFORMED)
async def a_close_with_a_third_output_where_no_provider_closes(world: World) -> None:
    fresh = await World.fresh()
    closing = fresh.closing(699_500, 200_000)
    more = (*closing.transaction.outputs, TxOut(100_000, STRANGER))
    await fresh.close(replace(closing, transaction=replace(closing.transaction, outputs=more)))


@forbidden(Rule.CLOSE_UNDERPAYS)
async def a_close_that_pays_others_of_our_balance_what_no_output_held(world: World) -> None:
    fresh = await World.fresh(with_extensions(ANCHORS_ZERO_FEE_HTLC_TX, (ProviderPin("lockbox", 1, ("close",)),)))
    for others_sat in (100_000, 100_001):  # of the peer's balance, then a sat of ours
        closing = fresh.closing(799_500 - others_sat, 200_000, balance_sat=0)
        more = (*closing.transaction.outputs, TxOut(others_sat, STRANGER))
        assert await fresh.close(replace(closing, transaction=replace(closing.transaction, outputs=more)))
