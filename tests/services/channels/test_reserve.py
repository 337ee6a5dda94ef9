"""How many coins are kept for closing channels with anchors, and which channel is one too many?"""

import asyncio

import pytest
from msgspec.structs import replace

from lnpd.channel.state import Channel, Closed, Policy, new_channel
from lnpd.errors import AnchorReserveMissing
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY
from lnpd.services.channels.opening import Kind
from lnpd.services.channels.reserve import MOST_CHANNELS, AnchorReserve
from lnpd.services.onchain import Balance
from lnpd.tx.graph import ChannelType

TYPES = {"anchors_zero_fee_htlc_tx": ANCHORS_ZERO_FEE_HTLC_TX, "static_remotekey": STATIC_REMOTEKEY}


class Purse:
    def __init__(self, confirmed_sat: int) -> None:
        self.confirmed_sat = confirmed_sat

    async def balance(self) -> Balance:
        return Balance(confirmed_sat=self.confirmed_sat, unconfirmed_sat=10**6)


def channel(channel_type: ChannelType = ANCHORS_ZERO_FEE_HTLC_TX) -> Channel:
    made = new_channel("a channel", bytes(33), 0, Policy(), bytes(32))
    return replace(made, channel_type=channel_type)


def one_more(confirmed_sat: int, amount_sat: int, per_channel_sat: int, name: str, *others: Channel) -> None:
    reserve = AnchorReserve(per_channel_sat, Purse(confirmed_sat), lambda: others)
    asyncio.run(reserve.for_one_more(Kind(name, TYPES[name], b"", ()), amount_sat))


def test_what_is_kept() -> None:
    others = [channel(), channel(), channel(STATIC_REMOTEKEY), replace(channel(), phase=Closed("over"))]
    assert AnchorReserve(10_000, Purse(0), lambda: others).kept_sat() == 20_000
    assert AnchorReserve(10_000, Purse(0), lambda: others).kept_sat(more=1) == 30_000
    assert AnchorReserve(0, Purse(0), lambda: others).kept_sat(more=1) == 0
    assert AnchorReserve(10_000, Purse(0), lambda: [channel()] * 50).kept_sat(more=1) == 10_000 * MOST_CHANNELS


ALLOWED: dict[str, tuple[int, int, int, str]] = {
    "just enough": (10_000, 0, 10_000, "anchors_zero_fee_htlc_tx"),
    "just enough beside what is paid in": (110_000, 100_000, 10_000, "anchors_zero_fee_htlc_tx"),
    "a type without anchors": (0, 0, 10_000, "static_remotekey"),
    "nothing is kept": (0, 0, 0, "anchors_zero_fee_htlc_tx"),
}
REFUSED: dict[str, tuple[int, int, int, str]] = {
    "a satoshi too little": (9_999, 0, 10_000, "anchors_zero_fee_htlc_tx"),
    "a satoshi too little beside what is paid in": (109_999, 100_000, 10_000, "anchors_zero_fee_htlc_tx"),
}


@pytest.mark.parametrize("case", ALLOWED.values(), ids=ALLOWED)
def test_one_more(case: tuple[int, int, int, str]) -> None:
    one_more(*case)


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_one_too_many(case: tuple[int, int, int, str]) -> None:
    with pytest.raises(AnchorReserveMissing, match="10,000 sat"):
        one_more(*case)
    with pytest.raises(AnchorReserveMissing, match="20,000 sat"):
        one_more(*case, channel())
