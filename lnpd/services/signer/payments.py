"""Which to_remote outputs can be found and swept with nothing but the seed?

A channel's payment basepoint is one of PAYMENT_TURNS keys that follow from the seed (crypto/hd), and to_remote pays to
that key alone (option_static_remotekey): by P2WPKH, or with anchors by a script that waits one block (BOLT 3).
"""

from collections.abc import Callable
from typing import Final

from lnpd_sdk.script import Template
from lnpd_sdk.types import CommitmentKeys

from lnpd.crypto.hd import PAYMENT_TURNS
from lnpd.crypto.secp import public_key, sign, to_der
from lnpd.services.interfaces import PaymentCoin
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.refusals import Rule, refuse
from lnpd.services.signer.spends import check_pays_us, fee_cap_sat
from lnpd.tx.script import Compiled, compile_script, script_code
from lnpd.tx.transaction import SIGHASH_ALL, Tx

NO_KEY: Final = bytes(33)


def payment_points(keys: Keys) -> tuple[bytes, ...]:
    """All of them, in turn."""
    return tuple(public_key(keys.payment_secret(turn)) for turn in range(PAYMENT_TURNS))


def to_remote(point: bytes, anchors: bool) -> Compiled:
    """The output that pays to a payment basepoint."""
    names = dict.fromkeys(CommitmentKeys.__struct_fields__, NO_KEY) | {"counterparty_payment": point}
    return compile_script(Template("to_remote_anchors" if anchors else "to_remote"), CommitmentKeys(**names), 1)


def signed_payments(keys: Keys, tx: Tx, coins: tuple[PaymentCoin, ...], is_ours: Callable[[bytes], bool]) -> Tx:
    """See Signer.sign_payments. Raises SignerRefused."""
    if not coins or len(coins) != len(tx.inputs) or not all(0 <= coin.turn < PAYMENT_TURNS for coin in coins):
        refuse(Rule.OTHER_COMMITMENT, "each input sweeps one to_remote output of a known payment basepoint.")
    check_pays_us(tx.outputs, is_ours)
    fee_sat = sum(coin.value_sat for coin in coins) - sum(each.value_sat for each in tx.outputs)
    if not 0 <= fee_sat <= fee_cap_sat(tx, len(coins)):
        refuse(Rule.FEE_TOO_HIGH, f"the sweep pays {fee_sat} sat of fee.")
    signed = tx
    for position, coin in enumerate(coins):
        secret = keys.payment_secret(coin.turn)
        point = public_key(secret)
        compiled = to_remote(point, coin.anchors)
        digest = tx.sighash(position, script_code(compiled.script_pubkey, compiled.witness_script), coin.value_sat)
        signature = to_der(sign(secret, digest)) + bytes((SIGHASH_ALL,))
        signed = signed.with_witness(position, (signature, compiled.witness_script if coin.anchors else point))
    return signed
