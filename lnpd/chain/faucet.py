"""Where does money for a test come from on the regtest chain?

From coinbases that anyone can spend. They mature after 100 blocks, and regtest halves them every 150, so the faucet
mines only when it must.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from lnpd.chain.admission import fee_at
from lnpd.chain.assemble import COINBASE_MATURITY, subsidy_sat
from lnpd.chain.interface import Outcome, Outpoint, Output
from lnpd.chain.kernel import ANYONE, ANYONE_SCRIPT, KernelChain
from lnpd.errors import FaucetDry
from lnpd.tx.transaction import Tx, TxIn, TxOut

FIRST_BLOCKS: Final = COINBASE_MATURITY + 1
"""After so many blocks the first coinbase can be spent."""

_MAX_INPUTS: Final = 200
_MIN_CHANGE_SAT: Final = 1_000
NUDGE_BLOCKS: Final = 10
MOST_BLOCKS: Final = FIRST_BLOCKS // NUDGE_BLOCKS * NUDGE_BLOCKS
"""So many are mined at most: all coins are mature then, and one more."""


def fund(chain: KernelChain, script: bytes, amount_sat: int) -> Outpoint:
    """Pays `amount_sat` to a script and mines the payment; the outpoint. Raises FaucetDry, before it mines in vain."""
    require_reach(chain.read.unspent(ANYONE_SCRIPT), chain.height, chain.mempool.floor_sat_per_kvb, script, amount_sat)
    for _ in range(MOST_BLOCKS // NUDGE_BLOCKS + 1):
        if tx := _payment(chain, script, amount_sat):
            break
        chain.mine(NUDGE_BLOCKS)
    else:
        raise FaucetDry(f"The regtest faucet cannot pay {amount_sat:,} sat: new blocks hardly pay any more.")
    result = chain.broadcast((tx.serialise(),))
    if result.outcome is Outcome.REFUSED:
        raise FaucetDry(f"The regtest faucet's payment of {amount_sat} sat was refused: {result.reason}.")
    chain.mine()
    return Outpoint(tx.txid, 0)


def require_reach(coins: Iterable[Output], height: int, floor_sat_per_kvb: int, script: bytes, amount_sat: int) -> None:
    """Whether mining could make anyone's coins suffice: others share the chain. Raises FaucetDry."""
    there = [replace(coin, height=height) if coin.height is None else coin for coin in coins]
    reward = Output(Outpoint(bytes(32), 0), subsidy_sat(height + 1), ANYONE_SCRIPT, height + 1, is_coinbase=True)
    if payment([*there, reward], height + MOST_BLOCKS, floor_sat_per_kvb, script, amount_sat) is None:
        total_sat = sum(coin.value_sat for coin in there)
        raise FaucetDry(
            f"The regtest faucet cannot pay {amount_sat:,} sat: it has {total_sat:,} sat, and new blocks hardly pay any"
            " more."
        )


def _payment(chain: KernelChain, script: bytes, amount_sat: int) -> Tx | None:
    coins, floor = chain.read.unspent(ANYONE_SCRIPT), chain.mempool.floor_sat_per_kvb
    return payment(coins, chain.height, floor, script, amount_sat)


def payment(coins: Iterable[Output], height: int, floor_sat_per_kvb: int, script: bytes, amount_sat: int) -> Tx | None:
    """A payment from the largest mature ones of anyone's coins, or None if they do not suffice."""
    inputs: list[TxIn] = []
    total_sat = 0
    for coin in sorted(coins, key=lambda coin: -coin.value_sat):
        if len(inputs) == _MAX_INPUTS:
            return None
        if not _is_mature(coin, height):
            continue
        inputs.append(TxIn(coin.outpoint.txid, coin.outpoint.index, witness=(ANYONE,)))
        total_sat += coin.value_sat
        paid, change = TxOut(amount_sat, script), TxOut(0, ANYONE_SCRIPT)
        size = (Tx(tuple(inputs), (paid, change)).weight + 3) // 4
        change_sat = total_sat - amount_sat - fee_at(2 * floor_sat_per_kvb, size)
        if change_sat >= _MIN_CHANGE_SAT:
            return Tx(tuple(inputs), (paid, TxOut(change_sat, ANYONE_SCRIPT)))
    return None


def _is_mature(coin: Output, height: int) -> bool:
    return coin.height is not None and (not coin.is_coinbase or height + 1 - coin.height >= COINBASE_MATURITY)
