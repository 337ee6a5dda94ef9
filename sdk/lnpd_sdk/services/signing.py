"""What does a plugin ask the node's signer to sign, with which key?

A plugin has keys of its own, as many as it likes, and never sees their secrets: it names one. What is signed is shown
whole, with all that it spends; the signer computes the digest itself, and a bare hash is never signed. No such key is
one of a channel, of the wallet or of the node.
"""

from typing import Literal

import msgspec

from lnpd_sdk.services.base import Asks

SIGHASH_DEFAULT = 0x00
SIGHASH_ALL = 0x01
SIGHASH_SINGLE_ANYONECANPAY = 0x83


class KeyName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key of the plugin's own namespace: two names that differ anywhere are two keys.

    `purpose` is 1 to 64 letters a to z, digits, hyphens and underscores; signing with the key needs `sign:<purpose>`.
    `index` is 0 to 2^31 - 1. `channel_id` is 32 bytes where the key belongs to a channel, else empty.
    """

    purpose: str
    index: int = 0
    channel_id: bytes = b""


class WitnessKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="witness_key"):
    """The spent output is P2WPKH of the key (BIP 143)."""


class WitnessScript(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="witness_script"):
    """The spent output is P2WSH of this script (BIP 143)."""

    script: bytes


class KeyPath(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="key_path"):
    """The spent output is taproot, the key its internal one; `merkle_root` is 32 bytes, or empty without scripts."""

    merkle_root: bytes = b""


class LeafPath(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="leaf_path"):
    """The spent output is taproot with this script in a leaf, where the control block says (BIP 341)."""

    script: bytes
    control_block: bytes


Path = WitnessKey | WitnessScript | KeyPath | LeafPath


class Spending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input that is to be signed.

    `transaction` is the whole of it, serialised; `spent` is (satoshi, scriptPubKey) of what each input spends, in
    their order. `sighash` is SIGHASH_ALL, SIGHASH_SINGLE_ANYONECANPAY, or for taproot SIGHASH_DEFAULT.
    """

    transaction: bytes
    spent: tuple[tuple[int, bytes], ...]
    index: int
    path: Path
    sighash: int = SIGHASH_ALL


class PublicNonce(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A nonce for one MuSig2 signature: 66 bytes for the other signers, and the number by which the plugin names it."""

    session: int
    nonce: bytes


class Together(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What several keys sign together (BIP 327).

    `keys` are all signers' points and `nonces` their public nonces, in one order. `spending` is by KeyPath, with the
    keys' sum as the internal key, or by LeafPath, with the sum in the leaf. With `adaptor`, a point, the signature will
    lack that point's secret.
    """

    keys: tuple[bytes, ...]
    nonces: tuple[bytes, ...]
    spending: Spending
    adaptor: bytes = b""


Role = Literal["funding", "revocation", "payment", "delayed_payment", "htlc"]


class ChannelKey(msgspec.Struct, frozen=True):
    """What `channel_key` takes."""

    channel_id: str
    role: Role
    party: int


class Sign(msgspec.Struct, frozen=True):
    """What `sign` takes."""

    key: KeyName
    spending: Spending


class SignMessage(msgspec.Struct, frozen=True):
    """What `sign_message` takes."""

    key: KeyName
    tag: str
    message: bytes


class AdaptorSign(msgspec.Struct, frozen=True):
    """What `adaptor_sign` takes."""

    key: KeyName
    spending: Spending
    point: bytes


class AdaptorCheck(msgspec.Struct, frozen=True):
    """What `adaptor_verify` takes."""

    spending: Spending
    point: bytes
    pre_signature: bytes
    key: bytes = b""


class AdaptorComplete(msgspec.Struct, frozen=True):
    """What `adaptor_complete` takes."""

    spending: Spending
    secret: bytes
    pre_signature: bytes
    key: bytes = b""


class AdaptorSecret(msgspec.Struct, frozen=True):
    """What `adaptor_secret` takes."""

    point: bytes
    pre_signature: bytes
    signature: bytes


class MusigPartial(msgspec.Struct, frozen=True):
    """What `musig_partial` takes."""

    session: int
    together: Together


class MusigCombine(msgspec.Struct, frozen=True):
    """What `musig_combine` takes."""

    together: Together
    parts: tuple[bytes, ...]


class SigningAsks(Asks):
    """`Node`'s methods for keys and signatures."""

    async def derive_public_key(self, key: KeyName) -> bytes:
        """The public key of this name, 33 bytes: the same whenever it is asked for, also by a node that was restored
        from its seed. No other plugin has it."""
        point: bytes = await self._ask("derive_public_key", key, bytes)
        return point

    async def channel_key(self, channel_id: str, role: Role, party: int) -> bytes:
        """A party's public key of a channel that pins one of the plugin's providers: 33 bytes, the funding key or a
        basepoint (BOLT 3). `party` is 0 for the opener, 1 for the acceptor. Nothing is ever signed with it here."""
        point: bytes = await self._ask("channel_key", ChannelKey(channel_id, role, party), bytes)
        return point

    async def sign(self, key: KeyName, spending: Spending) -> bytes:
        """The signature of an input, as its witness carries it (sighash byte included).

        DER for WitnessKey and WitnessScript, BIP 340 for KeyPath and LeafPath. Needs `sign:<purpose>` of the key's
        purpose. SignerRefused names what does not fit: the spent output has to be of the path, and name the key.
        """
        signature: bytes = await self._ask("sign", Sign(key, spending), bytes)
        return signature

    async def sign_message(self, key: KeyName, tag: str, message: bytes) -> bytes:
        """The BIP 340 signature of a message, 64 bytes: of its hash with the tag `lnpd/plugin/NAME/TAG`, NAME the
        plugin's, which is no transaction's hash. `tag` is 1 to 64 characters (a to z, digits, / . _ -), the message at
        most 64 KiB. Needs `sign:<purpose>`."""
        signature: bytes = await self._ask("sign_message", SignMessage(key, tag, message), bytes)
        return signature

    async def adaptor_sign(self, key: KeyName, spending: Spending, point: bytes) -> bytes:
        """The pre-signature of an input that the secret of `point` completes. Needs `sign:<purpose>`.

        64 bytes for taproot; 162 for segwit version 0, as the DLC specifications have them (ECDSA).
        """
        pre_signature: bytes = await self._ask("adaptor_sign", AdaptorSign(key, spending, point), bytes)
        return pre_signature

    async def adaptor_verify(self, spending: Spending, point: bytes, pre_signature: bytes, key: bytes = b"") -> bool:
        """Whether the secret of `point` completes a pre-signature, one key's or a group's, of this input.

        `key` is who signs: an x-only key in a leaf, a point for segwit version 0; a key path has that of its output.
        """
        is_good: bool = await self._ask("adaptor_verify", AdaptorCheck(spending, point, pre_signature, key), bool)
        return is_good

    async def adaptor_complete(
        self, spending: Spending, secret: bytes, pre_signature: bytes, key: bytes = b""
    ) -> bytes:
        """The signature as its witness carries it, once the adaptor's secret is known. WrongAdaptor if it is not
        this one."""
        wanted = AdaptorComplete(spending, secret, pre_signature, key)
        signature: bytes = await self._ask("adaptor_complete", wanted, bytes)
        return signature

    async def adaptor_secret(self, point: bytes, pre_signature: bytes, signature: bytes) -> bytes:
        """The secret of `point`, from a pre-signature and the signature that somebody made of it (WrongAdaptor)."""
        secret: bytes = await self._ask("adaptor_secret", AdaptorSecret(point, pre_signature, signature), bytes)
        return secret

    async def musig_nonce(self, key: KeyName) -> PublicNonce:
        """A fresh nonce of a key for one MuSig2 signature. Needs `sign:<purpose>`.

        Its secret half lives in the signer's memory: after a restart of the node it counts as used. The newest 1,024
        of a plugin are known.
        """
        nonce: PublicNonce = await self._ask("musig_nonce", key, PublicNonce)
        return nonce

    async def musig_partial(self, session: int, together: Together) -> bytes:
        """Our part of what several keys sign, 32 bytes. The session's nonce is used from now on, durably: the same
        again is answered the same until the node ends, everything else is refused (SignerRefused, `nonce_used`)."""
        part: bytes = await self._ask("musig_partial", MusigPartial(session, together), bytes)
        return part

    async def musig_combine(self, together: Together, parts: tuple[bytes, ...]) -> bytes:
        """The signature as its witness carries it, of a part for each key, in their order; with an adaptor the
        pre-signature, 64 bytes. InvalidPartialSignature names the first part that is wrong."""
        signature: bytes = await self._ask("musig_combine", MusigCombine(together, parts), bytes)
        return signature
