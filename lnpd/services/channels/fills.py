"""How do signatures and secrets get into what was stored without them?

Before the commit the signer says whether it will; after it, and not before, it is asked for what a message or a
transaction lacks. It is deterministic: after a crash the same question gives the same bytes.
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence

from msgspec.structs import replace

from lnpd.channel.actions import (
    Action,
    Broadcast,
    CompleteClosing,
    ReleaseSecret,
    Send,
    SignAuxiliary,
    SignBroadcast,
    SignClosing,
    SignCommitment,
)
from lnpd.channel.queries import Kept, commitment_key
from lnpd.channel.state import Channel
from lnpd.crypto.shachain import index_of
from lnpd.services.channels.batch import find_by_txid, find_row, kept_of
from lnpd.services.channels.queries import Queries
from lnpd.services.interfaces import (
    ChannelIndex,
    ClaimInput,
    SecondStage,
    Signer,
    SignerRecord,
    SignerRecords,
    StagePart,
)
from lnpd.services.interfaces import Claim as ClaimRequest
from lnpd.store.store import Store
from lnpd.tx.claims import Claimable
from lnpd.tx.graph import CommitmentSignatures, Graph
from lnpd.tx.presigned import in_auxiliary, in_commitment_signed
from lnpd.tx.transaction import Tx, TxOut
from lnpd.wire.base import Message
from lnpd.wire.messages import (
    AuxiliarySignatures,
    ClosingSigned,
    CommitmentSigned,
    FundingCreated,
    FundingSigned,
    RevokeAndAck,
)

log = logging.getLogger("lnpd.channels")

REMEMBERED = 8  # graphs that were just built and are about to be signed


class Fills:
    """Fills for one channel."""

    def __init__(self, signer: Signer, store: Store, index: ChannelIndex) -> None:
        self._signer, self._store, self._index = signer, store, index
        self._graphs: OrderedDict[str, Graph] = OrderedDict()
        self._signed: tuple[Graph, CommitmentSignatures] | None = None  # several messages carry parts of it

    async def take_back(self) -> None:
        """The signer may have prepared what is not stored."""
        try:
            rows = await self._store.read(lambda read: read.signer_states())
            await self._signer.take_back(self._index, tuple(SignerRecord(key, value) for key, value in rows))
        except Exception as error:
            log.error("channel index %s: the signer goes on from a step that is not stored: %s", self._index, error)

    def _remember(self, graph: Graph) -> None:
        """This graph is about to be signed: it need not be read back."""
        self._graphs[commitment_key(graph.funding.txid, graph.holder, graph.number)] = graph
        if len(self._graphs) > REMEMBERED:
            self._graphs.popitem(last=False)

    async def prepare(self, queries: Queries, channel: Channel, actions: list[Action]) -> list[SignerRecords]:
        """Has the signer check, before anything is stored, what it will be asked for after it."""
        prepared: list[SignerRecords] = []
        fills = [fill for action in actions if isinstance(action, Send | Broadcast) for fill in action.fill]
        for fill in fills:
            match fill:
                case SignCommitment(funding_txid=txid, number=number):
                    graph = await queries.unsigned(actions, channel, txid, number)
                    revealed = channel.their_secrets.get(index_of(number - 2)) if number > 1 else b""
                    prepared.append(await self._signer.prepare_commitment(self._index, graph, revealed or b""))
                    self._remember(graph)
                case ReleaseSecret(number=number):
                    prepared.append(await self._signer.prepare_release(self._index, number))
                case SignBroadcast(number=number):
                    prepared.append(await self._signer.prepare_broadcast(self._index, number))
                case SignClosing():
                    prepared.append(await self._signer.prepare_closing(self._index, fill))
                case CompleteClosing(signing=signing):
                    prepared.append(await self._signer.prepare_closing(self._index, signing))
        return [records for records in prepared if records]

    async def message(self, channel: Channel, send: Send) -> Message:
        """A message with everything that it lacked."""
        message = send.message
        for fill in send.fill:
            match fill, message:
                case SignCommitment(), CommitmentSigned():
                    graph, signatures = await self._commitment(channel, fill)
                    listed = in_commitment_signed(graph, signatures.children)
                    message = replace(message, signature=signatures.commitment, htlc_signature=listed)
                case SignAuxiliary(provider=provider, start=start), AuxiliarySignatures():
                    graph, signatures = await self._commitment(channel, fill)
                    data = in_auxiliary(graph, provider, signatures.children)
                    message = replace(message, data=data[start : start + len(message.data)])
                case SignCommitment(), FundingCreated() | FundingSigned():
                    message = replace(message, signature=(await self._commitment(channel, fill))[1].commitment)
                case ReleaseSecret(number=number), RevokeAndAck():
                    released = await self._signer.release_secret(self._index, number)
                    message = replace(
                        message,
                        per_commitment_secret=released.per_commitment_secret,
                        next_per_commitment_point=released.next_per_commitment_point,
                    )
                case SignClosing(), ClosingSigned():
                    message = replace(message, signature=await self._signer.sign_closing(self._index, fill))
                case _:
                    raise AssertionError(f"{type(fill).__name__} fills no {type(message).__name__}")
        return message

    async def transaction(self, channel: Channel, action: Broadcast) -> Tx:
        """A commitment or a mutual close that is ready for the network."""
        tx = action.transaction
        for fill in action.fill:
            match fill:
                case SignBroadcast(funding_txid=txid, number=number):
                    kept = await self.kept(channel, commitment_key(txid, channel.us, number))
                    assert kept.signatures is not None, "our own commitment is kept with the peer's signatures"
                    tx = await self._signer.sign_broadcast(self._index, kept.graph, kept.signatures)
                case CompleteClosing():
                    tx = await self._signer.complete_closing(self._index, fill)
                case _:
                    raise AssertionError(f"{type(fill).__name__} completes no transaction")
        return tx

    async def sweep(
        self, graph: Graph, tx: Tx, claims: Sequence[Claimable], secret: bytes = b"", others: tuple[TxOut, ...] = ()
    ) -> Tx:
        """A transaction whose first inputs take these outputs of a commitment, or of its children, with their
        witnesses; `others` are what its further inputs spend."""
        inputs = tuple(
            ClaimInput(each.vout, each.path.name, each.child, each.late, _place(graph, each)) for each in claims
        )
        return await self._signer.sign_claim(self._index, ClaimRequest(graph, tx, inputs, secret, others))

    async def second_stage(self, kept: Kept, tx: Tx, claims: Sequence[Claimable], others: tuple[TxOut, ...] = ()) -> Tx:
        """A transaction whose first inputs take outputs of our own commitment through these claims' children, with
        their witnesses; `others` are what its further inputs spend."""
        assert kept.signatures is not None, "our own commitment is kept with the peer's signatures"
        theirs = kept.signatures.children
        parts = tuple(StagePart(each.stage, theirs[each.stage], each.late) for each in claims)
        return await self._signer.sign_second_stage(self._index, SecondStage(kept.graph, parts, tx, others))

    async def _commitment(
        self, channel: Channel, fill: SignCommitment | SignAuxiliary
    ) -> tuple[Graph, CommitmentSignatures]:
        key = commitment_key(fill.funding_txid, channel.them, fill.number)
        graph = self._graphs.get(key) or (await self.kept(channel, key)).graph
        if self._signed is None or self._signed[0] is not graph:
            self._signed = graph, await self._signer.sign_commitment(self._index, graph)
        return self._signed

    async def commitment(self, txid: bytes) -> Graph | None:
        """The kept commitment, of either side, whose transaction has this id."""
        kept = kept_of(await self._store.read(lambda read: find_by_txid(read, "commitment", txid)))
        return kept.graph if kept is not None else None

    async def kept(self, channel: Channel, key: str) -> Kept:
        """A commitment that was stored; see commitment_key."""
        kept = kept_of(await self._store.read(lambda read: find_row(read, channel, "commitment", key)))
        assert kept is not None, "what is to be signed was kept in the transaction before"
        return kept


def _place(graph: Graph, claim: Claimable) -> int:
    """Which output of its child a claim takes."""
    return graph.children[claim.child].outputs.index(claim.output) if claim.child >= 0 else 0
