"""Does the signer sign the wallet's PSBTs, and only those that pay a bounded fee and keep the change?"""

from collections.abc import Callable
from contextlib import suppress

import pytest
from embit import bip32
from embit.psbt import PSBT, DerivationPath
from embit.script import Script
from embit.transaction import Transaction, TransactionInput, TransactionOutput

from lnpd.crypto.hd import BITCOIN_COIN, HARDENED, TEST_COIN
from lnpd.crypto.secp import public_key
from lnpd.errors import SignerRefused
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.refusals import Rule
from lnpd.services.signer.seed import seed_from_entropy, seed_from_words
from lnpd.services.signer.service import KeySigner
from lnpd.services.signer.wallet import WINDOW, WalletKeys
from lnpd.tx.script import pay_to_key
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.services.signer.signers import keys_from, run_now
from tests.tx.kernel import accepts

KEYS = keys_from(1)
STRANGER = b"\0\x14" + bytes(20)


def script(branch: int, number: int) -> bytes:
    return pay_to_key(public_key(KEYS.wallet_secret(branch, number)))


CHANGE = TxOut(39_000, script(1, 2))
COINS = [(60_000, script(0, 0)), (30_000, script(1, 5))]


def psbt_of(
    outputs: tuple[TxOut, ...] = (TxOut(50_000, STRANGER), CHANGE),
    coins: list[tuple[int, bytes]] = COINS,
    change: Callable[[PSBT], None] = lambda _: None,
) -> bytes:
    """A PSBT that spends these coins, each from output 7 of a transaction of its own."""
    inputs = [TransactionInput(bytes([n + 1]) * 32, 7, sequence=0xFFFFFFFD) for n in range(len(coins))]
    paid = [TransactionOutput(each.value_sat, Script(each.script_pubkey)) for each in outputs]
    psbt = PSBT(Transaction(vin=inputs, vout=paid))
    for scope, (value, spent) in zip(psbt.inputs, coins, strict=True):
        scope.witness_utxo = TransactionOutput(value, Script(spent))
    change(psbt)
    return bytes(psbt.serialize())


def finished(data: bytes) -> Tx:
    """The transaction with a P2WPKH witness in each signed input."""
    psbt = PSBT.parse(data)
    tx = Tx(
        tuple(TxIn(bytes(reversed(each.txid)), each.vout, each.sequence) for each in psbt.inputs),
        tuple(TxOut(each.value, bytes(each.script_pubkey.data)) for each in psbt.tx.vout),
    )
    for index, scope in enumerate(psbt.inputs):
        for key, signature in scope.partial_sigs.items():
            tx = tx.with_witness(index, (bytes(signature), bytes(key.sec())))
    return tx


def test_every_coin_of_ours_is_signed_as_the_network_wants_it() -> None:
    tx = finished(run_now(KeySigner(KEYS).sign_wallet(psbt_of(), 1_000, (CHANGE,))))
    for index, (value, spent) in enumerate(COINS):
        assert accepts(tx, spent, value, index, tuple(COINS))


def test_inputs_of_others_stay_as_they_are() -> None:
    coins = [*COINS, (10_000, b"\0\x20" + bytes(32))]
    outputs = (TxOut(60_000, STRANGER), CHANGE)
    tx = finished(run_now(KeySigner(KEYS).sign_wallet(psbt_of(outputs, coins), 1_000, (CHANGE,))))
    assert [len(each.witness) for each in tx.inputs] == [2, 2, 0]


def test_the_account_is_a_descriptor_key_whose_children_are_our_addresses() -> None:
    for keys, prefix in (
        (KEYS, "tpub"),
        (Keys(seed_from_words("abandon " * 11 + "about").master(BITCOIN_COIN)), "xpub"),
    ):
        account = run_now(KeySigner(keys).wallet_account())
        origin, text = account[1:].split("]")
        assert text.startswith(prefix)
        key = bip32.HDKey.from_string(text)
        coin = 0 if prefix == "xpub" else 1
        assert origin == f"{keys.fingerprint.hex()}/84h/{coin}h/0h"
        for branch, number in ((0, 0), (1, 9)):
            assert key.derive([branch, number]).sec() == public_key(keys.wallet_secret(branch, number))
    # BIP 84's own vector: the first account and receiving key of these words.
    assert keys.fingerprint.hex() == "73c5da0a"
    first = "0330d54fd0dd420a6e5f8d3624f5f3482cae350f79d5f0753bf5beef9c2d91af3c"
    assert public_key(keys.wallet_secret(0, 0)).hex() == first
    assert key.depth == 3 and key.child_number == HARDENED


def test_addresses_are_known_as_far_as_they_were_given_out() -> None:
    far = script(0, WINDOW + 3)
    coins = [(90_000, far)]
    signer = KeySigner(KEYS)
    untouched = finished(run_now(signer.sign_wallet(psbt_of(coins=coins), 1_000, ())))
    assert untouched.inputs[0].witness == ()
    run_now(signer.wallet_used(4, 0))
    assert accepts(finished(run_now(signer.sign_wallet(psbt_of(coins=coins), 1_000, ()))), far, 90_000)


def our_path(psbt: PSBT) -> None:
    """Claims that the first output is ours."""
    derivation = DerivationPath(KEYS.fingerprint, [*KEYS.account_path, 1, 0])
    key = bip32.ec.PublicKey.parse(public_key(KEYS.wallet_secret(1, 0)))
    psbt.outputs[0].bip32_derivations[key] = derivation


def sighash_none(psbt: PSBT) -> None:
    psbt.inputs[1].sighash_type = 2


def no_coin(psbt: PSBT) -> None:
    psbt.inputs[0].witness_utxo = None


def wrong_previous(psbt: PSBT) -> None:
    psbt.inputs[0].non_witness_utxo = Transaction(vin=[], vout=[])


def final_sequence(psbt: PSBT) -> None:
    psbt.inputs[0].sequence = 0


@pytest.mark.parametrize(
    ("data", "max_fee_sat", "ours", "rule"),
    [
        (psbt_of(), 999, (CHANGE,), Rule.FEE_TOO_HIGH),
        (psbt_of((TxOut(90_001, STRANGER),)), 1_000, (), Rule.FEE_TOO_HIGH),
        (psbt_of((TxOut(10_000, STRANGER),), [(90_000_000, script(0, 0))]), 10**9, (), Rule.FEE_TOO_HIGH),
        (psbt_of((TxOut(89_500, STRANGER),)), 1_000, (CHANGE,), Rule.MISSING_CHANGE),
        (
            psbt_of((TxOut(50_000, STRANGER), TxOut(38_999, CHANGE.script_pubkey))),
            5_000,
            (CHANGE,),
            Rule.MISSING_CHANGE,
        ),
        (psbt_of(), 1_000, (CHANGE, CHANGE), Rule.MISSING_CHANGE),
        (psbt_of(), 1_000, (TxOut(50_000, STRANGER),), Rule.WRONG_CHANGE),
        (psbt_of(change=our_path), 1_000, (), Rule.WRONG_CHANGE),
        (psbt_of(change=sighash_none), 1_000, (), Rule.WRONG_SIGHASH),
        (psbt_of(change=no_coin), 1_000, (), Rule.PSBT_MALFORMED),
        (psbt_of(change=wrong_previous), 1_000, (), Rule.PSBT_MALFORMED),
        (psbt_of(change=final_sequence).replace(b"\xfd\xff\xff\xff", bytes(4)), 1_000, (), Rule.PSBT_MALFORMED),
        (b"psbt\xff", 1_000, (), Rule.PSBT_MALFORMED),
        (psbt_of()[:-5], 1_000, (), Rule.PSBT_MALFORMED),
        (b"\xff" * 100, 1_000, (), Rule.PSBT_MALFORMED),
        (bytes(3 << 20), 1_000, (), Rule.PSBT_MALFORMED),
    ],
)
def test_a_forbidden_spend_is_refused_by_name(
    data: bytes, max_fee_sat: int, ours: tuple[TxOut, ...], rule: Rule
) -> None:
    with pytest.raises(SignerRefused) as refused:
        run_now(KeySigner(KEYS).sign_wallet(data, max_fee_sat, ours))
    assert refused.value.rule == rule


def test_a_coin_shown_with_two_amounts_is_refused() -> None:
    signer = KeySigner(KEYS)
    run_now(signer.sign_wallet(psbt_of(), 1_000, (CHANGE,)))
    richer = [(60_000, COINS[0][1]), (50_000, COINS[1][1])]
    with pytest.raises(SignerRefused, match="coin_value_changed"):
        run_now(signer.sign_wallet(psbt_of((TxOut(109_500, STRANGER),), richer), 1_000, ()))


@pytest.mark.parametrize(
    ("outputs", "lie"),
    [((TxOut(80_000, STRANGER),), (61_000, COINS[1][1])), ((TxOut(90_500, STRANGER),), (31_000, STRANGER))],
    ids=["in what is refused", "of a coin that is shown as another's"],
)
def test_a_wrong_amount_of_a_coin_does_not_lock_it(outputs: tuple[TxOut, ...], lie: tuple[int, bytes]) -> None:
    """Plugins show PSBTs to the signer: what they say of coins that they do not have signed must not count."""
    signer = KeySigner(KEYS)
    with suppress(SignerRefused):
        run_now(signer.sign_wallet(psbt_of(outputs, [COINS[0], lie]), 1_000, ()))
    run_now(signer.sign_wallet(psbt_of(), 1_000, (CHANGE,)))


@pytest.mark.parametrize("at", range(0, 300, 7))
def test_no_altered_psbt_gets_past_the_errors_of_the_signer(at: int) -> None:
    data = bytearray(psbt_of())
    if at < len(data):
        data[at] ^= 0x5A
        try:
            signed = run_now(KeySigner(KEYS).sign_wallet(bytes(data), 1_000, ()))
        except SignerRefused as refused:
            assert refused.rule in set(Rule)
        else:
            assert isinstance(signed, bytes)


def test_an_address_that_was_just_given_out_is_found_before_a_thousand_others_are_derived() -> None:
    derived: list[tuple[int, int]] = []

    class Counting(Keys):
        def wallet_secret(self, branch: int, number: int) -> bytes:
            derived.append((branch, number))
            return super().wallet_secret(branch, number)

    wallet = WalletKeys(Counting(seed_from_entropy(bytes([1]) * 16).master(TEST_COIN)))
    assert wallet.is_ours(script(1, 3)) and len(derived) == 8
    assert not wallet.is_ours(STRANGER) and len(derived) == len(set(derived)) == 2 * WINDOW
    assert wallet.is_ours(script(0, WINDOW - 1)) and not wallet.is_ours(script(0, WINDOW))
    assert len(derived) == 2 * WINDOW
