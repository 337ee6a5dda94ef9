"""How does the signer see a transaction of the wallet, and how does it come back signed? (BIP 174, through embit)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from embit.psbt import PSBT
from embit.script import Script
from embit.transaction import Transaction, TransactionOutput

from lnpd.crypto.secp import from_der, verify
from lnpd.errors import CryptoError, WalletSignatureMissing
from lnpd.services.onchain import WalletCoin
from lnpd.services.wallet.scripts import WalletScripts
from lnpd.tx.script import pay_to_key, script_code
from lnpd.tx.transaction import SIGHASH_ALL, Tx, TxIn, TxOut

REPLACEABLE: Final = 0xFFFFFFFD


def unsigned(coins: Sequence[WalletCoin], outputs: Sequence[TxOut]) -> Tx:
    """A transaction that spends these coins."""
    return Tx(tuple(TxIn(coin.txid, coin.vout, REPLACEABLE) for coin in coins), tuple(outputs))


def to_psbt(tx: Tx, coins: Sequence[WalletCoin], scripts: WalletScripts, others: Sequence[TxOut] = ()) -> bytes:
    """The PSBT of an unsigned transaction: what each input spends, and which keys are ours, change included.

    `others` are what the first inputs spend, which are not the wallet's.
    """
    psbt: Any = PSBT(Transaction.parse(tx.serialise()))  # Any: embit has no types
    for scope, output in zip(psbt.inputs[: len(others)], others, strict=True):
        scope.witness_utxo = TransactionOutput(output.value_sat, Script(output.script_pubkey))
    for scope, coin in zip(psbt.inputs[len(others) :], coins, strict=True):
        scope.witness_utxo = TransactionOutput(coin.value_sat, Script(coin.script_pubkey))
        key, origin = scripts.origin((coin.branch, coin.number))
        scope.bip32_derivations[key] = origin
    for scope, output in zip(psbt.outputs, tx.outputs, strict=True):
        if (path := scripts.path(output.script_pubkey)) is not None:
            key, origin = scripts.origin(path)
            scope.bip32_derivations[key] = origin
    return bytes(psbt.serialize())


def from_psbt(data: bytes, tx: Tx, coins: Sequence[WalletCoin], others: int = 0) -> Tx:
    """`tx` with the signer's witnesses, each of them verified: a channel's money will depend on its id and validity.

    The first `others` inputs are not the wallet's. Raises WalletSignatureMissing.
    """
    try:
        psbt: Any = PSBT.parse(data)
        signatures = [
            [(bytes(key.sec()), bytes(signature)) for key, signature in scope.partial_sigs.items()]
            for scope in psbt.inputs
        ]
        is_same = bytes(psbt.tx.serialize()) == tx.serialise()
    except Exception as error:  # embit raises errors of many kinds for bad input
        raise WalletSignatureMissing(f"The signer's answer is no PSBT: {type(error).__name__}.") from None
    if not is_same:
        raise WalletSignatureMissing("The signer changed the transaction.")
    signed = tx
    for index, coin in enumerate(coins, others):
        witness = next((pair for pair in signatures[index] if _is_valid(tx, index, coin, *pair)), None)
        if witness is None:
            raise WalletSignatureMissing(f"The signer did not sign input {index}, {coin.txid[::-1].hex()}:{coin.vout}.")
        signed = signed.with_witness(index, (witness[1], witness[0]))
    return signed


def _is_valid(tx: Tx, index: int, coin: WalletCoin, key: bytes, signature: bytes) -> bool:
    if pay_to_key(key) != coin.script_pubkey or signature[-1:] != bytes((SIGHASH_ALL,)):
        return False
    digest = tx.sighash(index, script_code(coin.script_pubkey, b""), coin.value_sat)
    try:
        return verify(key, digest, from_der(signature[:-1]))
    except CryptoError:
        return False
