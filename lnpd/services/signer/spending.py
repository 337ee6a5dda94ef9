"""What would a plugin's signature commit to, and is the output that it spends of the path that was shown?

The digest is computed here, from the whole transaction. A script has to contain the key that signs: a signature that
cannot serve is an author's mistake, better told than made.
"""

from typing import Final

import msgspec
from lnpd_sdk.services.signing import (
    SIGHASH_ALL,
    SIGHASH_DEFAULT,
    SIGHASH_SINGLE_ANYONECANPAY,
    KeyPath,
    LeafPath,
    Spending,
    WitnessScript,
)

from lnpd.errors import TransactionUnreadable, WrongSpent
from lnpd.services.signer.refusals import Rule, encodable, refuse
from lnpd.tx.script import hash160, pay_to_key, pay_to_script, script_code
from lnpd.tx.sighash import TAPROOT_PREFIX, leaf_hash, leaf_script_pubkey, taproot_sighash
from lnpd.tx.transaction import Tx, TxOut, parse

MAX_TRANSACTION_BYTES: Final = 400_000
MAX_SCRIPT_BYTES: Final = 10_000
MOST_SAT: Final = 21 * 10**14


class Shown(msgspec.Struct, frozen=True):
    """A spending that was read. `merkle_root` is of a key path, None for all others."""

    digest: bytes
    suffix: bytes
    spent: TxOut
    script: bytes = b""
    merkle_root: bytes | None = None
    is_taproot: bool = False

    def names(self, key: bytes) -> None:
        """Raises SignerRefused unless the script that is run contains this key."""
        if key not in self.script:
            refuse(Rule.NOT_THIS_PATH, f"the script does not contain the key {key.hex()}, which would sign.")

    def pays(self, key: bytes) -> None:
        """Raises SignerRefused unless the output that is spent is this x-only key's."""
        if self.spent.script_pubkey != TAPROOT_PREFIX + key:
            refuse(Rule.NOT_THIS_PATH, f"the spent output is not {(TAPROOT_PREFIX + key).hex()}, as the key makes it.")


def read(spending: Spending) -> Shown:
    """What is to be signed. Raises SignerRefused."""
    if len(spending.transaction) > MAX_TRANSACTION_BYTES:
        refuse(Rule.SPENDING_MALFORMED, f"a transaction has at most {MAX_TRANSACTION_BYTES} bytes.")
    try:
        tx = parse(spending.transaction)
    except TransactionUnreadable as error:
        refuse(Rule.SPENDING_MALFORMED, str(error))
    spent = tuple(TxOut(value_sat, script) for value_sat, script in spending.spent)
    if len(spent) != len(tx.inputs) or not 0 <= spending.index < len(spent):
        refuse(Rule.SPENDING_MALFORMED, f"{len(tx.inputs)} inputs, {len(spent)} spent outputs, input {spending.index}.")
    if not all(0 <= each.value_sat <= MOST_SAT and len(each.script_pubkey) <= MAX_SCRIPT_BYTES for each in spent):
        refuse(Rule.SPENDING_MALFORMED, "a spent output has an impossible amount or script.")
    with encodable():
        return (_taproot if isinstance(spending.path, KeyPath | LeafPath) else _segwit)(tx, spent, spending)


def wants_taproot(shown: Shown) -> Shown:
    """The same. Raises SignerRefused for what ECDSA would sign."""
    if not shown.is_taproot:
        refuse(Rule.NOT_THIS_PATH, "this takes a BIP 340 signature: the path has to be KeyPath or LeafPath.")
    return shown


def wants_key(shown: Shown, key: bytes) -> None:
    """Raises SignerRefused unless this point signs for the output: it is hashed there, or in the script."""
    if shown.spent.script_pubkey == pay_to_key(key):
        return
    if key not in shown.script and hash160(key) not in shown.script:
        refuse(Rule.NOT_THIS_PATH, f"the spent output has no place for a signature of {key.hex()}.")


def _segwit(tx: Tx, spent: tuple[TxOut, ...], spending: Spending) -> Shown:
    this, flags = spent[spending.index], spending.sighash
    _check_sighash(flags, (SIGHASH_ALL, SIGHASH_SINGLE_ANYONECANPAY), tx, spending.index)
    script = spending.path.script if isinstance(spending.path, WitnessScript) else b""
    if isinstance(spending.path, WitnessScript):
        fits = this.script_pubkey == pay_to_script(script)
    else:
        fits = len(this.script_pubkey) == 22 and this.script_pubkey.startswith(b"\0\x14")
    if not fits:
        refuse(Rule.NOT_THIS_PATH, f"the spent output {this.script_pubkey.hex()} is not of the path that is shown.")
    digest = tx.sighash(spending.index, script_code(this.script_pubkey, script), this.value_sat, flags)
    return Shown(digest, bytes((flags,)), this, script)


def _taproot(tx: Tx, spent: tuple[TxOut, ...], spending: Spending) -> Shown:
    this, flags, path = spent[spending.index], spending.sighash, spending.path
    _check_sighash(flags, (SIGHASH_DEFAULT, SIGHASH_ALL, SIGHASH_SINGLE_ANYONECANPAY), tx, spending.index)
    leaf, script, root = b"", b"", None
    try:
        if isinstance(path, LeafPath):
            script, version = path.script, path.control_block[0] & 0xFE if path.control_block else 0
            leaf = leaf_hash(script, version)
            if this.script_pubkey != leaf_script_pubkey(leaf, path.control_block):
                refuse(Rule.NOT_THIS_PATH, "the control block does not lead from the leaf to the spent output.")
        elif isinstance(path, KeyPath):
            root = path.merkle_root
            if len(root) not in (0, 32):
                refuse(Rule.SPENDING_MALFORMED, f"a merkle root has 32 bytes or none, not {len(root)}.")
        digest = taproot_sighash(tx, spending.index, spent, flags, leaf)
    except WrongSpent as error:
        refuse(Rule.SPENDING_MALFORMED, str(error))
    return Shown(digest, bytes((flags,)) if flags else b"", this, script, root, is_taproot=True)


def _check_sighash(flags: int, allowed: tuple[int, ...], tx: Tx, index: int) -> None:
    if flags not in allowed:
        refuse(Rule.SIGHASH_NOT_ALLOWED, f"the sighash {flags:#x} is none of {', '.join(f'{n:#x}' for n in allowed)}.")
    if flags == SIGHASH_SINGLE_ANYONECANPAY and index >= len(tx.outputs):
        refuse(Rule.SIGHASH_NOT_ALLOWED, f"input {index} has no output beside it, to which SINGLE could commit.")
