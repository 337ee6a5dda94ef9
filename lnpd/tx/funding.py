"""What is the output that commitments spend, and how does a commitment hide its number? (BOLT 3)"""

from functools import lru_cache
from hashlib import sha256
from typing import Final

from lnpd.errors import NotThisCommitment, ScriptRefused
from lnpd.tx.graph import Funding
from lnpd.tx.script import pay_to_script, push
from lnpd.tx.transaction import Tx

MAX_NUMBER: Final = (1 << 48) - 1


def funding_script(funding_keys: tuple[bytes, bytes]) -> bytes:
    """The 2-of-2 witness script, the lesser key first ("Funding Transaction Output")."""
    if any(len(key) != 33 for key in funding_keys):
        raise ScriptRefused("A funding key is a compressed point of 33 bytes.")
    first, second = sorted(funding_keys)
    return b"\x52" + push(first) + push(second) + b"\x52\xae"


def funding_script_pubkey(funding_keys: tuple[bytes, bytes]) -> bytes:
    """The scriptPubKey that a funding transaction pays."""
    return pay_to_script(funding_script(funding_keys))


def make_funding(txid: bytes, vout: int, capacity_sat: int, funding_keys: tuple[bytes, bytes]) -> Funding:
    """The funding of a channel; `txid` in internal byte order, keys by party."""
    return Funding(txid, vout, capacity_sat, funding_keys, funding_script(funding_keys))


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
