"""What is the output that commitments spend, and how does a commitment hide its number? (BOLT 3)"""

from functools import lru_cache
from hashlib import sha256
from typing import Final

from lnpd_sdk.script import BytesSlot, FundingScript, InternalKey, Miniscript, SignatureSlot, SpendPath

from lnpd.errors import NotThisCommitment, ScriptRefused
from lnpd.tx.fees import witness_weight
from lnpd.tx.graph import Funding
from lnpd.tx.miniscript import compile_expression
from lnpd.tx.names import Names
from lnpd.tx.script import Compiled, compile_tree, pay_to_script, push
from lnpd.tx.taproot import internal_point
from lnpd.tx.transaction import Tx, TxOut

FUNDING_KEYS: Final = ("opener_funding", "acceptor_funding")  # by party, as a type's funding script names them
MAX_NUMBER: Final = (1 << 48) - 1


@lru_cache(maxsize=1024)
def compile_funding(script: FundingScript | None, funding_keys: tuple[bytes, bytes]) -> Compiled:
    """What a channel's type pays its funding to, in bytes; None is the 2-of-2, the lesser key first ("Funding
    Transaction Output"). Raises ScriptRefused.
    """
    if any(len(key) != 33 for key in funding_keys):
        raise ScriptRefused("A funding key is a compressed point of 33 bytes.")
    if script is None:
        return _two_of_two(funding_keys)
    names = Names(tuple(zip(FUNDING_KEYS, funding_keys, strict=True)), funding_keys)
    if isinstance(script, Miniscript):
        witness_script, paths = compile_expression(script.expression, names)
        return Compiled(pay_to_script(witness_script), witness_script, paths)
    leaves = []
    for leaf in script.leaves:
        if not isinstance(leaf.script, Miniscript):
            raise ScriptRefused("A leaf of a funding output is a miniscript: templates are a commitment's.")
        leaves.append(compile_expression(leaf.script.expression, names, taproot=True))
    return compile_tree(script, internal_point(script.internal_key, names), leaves)


def _two_of_two(funding_keys: tuple[bytes, bytes]) -> Compiled:
    named = sorted(zip(funding_keys, FUNDING_KEYS, strict=True))
    script = b"\x52" + b"".join(push(key) for key, _ in named) + b"\x52\xae"
    path = SpendPath("+".join(FUNDING_KEYS), (BytesSlot(b""), *(SignatureSlot(name) for _, name in named)))
    return Compiled(pay_to_script(script), script, (path,))


def is_joint(path: SpendPath) -> bool:
    """Whether a way to spend a funding needs both parties, and nothing else."""
    both = set(path.keys) == set(FUNDING_KEYS) or path.keys == (InternalKey.MUSIG2_FUNDING,)
    return both and not (path.late or path.older or path.after)


def joint_path(compiled: Compiled) -> SpendPath:
    """The way that commitments and mutual closes take. Raises ScriptRefused if there is none."""
    for path in compiled.paths:
        if is_joint(path):
            return path
    raise ScriptRefused("A funding has a way to be spent by both parties at once, which needs nothing else.")


def compiled_of(funding: Funding) -> Compiled:
    """A funding's script, compiled again. Raises ScriptRefused."""
    return compile_funding(funding.script, funding.funding_keys)


def funding_script_pubkey(funding_keys: tuple[bytes, bytes], script: FundingScript | None = None) -> bytes:
    """The scriptPubKey that a funding transaction pays. Raises ScriptRefused."""
    return compile_funding(script, funding_keys).script_pubkey


def make_funding(
    txid: bytes,
    vout: int,
    capacity_sat: int,
    funding_keys: tuple[bytes, bytes],
    script: FundingScript | None = None,
) -> Funding:
    """The funding of a channel; `txid` in internal byte order, keys by party. Raises ScriptRefused."""
    witness_script = compile_funding(script, funding_keys).witness_script
    return Funding(txid, vout, capacity_sat, funding_keys, witness_script, script)


def funding_output(funding: Funding) -> TxOut:
    """The output that commitments and mutual closes spend."""
    return TxOut(funding.capacity_sat, compiled_of(funding).script_pubkey)


def spending_weight(funding: Funding) -> int:
    """The most that the witness of a commitment or a mutual close weighs."""
    compiled = compiled_of(funding)
    return witness_weight(joint_path(compiled), compiled.witness_script)


@lru_cache(maxsize=64)
def obscuring_factor(payment_basepoints: tuple[bytes, bytes]) -> int:
    """48 bits of SHA256 over the opener's and the acceptor's payment_basepoint ("Commitment Transaction")."""
    return int.from_bytes(sha256(b"".join(payment_basepoints)).digest()[-6:], "big")


def locktime_and_sequence(number: int, payment_basepoints: tuple[bytes, bytes]) -> tuple[int, int]:
    """The locktime and the input's sequence that carry the obscured commitment number."""
    if not 0 <= number <= MAX_NUMBER:
        raise NotThisCommitment(f"A commitment number is 0 to 2^48-1, not {number}.")
    obscured = number ^ obscuring_factor(payment_basepoints)
    return 0x20 << 24 | obscured & 0xFFFFFF, 0x80 << 24 | obscured >> 24


def commitment_number(tx: Tx, payment_basepoints: tuple[bytes, bytes]) -> int:
    """The number that a commitment transaction carries; raises NotThisCommitment if it is of another shape."""
    if len(tx.inputs) != 1 or tx.locktime >> 24 != 0x20 or tx.inputs[0].sequence >> 24 != 0x80:
        raise NotThisCommitment("This transaction is not a commitment.")
    obscured = (tx.inputs[0].sequence & 0xFFFFFF) << 24 | tx.locktime & 0xFFFFFF
    return obscured ^ obscuring_factor(payment_basepoints)
