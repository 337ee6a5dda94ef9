"""Does a plugin sign with its own keys only, as far as it was granted, and are nonces stored before they are seen?"""

import asyncio
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.node import Node
from lnpd_sdk.services.signing import (
    SIGHASH_DEFAULT,
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
from lnpd.crypto.musig import Group
from lnpd.crypto.schnorr import output_key, verify_schnorr, x_only
from lnpd.crypto.secp import public_key
from lnpd.services.plugins.host import PluginHost
from lnpd.services.signer.service import KeySigner
from lnpd.tx.script import pay_to_key, pay_to_script, push
from lnpd.tx.sighash import TAPROOT_PREFIX, leaf_hash, leaf_script_pubkey
from lnpd.tx.transaction import Tx, TxIn, TxOut, parse
from tests.services.plugins.offers.desk import desk, joined
from tests.services.signer.signers import keys_from

HIDDEN = b"\x44" * 32
POINT = public_key(HIDDEN)
VAULT = KeyName("vault")
TX = Tx((TxIn(b"\x01" * 32, 0),), (TxOut(1_000, b"\x51"),)).serialise()
GRANTS = {"one": ("sign:vault", "sign:unasked"), "other": ("sign:vault",)}


async def signing(host: PluginHost, name: str = "one") -> Node:
    """A plugin that may sign for `vault`."""
    return await joined(host, name, "sign:vault", "sign:ungranted")


def spends(script: bytes, witness: tuple[bytes, ...]) -> bool:
    """Whether the kernel takes TX with this witness, where it spends this script."""
    return first_failure(parse(TX).with_witness(0, witness).serialise(), ((2_000, script),)) is None


def by_key_path(key: bytes) -> Spending:
    """TX spends a taproot output of this internal key."""
    return Spending(TX, ((2_000, TAPROOT_PREFIX + output_key(x_only(key), b"")[1:]),), 0, KeyPath(), SIGHASH_DEFAULT)


async def refused(code: str, words: str, asked: object) -> None:
    with pytest.raises(CallFailed, match=words) as error:
        await asked  # type: ignore[misc]  # a coroutine of any service
    assert error.value.code == code


def test_only_what_was_granted_is_signed(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path, **GRANTS) as host:
            host.desk.signer = KeySigner(keys_from(1))
            one, other, none = await signing(host), await signing(host, "other"), await joined(host, "none")
            key = await one.derive_public_key(VAULT)
            assert key == await one.derive_public_key(VAULT) != await other.derive_public_key(VAULT)
            assert len(await none.derive_public_key(VAULT)) == 33
            script = pay_to_key(key)
            shown = Spending(TX, ((2_000, script),), 0, WitnessKey())
            assert spends(script, (await one.sign(VAULT, shown), key))
            await refused("SignerRefused", "not_this_path", other.sign(VAULT, shown))
            await refused("CapabilityMissing", "--grant none=sign:PURPOSE", none.sign(VAULT, shown))
            for purpose in ("ungranted", "unasked", "vault2"):
                name = KeyName(purpose)
                for asked in (
                    one.sign(name, shown),
                    one.sign_message(name, "tag", b""),
                    one.adaptor_sign(name, shown, POINT),
                    one.musig_nonce(name),
                ):
                    await refused("CapabilityMissing", f"--grant one=sign:{purpose}", asked)
            await refused("NodeStarting", "channel_key yet", one.channel_key("00" * 32, "funding", 0))

    asyncio.run(main())


def test_an_adaptor_signature_of_one_plugin_is_completed_by_another(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path, **GRANTS) as host:
            host.desk.signer = KeySigner(keys_from(1))
            seller, buyer = await signing(host), await joined(host, "buyer")
            shown = by_key_path(await seller.derive_public_key(VAULT))
            script = shown.spent[0][1]
            pre_signature = await seller.adaptor_sign(VAULT, shown, POINT)
            assert await buyer.adaptor_verify(shown, POINT, pre_signature)
            assert not await buyer.adaptor_verify(shown, public_key(b"\x45" * 32), pre_signature)
            signature = await buyer.adaptor_complete(shown, HIDDEN, pre_signature)
            assert spends(script, (signature,))
            assert await seller.adaptor_secret(POINT, pre_signature, signature) == HIDDEN
            await refused(
                "WrongAdaptor", "does not complete", buyer.adaptor_complete(shown, b"\x45" * 32, pre_signature)
            )

            own, internal = x_only(await seller.derive_public_key(VAULT)), x_only(POINT)
            leaf_script = push(own) + b"\xac"
            leaf = leaf_hash(leaf_script)
            control = bytes((0xC0 | output_key(internal, leaf)[0] & 1,)) + internal
            spent = leaf_script_pubkey(leaf, control)
            shown = replace(shown, spent=((2_000, spent),), path=LeafPath(leaf_script, control))
            pre_signature = await seller.adaptor_sign(VAULT, shown, POINT)
            assert await buyer.adaptor_verify(shown, POINT, pre_signature, own)
            signature = await buyer.adaptor_complete(shown, HIDDEN, pre_signature, own)
            assert spends(spent, (signature, leaf_script, control))

    asyncio.run(main())


def test_an_ecdsa_adaptor_signature_is_completed_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path, **GRANTS) as host:
            host.desk.signer = KeySigner(keys_from(1))
            seller, buyer = await signing(host), await joined(host, "buyer")
            key = await seller.derive_public_key(VAULT)
            script = push(key) + b"\xac"
            shown = Spending(TX, ((2_000, pay_to_script(script)),), 0, WitnessScript(script))
            pre_signature = await seller.adaptor_sign(VAULT, shown, POINT)
            assert len(pre_signature) == 162 and await buyer.adaptor_verify(shown, POINT, pre_signature, key)
            assert not await buyer.adaptor_verify(shown, POINT, pre_signature, POINT)
            signature = await buyer.adaptor_complete(shown, HIDDEN, pre_signature, key)
            assert spends(shown.spent[0][1], (signature, script))
            assert await seller.adaptor_secret(POINT, pre_signature, signature) == HIDDEN
            await refused("InvalidSignature", "DER", seller.adaptor_secret(POINT, pre_signature, b""))
            wrong = buyer.adaptor_complete(shown, b"\x45" * 32, pre_signature, key)
            await refused("WrongAdaptor", "does not complete", wrong)

    asyncio.run(main())


async def two(one: Node, other: Node) -> tuple[tuple[PublicNonce, PublicNonce], Together]:
    """Both plugins' nonces, and the output of both that they spend."""
    keys = (await one.derive_public_key(VAULT), await other.derive_public_key(VAULT))
    nonces = (await one.musig_nonce(VAULT), await other.musig_nonce(VAULT))
    return nonces, Together(keys, (nonces[0].nonce, nonces[1].nonce), by_key_path(Group(keys).key))


def test_two_plugins_sign_together_and_each_nonce_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path, **GRANTS) as host:
            host.desk.signer = KeySigner(keys_from(1))
            one, other = await signing(host), await signing(host, "other")
            nonces, together = await two(one, other)
            assert host.desk.store is not None
            rows = await host.desk.store.read(lambda read: read.signer_states())
            assert sorted(nonce.nonce in rows[place][1] for place, nonce in enumerate(nonces)) == [True, True]
            parts = (
                await one.musig_partial(nonces[0].session, together),
                await other.musig_partial(nonces[1].session, together),
            )
            signature = await one.musig_combine(together, parts)
            assert spends(together.spending.spent[0][1], (signature,))
            assert parts[0] == await one.musig_partial(nonces[0].session, together)
            changed = replace(together, adaptor=POINT)
            await refused("SignerRefused", "nonce_used", one.musig_partial(nonces[0].session, changed))
            await refused("InvalidPartialSignature", "The part 1", one.musig_combine(together, (parts[0], parts[0])))
            await refused("InvalidPartialSignature", "as many parts", one.musig_combine(together, parts[:1]))

    asyncio.run(main())


def test_a_message_is_the_plugins_own(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path, **GRANTS) as host:
            host.desk.signer = KeySigner(keys_from(1))
            one = await signing(host)
            signature = await one.sign_message(VAULT, "weather", b"rain")
            assert len(signature) == 64
            assert not verify_schnorr(x_only(await one.derive_public_key(VAULT)), bytes(32), signature)

    asyncio.run(main())
