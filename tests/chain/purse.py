"""How does a test of the chain get coins and spend them?"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from embit.hashes import hash160
from msgspec.structs import replace

from lnpd.chain import faucet
from lnpd.chain.interface import Outpoint, Output
from lnpd.chain.kernel import KernelChain
from lnpd.chain.policy import Policy
from lnpd.crypto import secp
from lnpd.tx.transaction import SIGHASH_ALL, Tx, TxIn, TxOut, compact_size, with_length

SECRET = b"\x11" * 32
KEY = secp.public_key(SECRET)
OTHER_KEY = secp.public_key(b"\x22" * 32)
KEY_HASH = bytes(hash160(KEY))
P2WPKH = b"\x00\x14" + KEY_HASH
PKH_CODE = b"\x76\xa9\x14" + KEY_HASH + b"\x88\xac"
NO_LOCK = 0xFFFFFFFD
COIN_SAT = 1_000_000


@contextmanager
def opened(
    directory: Path, policy: Policy | None = None, clock: Callable[[], float] | None = None
) -> Iterator[KernelChain]:
    """A chain on which the faucet can pay."""
    chain = KernelChain(directory, policy=policy, **({"clock": clock} if clock else {}))
    try:
        chain.mine(max(0, faucet.FIRST_BLOCKS - chain.height))
        yield chain
    finally:
        chain.close()


def p2wsh(script: bytes) -> bytes:
    """The scriptPubKey of a witness script."""
    return b"\x00\x20" + sha256(script).digest()


def coin(chain: KernelChain, script: bytes = P2WPKH, value_sat: int = COIN_SAT) -> Output:
    """A confirmed coin of our own."""
    found = chain.read.output(faucet.fund(chain, script, value_sat))
    assert found is not None
    return found


def output_of(tx: Tx, index: int = 0) -> Output:
    """An output of an unconfirmed transaction."""
    out = tx.outputs[index]
    return Output(Outpoint(tx.txid, index), out.value_sat, out.script_pubkey, None)


def signature(
    tx: Tx, index: int, code: bytes, value_sat: int, flags: int = SIGHASH_ALL, secret: bytes = SECRET
) -> bytes:
    """A signature as a witness carries it."""
    return secp.to_der(secp.sign(secret, tx.sighash(index, code, value_sat, flags))) + bytes([flags])


def pay(
    *coins: Output,
    fee_sat: int = 1_000,
    to: bytes = P2WPKH,
    outputs: tuple[TxOut, ...] | None = None,
    sequence: int = NO_LOCK,
    locktime: int = 0,
    version: int = 2,
) -> Tx:
    """A signed payment of P2WPKH coins, to one output that takes all but the fee unless `outputs` are given."""
    total = sum(c.value_sat for c in coins)
    inputs = tuple(TxIn(c.outpoint.txid, c.outpoint.index, sequence) for c in coins)
    tx = Tx(inputs, (TxOut(total - fee_sat, to),) if outputs is None else outputs, locktime, version)
    return signed(tx, *coins)


def signed(tx: Tx, *coins: Output) -> Tx:
    """The same with a P2WPKH witness on each input."""
    for index, spent in enumerate(coins):
        tx = tx.with_witness(index, (signature(tx, index, PKH_CODE, spent.value_sat), KEY))
    return tx


def spend_script(spent: Output, witness: Callable[[Tx], tuple[bytes, ...]], **change: object) -> Tx:
    """A payment of one coin with any witness, which is made from the unsigned transaction."""
    tx = Tx((TxIn(spent.outpoint.txid, spent.outpoint.index, NO_LOCK),), (TxOut(spent.value_sat - 2_000, P2WPKH),))
    tx = replace(tx, **change)
    return tx.with_witness(0, witness(tx))


def with_script_sig(tx: Tx, script_sig: bytes) -> bytes:
    """The bytes of a transaction without witness whose inputs have a scriptSig (lnpd itself makes none)."""
    parts = tx.version.to_bytes(4, "little", signed=True), tx.locktime.to_bytes(4, "little")
    inputs = b"".join(i.outpoint + with_length(script_sig) + i.sequence.to_bytes(4, "little") for i in tx.inputs)
    outputs = b"".join(o.serialise() for o in tx.outputs)
    return parts[0] + compact_size(len(tx.inputs)) + inputs + compact_size(len(tx.outputs)) + outputs + parts[1]


def reason(chain: KernelChain, *txs: Tx | bytes) -> str:
    """Why a broadcast is refused; empty if it is not."""
    return chain.broadcast(tuple(tx if isinstance(tx, bytes) else tx.serialise() for tx in txs)).reason


def all_heights(chain: KernelChain) -> Iterator[int]:
    """Every height of the best chain."""
    yield from range(chain.height + 1)
