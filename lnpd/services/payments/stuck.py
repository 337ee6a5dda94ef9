"""When is an incoming HTLC failed although its outgoing one is still open on the chain? (BOLT 2, cltv_expiry_delta)

    outgoing channel    on its way to the chain, or there; its HTLC is neither claimed nor timed out for good
    incoming channel    alive, and this HTLC is LAST_BLOCKS from its expiry
      the mempool shows the preimage      it is learned, as if it had confirmed
      it does not                         the incoming HTLC is failed

Its peer would close the incoming channel over it, and take the HTLC by its timeout before a preimage that comes so late
could be claimed there. So waiting longer for one HTLC costs a channel. What a block did, and the outgoing channel has
not been told, is waited for: it may be the preimage.
"""

import logging
from typing import Final, Protocol

from lnpd.chain.interface import FoundTransaction, Outpoint, Output
from lnpd.channel.actions import HtlcFulfilled
from lnpd.channel.failure import FUNDED
from lnpd.channel.onchain_htlcs import shown_preimage
from lnpd.channel.state import Channel, Failed, OnChain
from lnpd.errors import LnpdError
from lnpd.services.payments.circuits import Circuit, open_circuits
from lnpd.services.payments.forwarding import Forwards
from lnpd.services.recipients import Channels, Effects
from lnpd.store.store import Store
from lnpd.tx.states import HTLC
from lnpd.tx.transaction import parse

log = logging.getLogger("lnpd.payments")

LAST_BLOCKS: Final = 3
"""Before the incoming HTLC's expiry: what is left is for the peer to take the failure before it would close."""


class Chain(Protocol):
    """What is asked of the chain. Each raises ChainError."""

    async def output(self, outpoint: Outpoint) -> Output | None:
        """An output that no block spends, and what in the mempool does."""
        ...

    async def transaction(self, txid: bytes) -> FoundTransaction | None:
        """A transaction."""
        ...


def is_stuck(circuit: Circuit, incoming: Channel | None, outgoing: Channel | None, height: int) -> bool:
    """Whether a circuit's incoming channel would soon be closed for its outgoing one."""
    return (
        circuit.state == "offered"
        and height >= circuit.incoming_expiry - LAST_BLOCKS
        and incoming is not None
        and isinstance(incoming.phase, FUNDED)
        and outgoing is not None
        and isinstance(outgoing.phase, Failed | OnChain)
    )


class Stuck:
    """Looks for them at each block."""

    def __init__(self, store: Store, channels: Channels, chain: Chain, forwards: Forwards) -> None:
        self._store, self._channels, self._chain, self._forwards = store, channels, chain, forwards

    async def look(self, height: int) -> None:
        """The best chain has this height. What goes wrong is tried again at the next block."""
        try:
            for circuit in await self._store.read(open_circuits):
                if height >= circuit.incoming_expiry - LAST_BLOCKS:
                    await self._channels.settled(circuit.channel)  # what it was told of the chain may have ended this
                    await self._judge(circuit, height)
        except LnpdError as error:
            log.warning("HTLCs that are stuck on chain are looked for again at the next block: %s", error)

    async def _judge(self, circuit: Circuit, height: int) -> None:
        outgoing = self._channels.get(circuit.channel)
        if not is_stuck(circuit, self._channels.get(circuit.incoming.channel), outgoing, height):
            return
        assert outgoing is not None and circuit.outgoing is not None, "it is stuck"
        effects = await self._end_of(circuit, outgoing, circuit.outgoing.id)
        await self._store.write(lambda write: [each(write) for each in effects.writes])
        for after in effects.after:
            after()

    async def _end_of(self, circuit: Circuit, outgoing: Channel, identity: int) -> Effects:
        point = _place(outgoing, identity)
        if point is not None:
            output = await self._chain.output(point)
            if output is None:
                return Effects()  # a block has spent it: the channel will hear by what
            preimage = await self._shown(output, circuit.payment_hash)
            if preimage is not None:
                return self._forwards.fulfilled(outgoing, HtlcFulfilled(identity, circuit.payment_hash, preimage))
        log.warning("HTLC %s of channel %s is failed, before its peer closes the channel: the outgoing one is stuck",
                    circuit.incoming.id, circuit.incoming.channel)  # fmt: skip
        return self._forwards.abandoned(circuit)

    async def _shown(self, output: Output, payment_hash: bytes) -> bytes | None:
        """The preimage, if the mempool's spender of the output shows it."""
        found = await self._chain.transaction(output.spent_by) if output.spent_by else None
        if found is None:
            return None
        return shown_preimage(parse(found.transaction), output.outpoint.txid, output.outpoint.index, payment_hash)


def _place(channel: Channel, identity: int) -> Outpoint | None:
    """Where on the chain the fate of an HTLC that we offered is decided next; None where it is decided: its output was
    spent without the preimage, or there is none."""
    phase = channel.phase
    if not isinstance(phase, OnChain):
        return Outpoint(channel.fundings[0].txid, channel.fundings[0].vout)
    for r in phase.resolutions:
        if (r.provider, r.id) == (HTLC, f"{channel.us}/{identity}") and r.child < 0 and not r.spent_height:
            return Outpoint(r.txid, r.vout)
    return None
