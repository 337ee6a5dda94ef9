"""What may a plugin ask of the channels that pin one of its providers?"""

from typing import Any

import msgspec

from lnpd_sdk.services.base import Asks
from lnpd_sdk.services.kept import KeptCommitment, KeptRow, KeptWanted, assembled


class Proposal(msgspec.Struct, frozen=True):
    """What `propose` takes: an update of one of the plugin's providers, in one channel (32 bytes in hex)."""

    channel_id: str
    provider: str
    body: bytes


class LateDatum(msgspec.Struct, frozen=True):
    """What `put_witness` takes: 32 bytes that complete what one of the plugin's providers has in a channel."""

    channel_id: str
    provider: str
    name: str
    data: bytes


class ChannelId(msgspec.Struct, frozen=True):
    """What `quiesce` takes: a channel's id, 32 bytes in hex."""

    channel_id: str


class Which(msgspec.Struct, frozen=True):
    """What `channels` takes: whether closed ones are meant, too."""

    closed: bool = False


class ChannelAsks(Asks):
    """`Node`'s methods for channels."""

    async def propose(self, channel_id: str, provider: str, body: bytes) -> int:
        """Proposes an update of one of the plugin's own providers; returns its id (`Update.id`).

        `channel_id` is 32 bytes in hex. The provider's own `validate` is asked first. Needs the capability
        `updates:<max_sat>`, and is refused if what its updates ever took of our balance in this channel, with what its
        outputs then hold of it, would be more; taking back is free. Returns once the proposal is sent: it counts when
        the channel's state shows it.
        """
        identity: int = await self._ask("propose", Proposal(channel_id, provider, body), int)
        return identity

    async def channels(self, closed: bool = False) -> list[dict[str, Any]]:
        """The channels that pin one of the plugin's providers, a map each; also those that are closed, if asked.

        `channel_id`, `peer` (its node id), `us` (our party: 0 opener, 1 acceptor), `states` (each own provider's
        irrevocably committed state, in hex), `frozen` (why the channel waits, empty if it does not), `usable`, `late`
        (late data that are known: `provider`, `name` and `data` in hex of each), `state` (as `lnp channels` says it:
        `normal`, `closing`, `on_chain`, `closed`...), `funding` (TXID:VOUT), `capacity_sat`,
        `scids` (its short_channel_ids, of which any names it in a route), and `closing_txid` (what spends the funding
        or is agreed to; empty as long as none is known). Txids are as explorers write them.
        """
        rows: list[dict[str, Any]] = await self._ask("channels", Which(closed), list[dict[str, Any]])
        return rows

    async def kept_commitment(self, channel_id: str, txid: str, provider: str = "") -> KeptCommitment:
        """A commitment of either side, however old, or a mutual close, of a channel that pins one of the plugin's
        providers, as that provider was shown it: `seal` gives the same again for all of it.

        `channel_id` is 32 bytes in hex, `txid` as explorers write it; `provider` is needed if the channel pins several
        of the plugin's. Closed channels are remembered, too. ChannelNotPinned; CommitmentForgotten: it is no commitment
        of this channel, or of one that was restored from a backup.
        """
        return assembled(await self._ask("kept_commitment", KeptWanted(channel_id, txid, provider), KeptRow))

    async def put_witness(self, channel_id: str, provider: str, name: str, data: bytes) -> None:
        """Supplies a late datum for one of the plugin's own providers: 32 bytes, in a channel (32 bytes in hex).

        `name` is what the outputs' paths and children call it: `sha256:<hash in hex>` (also hash256, ripemd160 and
        hash160) for a preimage, `adaptor:<point in hex>` for an adaptor's secret. It is stored before this returns, and
        claims what it opens once a commitment is on the chain, with the plugin or without it. Where the peer can take
        that, too, from a height on (`after`), the channel is closed 18 blocks before, and as many more as our own path
        has to wait. CommandRefused if the bytes are not what the name says.

        The other way round: if the peer broadcasts a child that this node signed for an adaptor point, the
        node finds the secret in it, keeps it for this provider's outputs in all channels, and tells it once, by the
        event `secret_sold` (`Plugin.on`).
        """
        await self._ask("put_witness", LateDatum(channel_id, provider, name, data), None)

    async def quiesce(self, channel_id: str) -> None:
        """Asks the peer for quiescence (BOLT 2, stfu): no update is in flight in this channel once the event
        `channel_quiescent` tells so, and none is proposed until the connection ends, 60 seconds later at most.

        Only in channels that pin one of the plugin's providers (ChannelNotPinned). Needs the capability
        `updates:<max_sat>`. ChannelNotReady: the peer is not connected; CommandRefused: the channel is closing.
        """
        await self.call("quiesce", ChannelId(channel_id))
