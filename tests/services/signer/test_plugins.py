"""Do plugins sign what they show, each with its own keys, and does no nonce sign twice, whoever dies when?"""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lnpd_sdk.services import signing
from lnpd_sdk.services.signing import (
    SIGHASH_ALL,
    SIGHASH_DEFAULT,
    SIGHASH_SINGLE_ANYONECANPAY,
    KeyName,
    KeyPath,
    LeafPath,
    PublicNonce,
    Spending,
    Together,
    WitnessKey,
    WitnessScript,
)
from msgspec.structs import replace

from lnpd.chain.verify import first_failure
from lnpd.crypto import musig
from lnpd.crypto.adaptor import adaptor_complete, adaptor_secret, adaptor_verify
from lnpd.crypto.musig import Group
from lnpd.crypto.schnorr import output_key, tagged_hash, verify_schnorr, x_only
from lnpd.crypto.secp import public_key
from lnpd.errors import SignerRefused
from lnpd.services.interfaces import Signer, SignerRecord
from lnpd.services.signer.durable import DurableSigner
from lnpd.services.signer.process import SignerProcess
from lnpd.services.signer.refusals import Rule
from lnpd.services.signer.service import KeySigner
from lnpd.tx.script import pay_to_key, pay_to_script, push
from lnpd.tx.sighash import TAPROOT_PREFIX, leaf_hash, leaf_script_pubkey, taproot_sighash
from lnpd.tx.transaction import Tx, TxIn, TxOut, parse
from tests.services.signer.signers import keys_from, run_now
from tests.services.signer.test_process import start_in

CET = KeyName("cet", 3, b"\x05" * 32)
KEY = "022a8fb3471b0a96f3b4804bf756981c9ba4d831b13ae3f90adb7e11e173112089"  # of the seed that is the byte 1 repeated
CHECKSIG = b"\xac"
TX = Tx((TxIn(b"\x01" * 32, 0), TxIn(b"\x02" * 32, 1)), (TxOut(1_000, b"\x51"), TxOut(2_000, b"\x52")))
HIDDEN = b"\x44" * 32


def a_signer(rows: tuple[SignerRecord, ...] = ()) -> KeySigner:
    """The signer of the seed that is the byte 1 repeated."""
    return KeySigner(keys_from(1), rows)


def spending(script: bytes, path: signing.Path, sighash: int = SIGHASH_ALL) -> Spending:
    """The first input of TX spends this; the second one anybody may take."""
    return Spending(TX.serialise(), ((5_000, script), (6_000, b"\x51")), 0, path, sighash)


def runs(shown: Spending, witness: tuple[bytes, ...]) -> bool:
    """Whether the kernel takes the first input with this witness."""
    return first_failure(parse(shown.transaction).with_witness(0, witness).serialise(), shown.spent) is None


def digest_of(shown: Spending) -> bytes:
    """What a key path's signature commits to."""
    spent = tuple(TxOut(*each) for each in shown.spent)
    return taproot_sighash(parse(shown.transaction), shown.index, spent, shown.sighash)


def test_a_plugins_key_is_what_it_always_was() -> None:
    assert run_now(a_signer().plugin_key("dlc", CET)).hex() == KEY


names = st.builds(
    KeyName, st.sampled_from(("a", "b", "ab")), st.integers(0, 2), st.sampled_from((b"", b"\x01" * 32, b"\x02" * 32))
)


@settings(max_examples=50, deadline=None)
@given(st.tuples(st.sampled_from(("dlc", "rgb")), names), st.tuples(st.sampled_from(("dlc", "rgb")), names))
def test_two_names_are_two_keys(first: tuple[str, KeyName], second: tuple[str, KeyName]) -> None:
    signer = a_signer()
    assert (run_now(signer.plugin_key(*first)) == run_now(signer.plugin_key(*second))) == (first == second)


@pytest.mark.parametrize("sighash", [SIGHASH_ALL, SIGHASH_SINGLE_ANYONECANPAY])
def test_segwit_signatures_are_valid(sighash: int) -> None:
    async def driven() -> None:
        signer = a_signer()
        key = await signer.plugin_key("dlc", CET)
        shown = spending(pay_to_key(key), WitnessKey(), sighash)
        signature = await signer.plugin_sign("dlc", CET, shown)
        assert signature[-1] == sighash and signature == await signer.plugin_sign("dlc", CET, shown)
        assert runs(shown, (signature, key)) and not runs(shown, (signature[:-1] + b"\x02", key))
        script = push(key) + CHECKSIG
        shown = spending(pay_to_script(script), WitnessScript(script), sighash)
        assert runs(shown, (await signer.plugin_sign("dlc", CET, shown), script))

    run_now(driven())


@pytest.mark.parametrize("sighash", [SIGHASH_DEFAULT, SIGHASH_ALL, SIGHASH_SINGLE_ANYONECANPAY])
@pytest.mark.parametrize("root", [b"", b"\x09" * 32])
def test_taproot_signatures_are_valid(sighash: int, root: bytes) -> None:
    async def driven() -> None:
        signer = a_signer()
        key = x_only(await signer.plugin_key("dlc", CET))
        shown = spending(TAPROOT_PREFIX + output_key(key, root)[1:], KeyPath(root), sighash)
        signature = await signer.plugin_sign("dlc", CET, shown)
        assert len(signature) == 64 + bool(sighash) and runs(shown, (signature,))
        script, internal = push(key) + CHECKSIG, x_only(public_key(HIDDEN))
        leaf = leaf_hash(script)
        tree = tagged_hash("TapBranch", *sorted((leaf, root))) if root else leaf
        control = bytes((0xC0 | output_key(internal, tree)[0] & 1,)) + internal + root
        shown = spending(leaf_script_pubkey(leaf, control), LeafPath(script, control), sighash)
        assert runs(shown, (await signer.plugin_sign("dlc", CET, shown), script, control))

    run_now(driven())


def test_a_message_is_signed_under_the_plugins_tag_alone() -> None:
    signer = a_signer()
    key = x_only(run_now(signer.plugin_key("oracle", KeyName("attest"))))
    signature = run_now(signer.plugin_sign_message("oracle", KeyName("attest"), "weather", b"rain"))
    assert verify_schnorr(key, tagged_hash("lnpd/plugin/oracle/weather", b"rain"), signature)
    assert not verify_schnorr(key, tagged_hash("lnpd/plugin/oracle/other", b"rain"), signature)


def test_an_adaptor_signature_completes_to_a_witness() -> None:
    async def driven() -> None:
        signer = a_signer()
        tweaked = x_only(output_key(x_only(await signer.plugin_key("dlc", CET)), b""))
        shown = spending(TAPROOT_PREFIX + tweaked, KeyPath(), SIGHASH_DEFAULT)
        point = public_key(HIDDEN)
        pre_signature = await signer.plugin_adaptor_sign("dlc", CET, shown, point)
        assert adaptor_verify(tweaked, digest_of(shown), point, pre_signature)
        assert not runs(shown, (pre_signature,))
        signature = adaptor_complete(tweaked, digest_of(shown), HIDDEN, pre_signature)
        assert runs(shown, (signature,)) and adaptor_secret(point, pre_signature, signature) == HIDDEN

    run_now(driven())


# MuSig2


async def begun(signers: tuple[Signer, Signer], point: bytes = b"") -> tuple[tuple[PublicNonce, PublicNonce], Together]:
    """A session of each of two signers, and the output of both that they shall spend."""
    keys = (await signers[0].plugin_key("dlc", CET), await signers[1].plugin_key("dlc", CET))
    nonces = ((await signers[0].musig_nonce("dlc", CET)).nonce, (await signers[1].musig_nonce("dlc", CET)).nonce)
    script = TAPROOT_PREFIX + x_only(Group(keys).taproot(b"\x08" * 32).key)
    shown = spending(script, KeyPath(b"\x08" * 32), SIGHASH_DEFAULT)
    return nonces, Together(keys, (nonces[0].nonce, nonces[1].nonce), shown, point)


async def part(signer: Signer, session: int, together: Together) -> bytes:
    """A partial signature, as a node asks for it."""
    await signer.prepare_partial("dlc", session, together)
    return await signer.musig_partial("dlc", session, together)


@pytest.mark.parametrize("point", [b"", public_key(HIDDEN)])
def test_two_signers_spend_their_output(point: bytes) -> None:
    async def driven() -> None:
        signers = (a_signer(), KeySigner(keys_from(2)))
        nonces, together = await begun(signers, point)
        parts = [await part(signers[n], nonces[n].session, together) for n in (0, 1)]
        assert parts[0] == await part(signers[0], nonces[0].session, together), "asked again, the same"
        group, digest = Group(together.keys).taproot(b"\x08" * 32), digest_of(together.spending)
        combined = musig.combine_nonces(together.nonces, point)
        signature = musig.combine_partials(parts, group, combined, digest)
        if point:
            assert not runs(together.spending, (signature,))
            signature = adaptor_complete(x_only(group.key), digest, HIDDEN, signature)
        assert runs(together.spending, (signature,))

    run_now(driven())


def test_rows_outlive_the_signer_and_nonces_do_not() -> None:
    async def driven() -> None:
        other, first = KeySigner(keys_from(2)), a_signer()
        records: dict[bytes, bytes] = {}
        for _ in range(3):
            given = await first.musig_nonce("dlc", CET)
            records |= {row.key: row.value for row in given.records}
        nonces, together = await begun((first, other))
        records |= {row.key: row.value for row in await first.prepare_partial("dlc", nonces[0].session, together)}
        await first.musig_partial("dlc", nonces[0].session, together)
        again = a_signer(tuple(SignerRecord(*row) for row in records.items()))
        for session in range(4):
            with pytest.raises(SignerRefused) as refused:
                await part(again, session, together)
            assert refused.value.rule == (Rule.NONCE_LOST if session == 3 else Rule.NOT_A_SIGNER)
        assert (await again.musig_nonce("dlc", CET)).nonce.session == 4, "no number comes back"

    run_now(driven())


def test_a_row_that_nobody_wrote_is_refused() -> None:
    for value in (b"", b"\x02", b"\x01\xc1"):
        with pytest.raises(SignerRefused, match=Rule.WENT_BACKWARDS):
            a_signer((SignerRecord(b"plugin/nonce/dlc/\0\0", value),))


def test_rows_do_not_grow_without_end() -> None:
    async def driven() -> set[bytes]:
        signer = a_signer()
        return {row.key for _ in range(2_100) for row in (await signer.musig_nonce("dlc", CET)).records}

    assert len(run_now(driven())) == 1_024


def test_a_durable_signer_marks_a_nonce_before_it_signs(tmp_path: Path) -> None:
    async def driven() -> None:
        keys, other = keys_from(1), KeySigner(keys_from(2))
        signer, store = DurableSigner.open(keys, tmp_path / "signer", "regtest")
        nonces, together = await begun((signer, other))
        assert await signer.prepare_partial("dlc", nonces[0].session, together) == ()
        await signer.musig_partial("dlc", nonces[0].session, together)
        await store.close()
        signer, store = DurableSigner.open(keys, tmp_path / "signer", "regtest")
        rows = await store.read(lambda read: read.signer_states())
        assert len(rows) == 1 and together.nonces[0] in rows[0][1]
        other_message = Together(together.keys, together.nonces, together.spending, public_key(HIDDEN))
        with pytest.raises(SignerRefused, match=Rule.NONCE_USED):
            await part(signer, nonces[0].session, other_message)
        with pytest.raises(SignerRefused, match=Rule.NONCE_LOST):
            await part(signer, nonces[0].session, together)
        await store.close()

    asyncio.run(driven())


def test_a_signer_in_its_own_process_serves_plugins_and_forgets_nonces_when_killed(tmp_path: Path) -> None:
    async def driven() -> None:
        start = start_in(tmp_path)
        running, other = await SignerProcess.start(start), KeySigner(keys_from(2))
        try:
            key = x_only(await running.signer.plugin_key("dlc", CET))
            message = await running.signer.plugin_sign_message("dlc", CET, "event", b"rain")
            assert verify_schnorr(key, tagged_hash("lnpd/plugin/dlc/event", b"rain"), message)
            nonces, together = await begun((running.signer, other))
            used, signed = await begun((running.signer, other))
            await part(running.signer, used[0].session, signed)
            os.kill(running.pid, signal.SIGKILL)
            await running.ended()
        finally:
            await running.stop()
        running = await SignerProcess.start(replace(start, create=None))
        try:
            for session, shown in ((nonces[0].session, together), (used[0].session, signed)):
                with pytest.raises(SignerRefused, match=Rule.NONCE_LOST):
                    await part(running.signer, session, shown)
        finally:
            await running.stop()

    asyncio.run(driven())
