"""Which channels with an asset does a node take, whose consignments, and how many may leave it with nothing?

The other side of opener.py. A peer sends the consignment of its funding before it names it in funding_created; one that
names none leaves it here for nothing, and whoever has one token can make as many as it likes. So all that strangers
could fill is counted: openings that wait for a consignment, and accepted consignments that have no channel yet.
"""

import asyncio
import time
from typing import Final

import msgspec
from lnpd_sdk.envelope import BusError
from lnpd_sdk.hooks import InitialStates
from lnpd_sdk.plugin import Node

from nia.errors import NiaError
from nia.genesis import ChainNet
from nia.names import contract_id_of, contract_name
from rgb_engine.engine import Engine
from rgb_engine.errors import EngineError
from rgb_node.beginning import OVER, begun, read_funding
from rgb_node.errors import AssetRefused, ConsignmentRefused
from rgb_node.shelf import Outpoint, Shelf
from rgb_node.wire import MAX_REASON, Incoming, Piece, Terms

EXPECTED_SECONDS: Final = 120.0  # from an open_channel to the last piece of its consignment
MAX_EXPECTED: Final = 16
UNUSED_SECONDS: Final = 120.0  # from a verdict to funding_created, and from there to the channel: hooks have 5 s each
MAX_UNUSED: Final = 64  # with 2 MB at most
MAX_UNUSED_EACH: Final = 16  # of one peer
STRANGERS: Final = 2  # peers without a channel have one in so many of all these places


class Expected(msgspec.Struct):
    """An opening of a peer's: what it says that the funding will hold, and what came of its consignment."""

    terms: Terms
    funding_sat: int
    until_seconds: float
    incoming: Incoming
    transfer: bytes = b""  # that is or was judged
    judging: "asyncio.Task[None] | None" = None


class Unused(msgspec.Struct, frozen=True):
    """An accepted consignment: whose, when a channel on it has come about or never does, and whether funding_created
    has named it: what it names belongs to the node until then."""

    peer: str
    until_seconds: float
    named: bool = False


class Acceptor:
    """The channels that peers of a node open."""

    def __init__(self, engine: Engine, shelf: Shelf, chain: ChainNet) -> None:
        self._engine, self._shelf, self._chain = engine, shelf, chain
        self._expected: dict[str, Expected] = {}  # by node id
        self._unused: dict[Outpoint, Unused] = {}
        self._knows_all = False  # whether those of before its start are among them
        self._tidying = asyncio.Lock()  # nothing is named while it is thrown away

    async def proposed(self, node: Node, peer: str, funding_sat: int, terms: Terms) -> str:
        """Why an open_channel of our type is refused; empty if it may go on."""
        if terms.contract_id not in await self.known(node):
            name = contract_name(terms.contract_id)
            return f"the asset {name} is unknown here; its user may take it by: lnp rgb accept {name}"
        now = time.monotonic()
        for late in [key for key, each in self._expected.items() if not each.judging and each.until_seconds <= now]:
            del self._expected[late]
        self.parted(peer)  # from what it began before
        await self.tidy(node)
        if why := await self._crowded(node, peer):
            return why
        self._expected[peer] = Expected(terms, funding_sat, now + EXPECTED_SECONDS, Incoming())
        return ""

    async def _crowded(self, node: Node, peer: str) -> str:
        """Why there is no place for one more opening of this peer; empty if there is. Node ids cost nothing, so those
        that have no channel here never fill all places."""
        is_known = any(row["usable"] and row["peer"] == peer for row in await node.channels())
        share = 1 if is_known else STRANGERS
        if len(self._expected.keys() - {peer}) >= MAX_EXPECTED // share:
            return "too many channels with assets are being opened here: try again later"
        owners = [each.peer for each in self._unused.values()]
        if len(owners) >= MAX_UNUSED // share or owners.count(peer) >= MAX_UNUSED_EACH // share:
            return "too many channels with assets were begun here and not opened: try again later"
        return ""

    def parted(self, peer: str) -> None:
        """A peer is gone: an opening of its that is not funded ends with the connection, and gives up its place."""
        expected = self._expected.pop(peer, None)
        if expected is not None and expected.judging is not None:
            expected.judging.cancel()
        for outpoint, each in self._unused.items():
            if each.peer == peer and not each.named:
                self._unused[outpoint] = Unused(peer, 0.0)

    async def tidy(self, node: Node) -> None:
        """Throws consignments away of which no channel came, also those that were accepted before a restart."""
        async with self._tidying:
            now = time.monotonic()
            if not self._knows_all:
                for outpoint, funding in (await self._shelf.fundings(node)).items():
                    if not funding.opener:
                        self._unused.setdefault(outpoint, Unused(funding.peer, now + UNUSED_SECONDS, named=True))
                self._knows_all = True
            rows = {row["funding"]: row for row in await node.channels(closed=True)} if self._unused else {}
            for outpoint, each in [*self._unused.items()]:
                row = rows.get(str(outpoint))
                if row is None and each.until_seconds > now:
                    continue
                del self._unused[outpoint]
                if row is None or (row["state"] == OVER and not row["closing_txid"]):  # it was never funded
                    await self._shelf.drop_funding(node, outpoint)

    async def known(self, node: Node) -> frozenset[bytes]:
        """The contracts whose channels this node takes: those of its assets, and those that its user accepted."""
        own = {contract_id_of(asset.asset_id) for asset in await self._engine.assets()}
        return await self._shelf.accepted(node) | own

    async def heard_piece(self, node: Node, peer: str, piece: Piece) -> None:
        """A piece of a consignment; the last one has it judged, beside this. The peer is told what becomes of it."""
        expected = self._expected.get(peer)
        if expected is not None and piece.transfer == expected.transfer:
            return None  # asked again: it is being judged
        if expected is None or expected.judging is not None:
            return await self._tell(node, peer, piece.transfer, "no opening of yours waits for a consignment here")
        try:
            whole = expected.incoming.add(piece)
        except ConsignmentRefused as error:
            return await self._tell(node, peer, piece.transfer, str(error))
        if whole is not None:
            expected.transfer = piece.transfer
            expected.judging = asyncio.create_task(self._judge(node, peer, expected, piece, whole))
        return None

    async def _judge(self, node: Node, peer: str, expected: Expected, piece: Piece, whole: bytes) -> None:
        try:
            reason = await self._judged(node, peer, expected, piece.vout, whole)
        except (NiaError, AssetRefused, EngineError) as error:
            reason = f"{type(error).__name__}: {error}"
        except Exception as error:
            await node.log("error", f"A consignment of {peer} could not be judged: {error!r}")
            reason = "it could not be judged"
        expected.judging = None
        if self._expected.get(peer) is expected:
            del self._expected[peer]
        await self._tell(node, peer, piece.transfer, reason)

    async def _judged(self, node: Node, peer: str, expected: Expected, vout: int, whole: bytes) -> str:
        found = await asyncio.to_thread(read_funding, self._chain, whole, vout, expected.terms)
        asset_id, amount = contract_name(expected.terms.contract_id), expected.terms.amount
        output = found.witness.outputs[vout]
        outpoint = Outpoint(found.witness.txid()[::-1].hex(), vout)
        if output.value_sat != expected.funding_sat:
            return f"output {vout} holds {output.value_sat} sat, and the channel {expected.funding_sat}"
        await self._engine.validate(whole, output.script, outpoint.txid, vout, asset_id, amount)
        funding = found.funding(peer, False, expected.terms, expected.funding_sat)
        if await self._shelf.funding(node, outpoint) not in (None, funding):
            return "this output is the funding of another opening"
        if len(self._unused) >= MAX_UNUSED:
            return "too many channels with assets were begun here and not opened"
        async with self._tidying:
            self._unused[outpoint] = Unused(peer, time.monotonic() + UNUSED_SECONDS)
            await self._shelf.put_funding(node, outpoint, funding, whole)
        return ""

    async def _tell(self, node: Node, peer: str, transfer: bytes, reason: str) -> None:
        fields = {"transfer": transfer, "accepted": int(not reason), "reason": reason.encode()[:MAX_REASON]}
        try:
            await node.send(peer, "rgb_verdict", fields)
        except BusError as error:
            await node.log("info", f"The verdict on a consignment does not reach {peer}: {error}")

    async def begun(self, node: Node, peer: str, outpoint: Outpoint, terms: dict[str, int]) -> str | InitialStates:
        """In which state a peer's channel begins."""
        async with self._tidying:
            known = self._unused.get(outpoint)
            if known is not None and known.peer == peer:
                self._unused[outpoint] = Unused(peer, time.monotonic() + UNUSED_SECONDS, named=True)
            return await begun(self._shelf, node, peer, False, outpoint, terms)
