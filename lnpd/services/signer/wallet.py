"""Which scripts are the wallet's, and which PSBT may be signed with its keys? (BIP 84, BIP 174)"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from embit import base58
from embit.ec import PublicKey
from embit.psbt import PSBT

from lnpd.crypto.hd import format_path
from lnpd.crypto.secp import public_key, sign, to_der
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.refusals import Rule, refuse
from lnpd.tx.feerates import MAX_FEERATE_PER_KW, REFUSED_ABOVE_PER_KW
from lnpd.tx.script import pay_to_key
from lnpd.tx.transaction import SIGHASH_ALL, TxOut

WINDOW: Final = 1000  # addresses beyond those that the wallet has given out
MAX_USED: Final = 1_000_000
MAX_PSBT_BYTES: Final = 2 << 20
MAX_COINS: Final = 10_000  # whose amounts are remembered

_XPUB, _TPUB = bytes.fromhex("0488b21e"), bytes.fromhex("043587cf")

Path = tuple[int, int]  # branch and number


class WalletKeys:
    """The scripts of the wallet's addresses, derived as far as they are asked for."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._paths: dict[bytes, Path] = {}
        self._derived = [0, 0]
        self._used = [0, 0]
        self._coins: dict[tuple[bytes, int], int] = {}

    def account(self) -> str:
        """`[fingerprint/84h/coinh/0h]xpub`: what a descriptor holds."""
        path, account = self._keys.account_path, self._keys.account
        version = _XPUB if self._keys.is_mainnet else _TPUB
        depth, number = bytes((len(path),)), path[-1].to_bytes(4, "big")
        data = version + depth + self._keys.account_parent + number + account.chain_code + public_key(account.secret)
        origin = format_path(path).replace("'", "h")[2:]
        return f"[{self._keys.fingerprint.hex()}/{origin}]{base58.encode_check(data)}"

    def used(self, receive: int, change: int) -> None:
        """The wallet has given out this many addresses of each branch; the numbers only grow."""
        self._used = [max(0, old, min(new, MAX_USED)) for old, new in zip(self._used, (receive, change), strict=True)]

    def is_ours(self, script_pubkey: bytes) -> bool:
        """Whether a key of the wallet alone can spend this."""
        if script_pubkey in self._paths:
            return True
        if len(script_pubkey) != 22 or not script_pubkey.startswith(b"\0\x14"):
            return False
        return any(script == script_pubkey for script in self._derive())

    def _derive(self) -> Iterator[bytes]:
        """The scripts that are not derived yet. Both branches in step: what is asked for is mostly among the first."""
        while left := [branch for branch in (0, 1) if self._derived[branch] < self._used[branch] + WINDOW]:
            branch = min(left, key=self._derived.__getitem__)
            number = self._derived[branch]
            script = pay_to_key(public_key(self._keys.wallet_secret(branch, number)))
            self._paths[script] = (branch, number)
            self._derived[branch] += 1
            yield script

    def secret_of(self, script_pubkey: bytes) -> bytes | None:
        """The secret behind one of our scripts."""
        return self._keys.wallet_secret(*self._paths[script_pubkey]) if self.is_ours(script_pubkey) else None

    def sign(self, data: bytes, max_fee_sat: int, ours: Iterable[TxOut]) -> bytes:
        """The PSBT with our signatures in it. Inputs that are not the wallet's stay as they are."""
        psbt = _parsed(data)
        outputs = [TxOut(each.value, bytes(each.script_pubkey.data)) for each in psbt.tx.vout]
        self._check_outputs(psbt, outputs, ours)
        coins = [_coin(psbt, position) for position in range(len(psbt.inputs))]
        self._check_amounts(psbt, coins)
        fee_sat = sum(coin.value_sat for coin in coins) - sum(each.value_sat for each in outputs)
        secrets = [self.secret_of(coin.script_pubkey) for coin in coins]
        _check_fee(psbt, fee_sat, max_fee_sat, all(secrets))
        self._remember(psbt, [coin if secret else None for coin, secret in zip(coins, secrets, strict=True)])
        for position, secret in enumerate(secrets):
            if secret is not None:
                _sign_input(psbt, position, secret)
        return bytes(psbt.serialize())

    def _check_outputs(self, psbt: Any, outputs: list[TxOut], ours: Iterable[TxOut]) -> None:
        left = list(outputs)
        for each in ours:
            if each not in left:
                refuse(Rule.MISSING_CHANGE, f"no output pays {each.value_sat} sat to {each.script_pubkey.hex()}.")
            left.remove(each)
            if not self.is_ours(each.script_pubkey):
                refuse(Rule.WRONG_CHANGE, f"{each.script_pubkey.hex()} is none of the wallet's scripts.")
        for scope, output in zip(psbt.outputs, outputs, strict=True):
            claimed = any(path.fingerprint == self._keys.fingerprint for path in scope.bip32_derivations.values())
            if claimed and not self.is_ours(output.script_pubkey):
                refuse(Rule.WRONG_CHANGE, f"{output.script_pubkey.hex()} is shown as ours and is not.")

    def _check_amounts(self, psbt: Any, coins: list[TxOut]) -> None:
        """A signature commits to the amount of its own coin only: lies about the others, told in two requests, would
        hide a fee. So one coin has one amount here, once it was signed."""
        for point, coin in zip(_points(psbt), coins, strict=True):
            if self._coins.get(point, coin.value_sat) != coin.value_sat:
                refuse(Rule.COIN_VALUE_CHANGED, f"the coin {point[0].hex()}:{point[1]} was shown with another amount.")

    def _remember(self, psbt: Any, signed: list[TxOut | None]) -> None:
        """What is signed now. Of other coins nothing: whoever may show a PSBT could say a wrong amount of a coin, and
        what spends it would be refused ever after."""
        for point, coin in zip(_points(psbt), signed, strict=True):
            if coin is not None:
                self._coins[point] = coin.value_sat
        while len(self._coins) > MAX_COINS:
            del self._coins[next(iter(self._coins))]


# PSBT. `Any` stands for embit's objects, which have no types.


def _parsed(data: bytes) -> Any:
    if len(data) > MAX_PSBT_BYTES:
        refuse(Rule.PSBT_MALFORMED, f"a PSBT has at most {MAX_PSBT_BYTES} bytes, not {len(data)}.")
    try:
        psbt = PSBT.parse(data)
        psbt.verify(ignore_missing=True)
        # embit turns a sequence of 0 into the final one; what is signed must be what was asked for.
        if not psbt.inputs or bytes(psbt.tx.serialize()) not in data:
            raise ValueError
    except Exception as error:  # embit raises errors of many kinds for bad input
        refuse(Rule.PSBT_MALFORMED, f"it cannot be read: {type(error).__name__}.")
    return psbt


def _points(psbt: Any) -> list[tuple[bytes, int]]:
    return [(bytes(each.txid), int(each.vout)) for each in psbt.inputs]


def _coin(psbt: Any, position: int) -> TxOut:
    scope = psbt.inputs[position]
    if scope.sighash_type not in (None, SIGHASH_ALL):
        refuse(Rule.WRONG_SIGHASH, f"input {position} asks for the sighash {scope.sighash_type}, not ALL.")
    try:
        witness, previous = scope.witness_utxo, scope.non_witness_utxo
        spent = witness if witness is not None else previous.vout[scope.vout]
        if previous is not None and previous.vout[scope.vout] != spent:
            raise ValueError
        coin = TxOut(int(spent.value), bytes(spent.script_pubkey.data))
    except (AttributeError, IndexError, ValueError):
        refuse(Rule.PSBT_MALFORMED, f"input {position} does not say what it spends.")
    if scope.redeem_script is not None or not 0 <= coin.value_sat <= 21 * 10**14:
        refuse(Rule.PSBT_MALFORMED, f"input {position} is nested, or spends an impossible amount.")
    return coin


def _check_fee(psbt: Any, fee_sat: int, max_fee_sat: int, is_ours: bool) -> None:
    # An input of ours weighs at most 4 * 41 + 109 once it is signed; anchors and HTLCs weigh more, and an anchor's
    # child pays for its parent too.
    weight = 4 * len(psbt.tx.serialize()) + 110 * len(psbt.inputs)
    most_per_kw = MAX_FEERATE_PER_KW if is_ours else REFUSED_ABOVE_PER_KW
    cap_sat = min(max_fee_sat, weight * most_per_kw // 1000)
    if not 0 <= fee_sat <= cap_sat:
        refuse(Rule.FEE_TOO_HIGH, f"the transaction pays {fee_sat} sat of fee; at most {cap_sat} are allowed.")


def _sign_input(psbt: Any, position: int, secret: bytes) -> None:
    scope = psbt.inputs[position]
    if scope.witness_script is not None:
        refuse(Rule.PSBT_MALFORMED, f"input {position} shows a witness script for a key's output.")
    digest = bytes(psbt.sighash(position, sighash=SIGHASH_ALL))
    scope.partial_sigs[PublicKey.parse(public_key(secret))] = to_der(sign(secret, digest)) + bytes((SIGHASH_ALL,))
