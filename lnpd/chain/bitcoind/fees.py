"""Which feerate does bitcoind advise, within limits?"""

from __future__ import annotations

from decimal import Decimal
from math import ceil
from typing import Final

from lnpd.chain.bitcoind.answers import COIN, FeeEstimate, MempoolInfo
from lnpd.chain.bitcoind.rpc import Ask, Rpc, value
from lnpd.errors import BitcoindMisbehaves, FeerateUnknown
from lnpd.tx.feerates import MAX_FEERATE_PER_KW

REGTEST_PER_KW: Final = 2_500
"""A regtest chain has no fees to learn from."""

LONGEST_TARGET: Final = 1_008
WEIGHT_PER_VIRTUAL_BYTE: Final = 4
ROUNDING: Final = Decimal(253) / 250


def per_kw(btc_per_kvb: Decimal) -> int:
    """Satoshi per 1000 weight units, rounded up. Raises BitcoindMisbehaves."""
    if not btc_per_kvb.is_finite() or not 0 <= btc_per_kvb <= 21_000_000:
        raise BitcoindMisbehaves(f"bitcoind names {str(btc_per_kvb)[:40]} BTC per kvB as a feerate.")
    return ceil(btc_per_kvb * COIN / WEIGHT_PER_VIRTUAL_BYTE)


def relayed_per_kw(btc_per_kvb: Decimal) -> int:
    """The least with which everything passes a floor: bitcoind counts whole virtual bytes, and we weigh."""
    return ceil(per_kw(btc_per_kvb) * ROUNDING)


async def estimate(rpc: Rpc, target_blocks: int, network: str) -> int:
    """Satoshi per 1000 weight units for a confirmation within so many blocks.

    At least what the mempool takes now, with which bitcoind's own estimate may fall behind. Raises FeerateUnknown.
    """
    target = min(max(target_blocks, 1), LONGEST_TARGET)
    told, pool = await rpc.ask((Ask("estimatesmartfee", (target,)), Ask("getmempoolinfo")))
    found = value(told, FeeEstimate, "estimatesmartfee")
    floors = value(pool, MempoolInfo, "getmempoolinfo")
    floor = max(relayed_per_kw(floors.mempoolminfee), relayed_per_kw(floors.minrelaytxfee))
    if found.feerate is not None:
        rate = per_kw(found.feerate)
    elif network == "regtest":
        rate = REGTEST_PER_KW
    else:
        why = "; ".join(found.errors)[:200] or "it does not say why"
        raise FeerateUnknown(f"bitcoind has no estimate yet: {why}.", floor)
    return min(MAX_FEERATE_PER_KW, max(rate, floor))
