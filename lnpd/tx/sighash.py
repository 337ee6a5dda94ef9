"""What does a signature of a taproot input commit to? (BIP 341, BIP 342)

A key path signs the whole of what it spends; a script path its leaf too. Segwit version 0 is in transaction.py.
"""

import struct
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from lnpd.crypto.schnorr import output_key, tagged_hash
from lnpd.errors import CryptoError, WrongSpent
from lnpd.tx.transaction import SIGHASH_ALL, SIGHASH_ANYONECANPAY, SIGHASH_SINGLE, Tx, TxOut, with_length

SIGHASH_DEFAULT: Final = 0x00
TAPSCRIPT: Final = 0xC0
MAX_DEPTH: Final = 128
TAPROOT_PREFIX: Final = b"\x51\x20"

_NO_CODE_SEPARATOR: Final = b"\xff\xff\xff\xff"
_OUTPUT_FLAGS: Final = 0x03
_KNOWN: Final = (0, 1, 2, 3, 0x81, 0x82, 0x83)


def leaf_hash(script: bytes, version: int = TAPSCRIPT) -> bytes:
    """The hash of a leaf of a script tree."""
    return tagged_hash("TapLeaf", bytes((version,)), with_length(script))


def leaf_script_pubkey(leaf: bytes, control_block: bytes) -> bytes:
    """The scriptPubKey in whose tree this leaf is, by its control block. Raises WrongSpent for a malformed one."""
    key, path = control_block[1:33], control_block[33:]
    if len(key) != 32 or len(path) % 32 or len(path) > 32 * MAX_DEPTH:
        raise WrongSpent("A control block has 33 bytes and up to 128 hashes of 32.")
    node = leaf
    for start in range(0, len(path), 32):
        node = tagged_hash("TapBranch", *sorted((node, path[start : start + 32])))
    try:
        return TAPROOT_PREFIX + output_key(key, node)[1:]
    except CryptoError as error:
        raise WrongSpent(f"A control block has no good internal key: {error}") from None


def taproot_sighash(
    tx: Tx, index: int, spent: Sequence[TxOut], flags: int = SIGHASH_DEFAULT, leaf: bytes = b""
) -> bytes:
    """The digest that a signature of input `index` commits to. `spent` are the outputs that all inputs spend.

    `leaf` is the hash of the leaf of a script path, empty for the key path. Raises WrongSpent: too many or few outputs,
    unknown flags, or SINGLE without its output.
    """
    _check(tx, index, spent, flags)
    anyone, output_kind = bool(flags & SIGHASH_ANYONECANPAY), flags & _OUTPUT_FLAGS
    parts = [bytes((0, flags)), struct.pack("<iI", tx.version, tx.locktime)]
    if not anyone:
        parts += [
            sha256(b"".join(each.outpoint for each in tx.inputs)).digest(),
            sha256(b"".join(struct.pack("<q", each.value_sat) for each in spent)).digest(),
            sha256(b"".join(with_length(each.script_pubkey) for each in spent)).digest(),
            sha256(b"".join(struct.pack("<I", each.sequence) for each in tx.inputs)).digest(),
        ]
    if output_kind in (SIGHASH_DEFAULT, SIGHASH_ALL):
        parts.append(sha256(b"".join(each.serialise() for each in tx.outputs)).digest())
    parts.append(bytes((2 if leaf else 0,)))
    if anyone:
        this = tx.inputs[index]
        parts += [this.outpoint, spent[index].serialise(), struct.pack("<I", this.sequence)]
    else:
        parts.append(struct.pack("<I", index))
    if output_kind == SIGHASH_SINGLE:
        parts.append(sha256(tx.outputs[index].serialise()).digest())
    if leaf:
        parts += [leaf, b"\0", _NO_CODE_SEPARATOR]
    return tagged_hash("TapSighash", *parts)


def _check(tx: Tx, index: int, spent: Sequence[TxOut], flags: int) -> None:
    if not 0 <= index < len(tx.inputs) or len(spent) != len(tx.inputs):
        raise WrongSpent(f"Input {index} of {len(tx.inputs)} cannot be signed with {len(spent)} spent outputs.")
    if flags not in _KNOWN:
        raise WrongSpent(f"A taproot signature has no sighash of {flags:#x}.")
    if flags & _OUTPUT_FLAGS == SIGHASH_SINGLE and index >= len(tx.outputs):
        raise WrongSpent(f"Input {index} has no output beside it, to which SINGLE could commit.")
