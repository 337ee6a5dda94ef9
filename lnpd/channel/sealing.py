"""What does a provider of the type write into a mutual close? (`seal`)

Who seals closes has the first output of each, an OP_RETURN of fixed length. It depends on the other outputs, so each
variant of a negotiation is asked for; the two sides build the same bytes, or the signature fits none.
"""

from collections.abc import Generator
from typing import Any

import msgspec
from lnpd_sdk.types import OPENER, Party, View
from msgspec.structs import replace

from lnpd.channel import commitments
from lnpd.channel.queries import Calls, FoldMemory, ProviderQuery, ask
from lnpd.channel.state import Channel
from lnpd.tx.graph import ProviderPin
from lnpd.tx.seals import fill_close, sealing
from lnpd.tx.states import States
from lnpd.tx.transaction import Tx, TxOut


class SealClose(msgspec.Struct, ProviderQuery[bytes], frozen=True):
    """The scriptPubKey of a provider's carrier in a mutual close with these outputs. Raises SealRefused."""

    pin: ProviderPin
    view: View
    states: States
    outputs: tuple[TxOut, ...]
    parties: tuple[Party | None, ...]  # whom each of them pays its balance

    def calls(self, memory: FoldMemory | None = None) -> Calls[bytes]:
        """One `seal`."""
        return fill_close(self.pin, self.states, self.view, self.outputs, self.parties)


class Closing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A closing transaction, and whom each of its outputs pays its balance."""

    tx: Tx
    parties: tuple[Party | None, ...]


def sealed_close(channel: Channel, closing: Closing) -> Generator[Any, Any, Closing]:
    """A closing transaction, its carrier filled. Any: each reply is typed by its own query."""
    tx = closing.tx
    pin = sealing(channel.channel_type, "close")
    if pin is None or not tx.outputs:
        return closing
    view = commitments.fold_view(channel, OPENER, channel.numbers[OPENER])
    script = yield from ask(SealClose(pin, view, channel.base.states, tx.outputs, closing.parties))
    return replace(closing, tx=replace(tx, outputs=(TxOut(0, script), *tx.outputs[1:])))
