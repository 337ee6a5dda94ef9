"""What does the signer refuse a plugin?"""

from lnpd_sdk.services.signing import (
    SIGHASH_DEFAULT,
    SIGHASH_SINGLE_ANYONECANPAY,
    KeyName,
    KeyPath,
    LeafPath,
    Path,
    Spending,
    Together,
    WitnessKey,
    WitnessScript,
)
from msgspec.structs import replace

from lnpd.crypto.musig import Group
from lnpd.crypto.schnorr import x_only
from lnpd.crypto.secp import public_key
from lnpd.services.signer.nonces import MAX_SESSIONS
from lnpd.services.signer.refusals import Rule
from lnpd.tx.script import pay_to_key, pay_to_script, push
from lnpd.tx.sighash import TAPROOT_PREFIX
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.services.signer.world import Row, World, table_of

CASES: list[Row] = []
forbidden = table_of(CASES)

CET = KeyName("cet")
THEIRS = public_key(b"\x77" * 32)
TX = Tx((TxIn(b"\x01" * 32, 0), TxIn(b"\x02" * 32, 1)), (TxOut(1_000, b"\x51"),))


def spending(script_pubkey: bytes, path: Path, sighash: int = 1, index: int = 0) -> Spending:
    """An input of TX that spends this."""
    return Spending(TX.serialise(), ((2_000, script_pubkey), (3_000, b"\x51")), index, path, sighash)


async def own_key(world: World) -> bytes:
    """The plugin's public key."""
    return await world.signer.plugin_key("dlc", CET)


async def whole(world: World) -> Spending:
    """An input that may be signed."""
    return spending(pay_to_key(await own_key(world)), WitnessKey())


async def together(world: World) -> tuple[int, Together]:
    """A session, and what it may sign."""
    keys = (await own_key(world), THEIRS)
    begun = (await world.signer.musig_nonce("dlc", CET)).nonce
    other = (await world.signer.musig_nonce("other", CET)).nonce
    script = TAPROOT_PREFIX + x_only(Group(keys).taproot().key)
    return begun.session, Together(keys, (begun.nonce, other.nonce), spending(script, KeyPath()))


@forbidden(Rule.KEY_NAME_MALFORMED)
async def a_plugin_without_a_name(world: World) -> None:
    await world.signer.plugin_key("", CET)


@forbidden(Rule.KEY_NAME_MALFORMED)
async def a_purpose_with_a_slash(world: World) -> None:
    await world.signer.plugin_key("dlc", KeyName("a/b"))


@forbidden(Rule.KEY_NAME_MALFORMED)
async def half_a_channel_id(world: World) -> None:
    await world.signer.plugin_key("dlc", KeyName("cet", 0, bytes(16)))


@forbidden(Rule.KEY_NAME_MALFORMED)
async def an_index_beyond_all(world: World) -> None:
    await world.signer.plugin_key("dlc", KeyName("cet", 1 << 31))


@forbidden(Rule.SPENDING_MALFORMED)
async def a_transaction_of_noise(world: World) -> None:
    await world.signer.plugin_sign("dlc", CET, replace(await whole(world), transaction=b"\x07" * 60))


@forbidden(Rule.SPENDING_MALFORMED)
async def a_transaction_longer_than_any(world: World) -> None:
    await world.signer.plugin_sign("dlc", CET, replace(await whole(world), transaction=bytes(400_001)))


@forbidden(Rule.SPENDING_MALFORMED)
async def an_input_without_what_it_spends(world: World) -> None:
    shown = await whole(world)
    await world.signer.plugin_sign("dlc", CET, replace(shown, spent=shown.spent[:1]))


@forbidden(Rule.SPENDING_MALFORMED)
async def an_input_that_is_not_there(world: World) -> None:
    await world.signer.plugin_sign("dlc", CET, replace(await whole(world), index=2))


@forbidden(Rule.SPENDING_MALFORMED)
async def an_impossible_amount(world: World) -> None:
    shown = await whole(world)
    await world.signer.plugin_sign("dlc", CET, replace(shown, spent=((-1, shown.spent[0][1]), shown.spent[1])))


@forbidden(Rule.SPENDING_MALFORMED)
async def a_merkle_root_of_another_length(world: World) -> None:
    await world.signer.plugin_sign("dlc", CET, spending(TAPROOT_PREFIX + bytes(32), KeyPath(b"\x01")))


@forbidden(Rule.SPENDING_MALFORMED)
async def a_leaf_without_a_control_block(world: World) -> None:
    await world.signer.plugin_sign("dlc", CET, spending(TAPROOT_PREFIX + bytes(32), LeafPath(b"\x51", b"")))


@forbidden(Rule.SPENDING_MALFORMED)
async def an_adaptor_that_is_no_point(world: World) -> None:
    key = await own_key(world)
    script = TAPROOT_PREFIX + x_only(Group((key,)).key)
    await world.signer.plugin_adaptor_sign("dlc", CET, spending(script, KeyPath()), bytes(33))


@forbidden(Rule.SPENDING_MALFORMED)
async def a_group_with_a_key_that_is_no_point(world: World) -> None:
    session, shown = await together(world)
    await world.signer.prepare_partial("dlc", session, replace(shown, keys=(shown.keys[0], bytes(33))))


@forbidden(Rule.NOT_THIS_PATH)
async def the_output_of_another_key(world: World) -> None:
    await world.signer.plugin_sign("dlc", CET, spending(pay_to_key(THEIRS), WitnessKey()))


@forbidden(Rule.NOT_THIS_PATH)
async def a_script_without_the_key(world: World) -> None:
    script = push(THEIRS) + b"\xac"
    await world.signer.plugin_sign("dlc", CET, spending(pay_to_script(script), WitnessScript(script)))


@forbidden(Rule.NOT_THIS_PATH)
async def the_script_of_another_output(world: World) -> None:
    script = push(await own_key(world)) + b"\xac"
    await world.signer.plugin_sign("dlc", CET, spending(pay_to_script(b"\x51"), WitnessScript(script)))


@forbidden(Rule.NOT_THIS_PATH)
async def a_taproot_output_of_another_key(world: World) -> None:
    await world.signer.plugin_sign("dlc", CET, spending(TAPROOT_PREFIX + x_only(THEIRS), KeyPath()))


@forbidden(Rule.NOT_THIS_PATH)
async def a_leaf_of_another_output(world: World) -> None:
    path = LeafPath(push(x_only(await own_key(world))) + b"\xac", b"\xc0" + x_only(THEIRS))
    await world.signer.plugin_sign("dlc", CET, spending(TAPROOT_PREFIX + x_only(THEIRS), path))


@forbidden(Rule.NOT_THIS_PATH)
async def a_part_of_an_ecdsa_signature(world: World) -> None:
    session, shown = await together(world)
    await world.signer.prepare_partial("dlc", session, replace(shown, spending=await whole(world)))


@forbidden(Rule.NOT_THIS_PATH)
async def an_adaptor_for_the_output_of_another_key(world: World) -> None:
    await world.signer.plugin_adaptor_sign("dlc", CET, spending(pay_to_key(THEIRS), WitnessKey()), THEIRS)


@forbidden(Rule.NOT_THIS_PATH)
async def the_output_of_another_group(world: World) -> None:
    session, shown = await together(world)
    stranger = replace(shown.spending, spent=((2_000, TAPROOT_PREFIX + x_only(THEIRS)), (3_000, b"\x51")))
    await world.signer.prepare_partial("dlc", session, replace(shown, spending=stranger))


@forbidden(Rule.SIGHASH_NOT_ALLOWED)
async def a_signature_of_no_output(world: World) -> None:
    await world.signer.plugin_sign("dlc", CET, replace(await whole(world), sighash=0x02))


@forbidden(Rule.SIGHASH_NOT_ALLOWED)
async def the_default_where_there_is_none(world: World) -> None:
    await world.signer.plugin_sign("dlc", CET, replace(await whole(world), sighash=SIGHASH_DEFAULT))


@forbidden(Rule.SIGHASH_NOT_ALLOWED)
async def a_single_output_that_is_not_there(world: World) -> None:
    shown = await whole(world)
    spent = (shown.spent[1], shown.spent[0])
    one = replace(shown, spent=spent, index=1, sighash=SIGHASH_SINGLE_ANYONECANPAY)
    await world.signer.plugin_sign("dlc", CET, one)


@forbidden(Rule.MESSAGE_TOO_LONG)
async def a_message_without_an_end(world: World) -> None:
    await world.signer.plugin_sign_message("dlc", CET, "event", bytes(64 * 1024 + 1))


@forbidden(Rule.MESSAGE_TOO_LONG)
async def a_message_without_a_tag(world: World) -> None:
    await world.signer.plugin_sign_message("dlc", CET, "", b"it rained")


@forbidden(Rule.NONCE_UNKNOWN)
async def a_session_that_was_never_begun(world: World) -> None:
    session, shown = await together(world)
    await world.signer.prepare_partial("dlc", session + 1, shown)


@forbidden(Rule.NONCE_UNKNOWN)
async def the_session_of_another_plugin(world: World) -> None:
    session, shown = await together(world)
    await world.signer.prepare_partial("third", session, shown)


@forbidden(Rule.NONCE_UNKNOWN)
async def a_session_of_long_ago(world: World) -> None:
    session, shown = await together(world)
    for _ in range(MAX_SESSIONS):
        await world.signer.musig_nonce("dlc", CET)
    await world.signer.prepare_partial("dlc", session, shown)


@forbidden(Rule.NONCE_USED)
async def one_nonce_for_two_signatures(world: World) -> None:
    session, shown = await together(world)
    await world.signer.prepare_partial("dlc", session, shown)
    await world.signer.musig_partial("dlc", session, shown)
    await world.signer.prepare_partial("dlc", session, replace(shown, adaptor=THEIRS))


@forbidden(Rule.NONCE_USED)
async def another_signature_than_was_prepared(world: World) -> None:
    session, shown = await together(world)
    await world.signer.prepare_partial("dlc", session, shown)
    await world.signer.musig_partial("dlc", session, replace(shown, adaptor=THEIRS))


@forbidden(Rule.PARTIAL_UNPREPARED)
async def a_part_whose_nonce_was_not_marked(world: World) -> None:
    session, shown = await together(world)
    await world.signer.musig_partial("dlc", session, shown)


@forbidden(Rule.NOT_A_SIGNER)
async def a_group_without_our_nonce(world: World) -> None:
    session, shown = await together(world)
    await world.signer.prepare_partial("dlc", session, replace(shown, nonces=shown.nonces[::-1]))


@forbidden(Rule.NOT_A_SIGNER)
async def more_nonces_than_keys(world: World) -> None:
    session, shown = await together(world)
    await world.signer.prepare_partial("dlc", session, replace(shown, nonces=(*shown.nonces, shown.nonces[1])))
