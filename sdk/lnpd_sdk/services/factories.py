"""How does a plugin open channels on an output that is not on chain yet, and that others fund?

    opening = await node.open_unfunded(peer, 500_000)
    ...                                       # others build what pays opening.script_pubkey, and do not sign it yet
    channel_id = await node.fund_unfunded(opening.opening, vout, (transaction,))
    ...                                       # both first commitments are signed: now the transaction may be
    await node.keep_ancestors(channel_id, (signed,))

The node neither funds nor publishes it: whoever made it does (`broadcast`), and the channel then waits for its
confirmations as always. For a forced close before that, the node broadcasts what it was given to keep, parents first.
"""

import msgspec

from lnpd_sdk.services.base import Asks


class OpenUnfunded(msgspec.Struct, frozen=True):
    """What `open_unfunded` takes."""

    peer: str
    amount_sat: int
    push_msat: int = 0
    channel_type: str = ""


class Opening(msgspec.Struct, frozen=True):
    """An opening that waits for its funding, for ten minutes or until the connection ends: an output has to pay exactly
    `amount_sat` to `script_pubkey`."""

    opening: str
    script_pubkey: bytes
    amount_sat: int


class FundUnfunded(msgspec.Struct, frozen=True):
    """What `fund_unfunded` takes. The last of the `transactions` (serialised) has the output `vout`."""

    opening: str
    vout: int
    transactions: tuple[bytes, ...]


class DropUnfunded(msgspec.Struct, frozen=True):
    """What `drop_unfunded` takes."""

    opening: str


class Ancestors(msgspec.Struct, frozen=True):
    """What `keep_ancestors` takes. The last of the `transactions` (serialised) funds the channel."""

    channel_id: str
    transactions: tuple[bytes, ...]


class FactoryAsks(Asks):
    """`Node`'s methods for channels that others fund."""

    async def open_unfunded(self, peer: str, amount_sat: int, push_msat: int = 0, channel_type: str = "") -> Opening:
        """Opens a channel to a connected peer (node id in hex) up to the point where its funding is wanted.

        What the node holds to for channels of its own (limits, types, hooks of both sides) holds here. Needs the
        capability `factory`. ChannelRefused says what the peer, or this node, has against it.
        """
        found: Opening = await self._ask(
            "open_unfunded", OpenUnfunded(peer, amount_sat, push_msat, channel_type), Opening
        )
        return found

    async def fund_unfunded(self, opening: str, vout: int, transactions: tuple[bytes, ...]) -> str:
        """Names the output; both sides sign their first commitments on it. Returns the channel's id (hex).

        `transactions` are all that is unconfirmed and leads there, parents first, the funding last; up to 23. They are
        kept. Witnesses may be missing, and should be: what is published before both sides have signed their commitments
        belongs to both parties, who may never agree. All inputs are segwit. Refused by name, the opening left as it
        was: NothingKept, AncestorsUnfit, NamedScriptWrong, NamedAmountWrong, OutpointTaken.
        """
        channel_id: str = await self._ask("fund_unfunded", FundUnfunded(opening, vout, transactions), str)
        return channel_id

    async def keep_ancestors(self, channel_id: str, transactions: tuple[bytes, ...]) -> None:
        """Replaces what is kept for a channel that this plugin opened, once it is signed (NotItsFactory for another's);
        on the acceptor's side, where no plugin opened it, has it kept at all.

        Each that is signed is run against what it spends by Bitcoin Core's interpreter (py-bitcoinkernel, the extra
        `lnpd[regtest]`), as far as that is among the transactions or unspent on the chain. AncestorsUnfit: it is signed
        in vain; or is signed otherwise than what is kept, or comes from the acceptor's side, and could not be judged.

        A forced close broadcasts them before the commitment; of a channel that has failed already, at once. Their fees
        are what they are, and nothing raises them: what a commitment's anchor adds counts for the commitment alone, so
        let them pay what a busy day asks. A static backup does not hold them: it comes back by the peer's forced close,
        for which the funding has to be on the chain. A plugin keeps its transactions elsewhere too until it is.
        """
        await self._ask("keep_ancestors", Ancestors(channel_id, transactions), None)

    async def drop_unfunded(self, opening: str) -> None:
        """Gives an opening up; the peer is told. NoSuchOpening if both sides have signed meanwhile."""
        await self._ask("drop_unfunded", DropUnfunded(opening), None)
