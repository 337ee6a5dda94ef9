"""How does the signer see a transaction of the wallet, and how does it come back signed? (BIP 174, through embit)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from embit.psbt import PSBT
from embit.script import Script
from embit.transaction import Transaction, TransactionOutput

from lnpd.crypto.secp import from_der, verify
from lnpd.errors import CryptoError, PsbtUnfit, TransactionUnreadable, WalletSignatureMissing
from lnpd.services.onchain import WalletCoin
from lnpd.services.wallet.scripts import WalletScripts
from lnpd.tx.script import pay_to_key, script_code
from lnpd.tx.transaction import SIGHASH_ALL, Tx, TxIn, TxOut, parse

MAX_PSBT_BYTES: Final = 256 * 1024
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


def from_psbt(data: bytes, tx: Tx, coins: Sequence[WalletCoin], places: Sequence[int] = ()) -> Tx:
    """`tx` with the signer's witnesses, each of them verified: a channel's money will depend on its id and validity.

    `places` are the inputs of the coins, all of them if it is empty. Raises WalletSignatureMissing.
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
    for index, coin in zip(places or range(len(coins)), coins, strict=True):
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


# A PSBT of somebody else's


def read_psbt(data: bytes) -> tuple[Tx, tuple[TxOut, ...]]:
    """The unsigned transaction of a PSBT of version 0, and what each input is said to spend. Raises PsbtUnfit."""
    psbt = _parsed(data)
    spent = []
    for index, scope in enumerate(psbt.inputs):
        try:
            shown = scope.witness_utxo or scope.non_witness_utxo.vout[scope.vout]
            spent.append(TxOut(int(shown.value), bytes(shown.script_pubkey.data)))
        except (AttributeError, IndexError, TypeError):
            raise PsbtUnfit(f"Input {index} of the PSBT does not say what it spends.") from None
    try:
        return parse(bytes(psbt.tx.serialize())), tuple(spent)
    except TransactionUnreadable as error:
        raise PsbtUnfit(f"The PSBT has no good transaction: {error}") from None


def read_witnesses(data: bytes) -> dict[int, tuple[bytes, ...]]:
    """The final witnesses that a PSBT holds, by input. Raises PsbtUnfit."""
    found = {}
    for index, scope in enumerate(_parsed(data).inputs):
        if scope.final_scriptwitness is not None:
            found[index] = tuple(bytes(item) for item in scope.final_scriptwitness.items)
    return found


def _parsed(data: bytes) -> Any:  # Any: embit has no types
    try:
        if len(data) > MAX_PSBT_BYTES:
            raise ValueError("it is too long")
        psbt: Any = PSBT.parse(data)
        # embit turns a sequence of 0 into the final one; what is signed must be what was asked for.
        if not psbt.inputs or bytes(psbt.tx.serialize()) not in data:
            raise ValueError("its transaction is odd")
        return psbt
    except Exception as error:  # embit raises errors of many kinds for bad input
        raise PsbtUnfit(f"This is no PSBT of version 0 that can be read: {type(error).__name__}.") from None
