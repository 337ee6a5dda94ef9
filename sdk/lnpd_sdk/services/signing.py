"""What does a plugin ask the node's signer to sign, with which key?

A plugin has keys of its own, as many as it likes, and never sees their secrets: it names one. What is signed is shown
whole, with all that it spends; the signer computes the digest itself, and a bare hash is never signed. No such key is
one of a channel, of the wallet or of the node.
"""

import msgspec

SIGHASH_DEFAULT = 0x00
SIGHASH_ALL = 0x01
SIGHASH_SINGLE_ANYONECANPAY = 0x83


class KeyName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key of the plugin's own namespace: two names that differ anywhere are two keys.

    `purpose` is 1 to 64 letters a to z, digits, hyphens and dots; signing with the key needs `sign:<purpose>` granted.
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
