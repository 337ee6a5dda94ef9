"""How does a channel open on an output that holds an asset?

    the wallet of assets makes the funding transaction, unsigned for all others, and a consignment of it
    opener                                     acceptor
      |---- open_channel, with TERMS ------------>|   the contract has to be one that its user accepts
      |<--- accept_channel -----------------------|
      |---- the consignment, in pieces ---------->|   read, judged, compared: the amount stands on this very output
      |<--- rgb_verdict --------------------------|
      |---- funding_created, funding_signed ----->|   both begin with the same state
      the funding transaction is kept with the channel, and only then broadcast

Whatever ends this before the last line leaves the tokens where they were. After it, what is not broadcast yet is
broadcast by `recover`: when the plugin starts again, and at each block.
"""

import asyncio
import secrets
import time
from typing import Any, Final

import msgspec
from lnpd_sdk.envelope import BusError, CallFailed
from lnpd_sdk.hooks import InitialStates
from lnpd_sdk.plugin import Node
from lnpd_sdk.types import OPENER, View

from nia import consignment as files
from nia import history
from nia.errors import NiaError
from nia.genesis import ChainNet
from nia.names import contract_id_of, contract_name
from nia.seals import Seal
from nia.transaction import Tx
from rgb_channel import rules, state
from rgb_channel.provider import CHANNEL_TYPE, NAME
from rgb_engine.engine import Engine
from rgb_engine.errors import EngineError
from rgb_engine.values import Funding as Made
from rgb_node.errors import AmountUnfit, AssetRefused, ConsignmentRefused, OpeningRefused
from rgb_node.shelf import Funding, Outpoint, Shelf
from rgb_node.wire import MAX_AMOUNT, MAX_REASON, Incoming, Piece, Terms, pieces_of

VERDICT_SECONDS: Final = 90.0
AGAIN_SECONDS: Final = 2.0
UNSIGNED: Final = ("awaiting_funding", "awaiting_funding_signed")  # by the peer: nothing would bring the tokens back
OVER: Final = "closed"
EXPECTED_SECONDS: Final = 120.0  # from an open_channel to the last piece of its consignment
MAX_EXPECTED: Final = 16
UNUSED_SECONDS: Final = 1_200.0  # then an accepted consignment has its channel, or is forgotten
MAX_UNUSED: Final = 64  # with 2 MB at most
MAX_UNUSED_EACH: Final = 4  # of one peer
STRANGERS: Final = 2  # peers without a channel have one in so many of all these places
DUST_SAT: Final = 5_000  # the most that lnpd grants a peer: which limit this one has is not told


class Expected(msgspec.Struct):
    """An opening of a peer's: what it says that the funding will hold, and what came of its consignment."""

    terms: Terms
    funding_sat: int
    until_seconds: float
    incoming: Incoming
    transfer: bytes = b""  # that is or was judged
    judging: "asyncio.Task[None] | None" = None


class Unused(msgspec.Struct, frozen=True):
    """An accepted consignment: whose, and when a channel on it has come about or never does."""

    peer: str
    until_seconds: float


class Openings:
    """The openings of one node, its own and its peers'."""

    def __init__(self, engine: Engine, shelf: Shelf, chain: ChainNet) -> None:
        self._engine, self._shelf, self._chain = engine, shelf, chain
        self._opening: dict[str, Terms] = {}  # of ours, by peer: what open_channel says
        self._verdicts: dict[tuple[str, bytes], asyncio.Future[str]] = {}  # by peer and transfer; an empty text accepts
        self._expected: dict[str, Expected] = {}  # of peers, by node id
        self._accepted: dict[Outpoint, Unused] = {}  # of peers
        self._entering = asyncio.Lock()  # no opening begins while it is found out what became of earlier ones
        self.doubtful = True  # whether `recover` has something to find out

    # --- our own
    async def open(
        self, node: Node, peer: str, amount_sat: int, asset: str, amount: int, push_msat: int, feerate: int
    ) -> dict[str, Any]:
        """Opens a channel whose funding holds `amount` (smallest units) of one of our assets, all of it ours.

        `feerate` in sat per vbyte. AssetRefused, EngineError, and what the node refuses.
        """
        if not 0 < amount <= MAX_AMOUNT:
            raise AmountUnfit(f"An asset's amount is 1 to {MAX_AMOUNT}, not {amount}.")
        known = await self._engine.asset(asset)
        terms = Terms(contract_id_of(known.asset_id), amount)
        async with self._entering:
            if peer in self._opening:
                raise OpeningRefused(f"A channel to {peer} is being opened already.")
            self._opening[peer] = terms
        try:
            opening = await node.open_unfunded(peer, amount_sat, push_msat, CHANNEL_TYPE.name)
            return await self._funded(node, peer, opening.opening, opening.script_pubkey, amount_sat, terms, feerate)
        finally:
            del self._opening[peer]

    async def _funded(
        self, node: Node, peer: str, opening: str, script: bytes, amount_sat: int, terms: Terms, feerate: int
    ) -> dict[str, Any]:
        """From an opening that waits for its funding to a broadcast one."""
        asset_id, made = contract_name(terms.contract_id), None
        try:
            blinding = secrets.randbits(64)
            made = await self._engine.fund_script(script, amount_sat, asset_id, terms.amount, blinding, feerate)
            outpoint = Outpoint(made.txid, made.vout)
            found = await asyncio.to_thread(self._read, made.consignment, made.vout, terms)
            funding = _funding(peer, True, terms, found, amount_sat)
            await self._shelf.put_funding(node, outpoint, funding, made.consignment)
            await self._offer(node, peer, made)
            channel_id = await node.fund_unfunded(opening, made.vout, (made.unsigned,))
        except BaseException:
            await asyncio.shield(self._given_up(node, opening, made))
            raise
        self.doubtful = True
        await node.keep_ancestors(channel_id, (made.signed,))
        await self._engine.finish(made.txid)
        return {"channel_id": channel_id, "funding": str(outpoint), "asset_id": asset_id, "amount": terms.amount}

    async def _given_up(self, node: Node, opening: str, made: Made | None) -> None:
        """The peer is told, and the tokens are free again; unless a channel has come about, or nobody can say: then
        `recover` sees to it."""
        try:
            await node.drop_unfunded(opening)
        except BusError as error:
            known = isinstance(error, CallFailed) and error.code == "NoSuchOpening"
            if made is not None and (not known or await self._is_channels(node, Outpoint(made.txid, made.vout))):
                self.doubtful = True
                return
        if made is not None:
            await self._engine.cancel(made.txid)
            await self._shelf.drop_funding(node, Outpoint(made.txid, made.vout))

    async def _is_channels(self, node: Node, outpoint: Outpoint, closed: bool = False) -> bool:
        """Whether a channel stands on it. One that failed before both had signed is closed: it must not be funded."""
        return any(row["funding"] == str(outpoint) for row in await node.channels(closed))

    async def _offer(self, node: Node, peer: str, made: Made) -> None:
        """Sends the consignment, and waits for the peer's verdict. OpeningRefused."""
        pieces = tuple(pieces_of(made.consignment, made.vout))
        key = peer, pieces[0].transfer
        verdict = self._verdicts[key] = asyncio.get_running_loop().create_future()
        try:
            for piece in pieces:
                await node.send(peer, "rgb_consignment", msgspec.structs.asdict(piece))
            async with asyncio.timeout(VERDICT_SECONDS):
                while not (await asyncio.wait({verdict}, timeout=AGAIN_SECONDS))[0]:  # a killed peer says: no opening
                    await node.send(peer, "rgb_consignment", msgspec.structs.asdict(pieces[-1]))
            reason = verdict.result()
        except TimeoutError:
            raise OpeningRefused(f"The peer has not judged the consignment within {VERDICT_SECONDS:g} s.") from None
        except BusError as error:
            raise OpeningRefused(f"The peer has not judged the consignment: {error}") from None
        finally:
            del self._verdicts[key]
        if reason:
            raise OpeningRefused(f"The peer refuses the consignment: {reason}")

    def terms_for(self, peer: str) -> Terms | None:
        """What an open_channel of ours to this peer says beside BOLT 2."""
        return self._opening.get(peer)

    def heard_verdict(self, peer: str, transfer: bytes, accepted: bool, reason: bytes) -> None:
        """A peer has judged what we sent to it; of what nobody waits for, nothing."""
        waiting = self._verdicts.get((peer, transfer))
        if waiting is not None and not waiting.done():
            text = reason[:MAX_REASON].decode("utf-8", "replace")
            waiting.set_result("" if accepted else text or "it does not say why")

    async def recover(self, node: Node) -> None:
        """What the wallet of assets has signed and not sent is broadcast if both have signed its channel, and taken
        back if there is none; while openings are under way it is left for later. At the start, and after what nobody
        could say the end of."""
        later = time.monotonic() + UNUSED_SECONDS
        async with self._entering:
            if self._opening:
                return
            self.doubtful = False
            try:
                rows = {row["funding"]: row for row in await node.channels(closed=True)}
                for each in await self._engine.transfers():
                    if each.kind == "sent" and each.status == "unsent":
                        await self._recovered(node, each.txid, list(rows.values()))
                for outpoint, funding in (await self._shelf.fundings(node)).items():
                    if not funding.opener and str(outpoint) not in rows:
                        self._accepted.setdefault(outpoint, Unused(funding.peer, later))
            except (BusError, EngineError):
                self.doubtful = True
                raise

    async def _recovered(self, node: Node, txid: str, rows: list[dict[str, Any]]) -> None:
        row = next((row for row in rows if row["funding"].partition(":")[0] == txid), None)
        state = OVER if row is None else row["state"]
        if state in UNSIGNED:
            self.doubtful = True
        elif row is None or state == OVER:
            await self._engine.cancel(txid)
            for outpoint in [key for key in await self._shelf.fundings(node) if key.txid == txid]:
                await self._shelf.drop_funding(node, outpoint)
        else:
            await node.keep_ancestors(row["channel_id"], (await self._engine.signed(txid),))
            await self._engine.finish(txid)

    # --- the peers'
    async def proposed(self, node: Node, peer: str, funding_sat: int, terms: Terms) -> str:
        """Why an open_channel of our type is refused; empty if it may go on."""
        if terms.contract_id not in await self.known(node):
            name = contract_name(terms.contract_id)
            return f"the asset {name} is unknown here; its user may take it by: lnp rgb accept {name}"
        now = time.monotonic()
        for late in [key for key, each in self._expected.items() if not each.judging and each.until_seconds <= now]:
            del self._expected[late]
        await self._forget_unused(node, now)
        if why := await self._crowded(node, peer):
            return why
        self.parted(peer)  # from what it began before
        self._expected[peer] = Expected(terms, funding_sat, now + EXPECTED_SECONDS, Incoming())
        return ""

    async def _crowded(self, node: Node, peer: str) -> str:
        """Why there is no place for one more opening of this peer; empty if there is. Node ids cost nothing, so those
        that have no channel here never fill all places."""
        is_known = any(row["usable"] and row["peer"] == peer for row in await node.channels())
        share = 1 if is_known else STRANGERS
        if len(self._expected.keys() - {peer}) >= MAX_EXPECTED // share:
            return "too many channels with assets are being opened here: try again later"
        owners = [each.peer for each in self._accepted.values()]
        if len(owners) >= MAX_UNUSED // share or owners.count(peer) >= MAX_UNUSED_EACH:
            return "too many channels with assets were begun here and not opened: try again later"
        return ""

    def parted(self, peer: str) -> None:
        """A peer is gone: an opening of its that is not funded ends with the connection, and gives up its place."""
        expected = self._expected.pop(peer, None)
        if expected is not None and expected.judging is not None:
            expected.judging.cancel()

    async def _forget_unused(self, node: Node, now: float) -> None:
        """Consignments without a channel: whoever has one token could send them for ever."""
        for outpoint in [key for key, each in self._accepted.items() if each.until_seconds <= now]:
            del self._accepted[outpoint]
            if not await self._is_channels(node, outpoint, closed=True):
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
        found = await asyncio.to_thread(self._read, whole, vout, expected.terms)
        asset_id, amount = contract_name(expected.terms.contract_id), expected.terms.amount
        output = found.witness.outputs[vout]
        outpoint = Outpoint(found.witness.txid()[::-1].hex(), vout)
        if output.value_sat != expected.funding_sat:
            return f"output {vout} holds {output.value_sat} sat, and the channel {expected.funding_sat}"
        await self._engine.validate(whole, output.script, outpoint.txid, vout, asset_id, amount)
        funding = _funding(peer, False, expected.terms, found, expected.funding_sat)
        if await self._shelf.funding(node, outpoint) not in (None, funding):
            return "this output is the funding of another opening"
        if len(self._accepted) >= MAX_UNUSED:
            return "too many channels with assets were begun here and not opened"
        if not await self._is_channels(node, outpoint, closed=True):
            self._accepted[outpoint] = Unused(peer, time.monotonic() + UNUSED_SECONDS)
        await self._shelf.put_funding(node, outpoint, funding, whole)
        return ""

    async def _tell(self, node: Node, peer: str, transfer: bytes, reason: str) -> None:
        fields = {"transfer": transfer, "accepted": int(not reason), "reason": reason.encode()[:MAX_REASON]}
        try:
            await node.send(peer, "rgb_verdict", fields)
        except BusError as error:
            await node.log("info", f"The verdict on a consignment does not reach {peer}: {error}")

    # --- both
    async def begun(
        self, node: Node, peer: str, opener: bool, outpoint: Outpoint, terms: dict[str, int]
    ) -> str | InitialStates:
        """The state in which a channel begins, or why there is none. terms: funding_sat, push_msat, feerate_per_kw."""
        funding = await self._shelf.funding(node, outpoint)
        if funding is None or (funding.peer, funding.opener) != (peer, opener):
            return f"no consignment of this opening assigns an asset to {outpoint}"
        if outpoint in self._accepted:
            self._accepted[outpoint] = Unused(peer, time.monotonic() + UNUSED_SECONDS)
        if funding.funding_sat != terms["funding_sat"]:
            return f"the consignment is of {funding.funding_sat} sat, and the channel of {terms['funding_sat']}"
        highest = state.highest_per_kw(terms["feerate_per_kw"])
        encoded = state.begin(funding.contract_id, funding.op_id, funding.index, (funding.amount, 0), highest)
        begins = state.read(encoded)
        assert begins is not None
        if why := rules.beginning_refused(_view(outpoint, **terms), begins):
            return why
        return InitialStates({NAME: encoded.hex()})

    def _read(self, data: bytes, vout: int, terms: Terms) -> "Found":
        """What a consignment says, if it assigns exactly the terms to an output of its last transaction.

        ConsignmentRefused, and classes of NiaError.
        """
        consignment = files.parse(data)
        said = history.check(consignment, self._chain)
        if said.contract_id != terms.contract_id:
            raise ConsignmentRefused(f"The consignment is of {contract_name(said.contract_id)}, another asset.")
        witness = consignment.bundles[-1].witness if consignment.bundles else None
        if not isinstance(witness, Tx) or said.last is None or vout >= len(witness.outputs):
            raise ConsignmentRefused("The consignment has no transaction with the channel's output.")
        upon = said.upon(said.last, vout)
        if [each.amount for each in upon] != [terms.amount] or not isinstance(upon[0].assignment.seal, Seal):
            shown = " and ".join(str(each.amount) for each in upon) or "nothing"
            raise ConsignmentRefused(f"The consignment assigns {shown} to the output, and not {terms.amount}.")
        return Found(witness, upon[0].opout.op_id, upon[0].opout.index)


class Found(msgspec.Struct, frozen=True):
    """The funding transaction of a consignment, and the assignment upon its output."""

    witness: Tx
    op_id: bytes
    index: int


def _funding(peer: str, opener: bool, terms: Terms, found: Found, funding_sat: int) -> Funding:
    return Funding(peer, opener, terms.contract_id, found.op_id, found.index, terms.amount, funding_sat)


def _view(outpoint: Outpoint, funding_sat: int, push_msat: int, feerate_per_kw: int) -> View:
    """As much of commitment 0 as the rules of a beginning ask for."""
    return View(
        funding_txid=bytes.fromhex(outpoint.txid)[::-1],
        funding_vout=outpoint.vout,
        capacity_sat=funding_sat,
        holder=OPENER,
        number=0,
        feerate_per_kw=feerate_per_kw,
        dust_limit_sat=(DUST_SAT, DUST_SAT),
        to_self_delay=(1, 1),
        balances_msat=(1000 * funding_sat - push_msat, push_msat),
        features=(),
    )
