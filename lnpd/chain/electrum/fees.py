"""Which feerate does the server's bitcoind advise, within limits?"""

from __future__ import annotations

from decimal import Decimal
from math import ceil
from typing import Final

import msgspec

from lnpd.chain.electrum.client import Client
from lnpd.errors import ElectrumMisbehaves, FeerateUnknown
from lnpd.tx.feerates import MAX_FEERATE_PER_KW

REGTEST_PER_KW: Final = 2_500
FLOOR_PER_KW: Final = 253
LONGEST_TARGET: Final = 1_008
COIN: Final = 100_000_000
WEIGHT_PER_VIRTUAL_BYTE: Final = 4
PACKAGES_FROM: Final = (1, 6)


class _Floors(msgspec.Struct, frozen=True):
    """mempool.get_info, from protocol 1.6 on in place of blockchain.relayfee."""

    mempoolminfee: Decimal
    minrelaytxfee: Decimal


def per_kw(btc_per_kvb: Decimal) -> int:
    """Satoshi per 1000 weight units, rounded up. Raises ElectrumMisbehaves."""
    if not btc_per_kvb.is_finite() or not 0 <= btc_per_kvb <= 21_000_000:
        raise ElectrumMisbehaves(f"The Electrum server names {str(btc_per_kvb)[:40]} BTC per kvB as a feerate.")
    return ceil(btc_per_kvb * COIN / WEIGHT_PER_VIRTUAL_BYTE)


async def estimate(client: Client, target_blocks: int, network: str) -> int:
    """Satoshi per 1000 weight units for a confirmation within so many blocks. Raises FeerateUnknown."""
    target = min(max(target_blocks, 1), LONGEST_TARGET)
    told: Decimal = await client.call(Decimal, "blockchain.estimatefee", target)
    if client.protocol >= PACKAGES_FROM:
        floors: _Floors = await client.call(_Floors, "mempool.get_info")
        floor = max(per_kw(floors.mempoolminfee), per_kw(floors.minrelaytxfee))
    else:
        floor = per_kw(await client.call(Decimal, "blockchain.relayfee"))
    if told != -1:
        rate = per_kw(told)
    elif network == "regtest":
        rate = REGTEST_PER_KW
    else:
        raise FeerateUnknown("The Electrum server has no estimate yet.", max(floor, FLOOR_PER_KW))
    return min(MAX_FEERATE_PER_KW, max(rate, floor, FLOOR_PER_KW))
