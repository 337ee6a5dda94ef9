"""What does the wallet keep for closing channels with anchors, and is there enough for one more?

Their HTLC transactions pay no fee, and their commitments may pay too little: without coins of ours beside them an HTLC
can be lost to its expiry. So coins are kept: no funding and no payment takes them, only fees of closing do.
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from lnpd.channel.state import Channel, Closed
from lnpd.errors import AnchorReserveMissing
from lnpd.services.channels.opening import Kind
from lnpd.services.onchain import Balance
from lnpd.tx.graph import ChannelType
from lnpd.tx.states import ANCHORS

MOST_CHANNELS: Final = 10  # so many do not close by force in one hour: for more nothing more is kept


class Purse(Protocol):
    """The wallet, as far as it is asked here."""

    async def balance(self) -> Balance:
        """What it owns."""
        ...


class AnchorReserve:
    """`per_channel_sat` for each channel with anchors; 0 keeps nothing."""

    def __init__(self, per_channel_sat: int, purse: Purse, channels: Callable[[], Iterable[Channel]]) -> None:
        self.per_channel_sat, self._purse, self._channels = per_channel_sat, purse, channels

    def kept_sat(self, more: int = 0) -> int:
        """What is kept for the channels that there are, and so many more."""
        if not self.per_channel_sat:
            return 0
        count = sum(has_anchors(c.channel_type) and not isinstance(c.phase, Closed) for c in self._channels())
        return self.per_channel_sat * min(MOST_CHANNELS, count + more)

    async def for_one_more(self, kind: Kind, amount_sat: int = 0) -> Kind:
        """The kind, if what the wallet keeps suffices for one more channel of it that costs the wallet this amount.

        Raises AnchorReserveMissing.
        """
        needed_sat = self.kept_sat(more=1) if has_anchors(kind.type) else 0
        balance = await self._purse.balance() if needed_sat else Balance()
        if needed_sat and balance.confirmed_sat - amount_sat < needed_sat:
            raise AnchorReserveMissing(
                f"A channel with anchors needs coins for closing it: {needed_sat:,} sat are to be kept for all of them"
                " (--anchor-reserve-sat). Without anchors: --type static_remotekey."
            )
        return kind


def has_anchors(channel_type: ChannelType) -> bool:
    """Whether a type's commitments have anchors."""
    return any(pin.name == ANCHORS for pin in channel_type.providers)
