"""How does a channel open on an output that holds an asset?

    the wallet of assets makes the funding transaction, unsigned for all others, and a consignment of it
    opener                                     acceptor
      |---- open_channel, with TERMS ------------>|   the contract has to be one that its user accepts
      |<--- accept_channel -----------------------|
      |---- the consignment, in pieces ---------->|   read, judged, compared: the amount stands on this very output
      |<--- rgb_verdict --------------------------|
      |---- funding_created, funding_signed ----->|   both begin with the same state
      the funding transaction is kept with the channel, and only then broadcast

Here is the opener; the acceptor is in acceptor.py. Whatever ends this before the last line leaves the tokens where they
were. After it, what is not broadcast yet is broadcast by `recover`: when the plugin starts again, and at each block.
"""

import asyncio
import secrets
from typing import Any, Final

import msgspec
from lnpd_sdk.envelope import BusError, CallFailed
from lnpd_sdk.hooks import InitialStates
from lnpd_sdk.plugin import Node

from nia.genesis import ChainNet
from nia.names import contract_id_of, contract_name
from rgb_channel.provider import CHANNEL_TYPE
from rgb_engine.engine import Engine
from rgb_engine.errors import EngineError
from rgb_engine.values import Funding as Made
from rgb_node.beginning import OVER, begun, read_funding
from rgb_node.errors import AmountUnfit, OpeningRefused
from rgb_node.shelf import Outpoint, Shelf
from rgb_node.wire import MAX_AMOUNT, MAX_REASON, Terms, pieces_of

VERDICT_SECONDS: Final = 90.0
AGAIN_SECONDS: Final = 2.0
UNSIGNED: Final = ("awaiting_funding", "awaiting_funding_signed")  # by the peer: nothing would bring the tokens back


class Opener:
    """The channels that a node opens."""

    def __init__(self, engine: Engine, shelf: Shelf, chain: ChainNet) -> None:
        self._engine, self._shelf, self._chain = engine, shelf, chain
        self._opening: dict[str, Terms] = {}  # by peer: what open_channel says
        self._verdicts: dict[tuple[str, bytes], asyncio.Future[str]] = {}  # by peer and transfer; an empty text accepts
        self._entering = asyncio.Lock()  # no opening begins while it is found out what became of earlier ones
        self.doubtful = True  # whether `recover` has something to find out

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
            found = await asyncio.to_thread(read_funding, self._chain, made.consignment, made.vout, terms)
            funding = found.funding(peer, True, terms, amount_sat)
            await self._shelf.put_funding(node, outpoint, funding, made.consignment)
            await self._offer(node, peer, made)
            channel_id = await node.fund_unfunded(opening, made.vout, (made.unsigned,))
        except BaseException:
            self.doubtful = True  # neither the node nor the Electrum server need answer now
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
                return
        if made is not None:
            await self._engine.cancel(made.txid)
            await self._shelf.drop_funding(node, Outpoint(made.txid, made.vout))

    async def _is_channels(self, node: Node, outpoint: Outpoint) -> bool:
        """Whether a channel stands on it. One that failed before both had signed is closed: it must not be funded."""
        return any(row["funding"] == str(outpoint) for row in await node.channels())

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
        async with self._entering:
            if self._opening:
                return
            self.doubtful = False
            try:
                rows = await node.channels(closed=True)
                for each in await self._engine.transfers():
                    if each.kind == "sent" and each.status == "unsent":
                        await self._recovered(node, each.txid, rows)
            except (BusError, EngineError):
                self.doubtful = True
                raise

    async def _recovered(self, node: Node, txid: str, rows: list[dict[str, Any]]) -> None:
        row = next((row for row in rows if row["funding"].partition(":")[0] == txid), None)
        state = OVER if row is None else row["state"]
        if txid in await self._engine.heights():  # whatever the channel is by now: a forced close brings its funding
            await self._engine.finish(txid)
        elif state in UNSIGNED:
            self.doubtful = True
        elif row is None or state == OVER:
            await self._engine.cancel(txid)
            for outpoint in [key for key in await self._shelf.fundings(node) if key.txid == txid]:
                await self._shelf.drop_funding(node, outpoint)
        else:
            await node.keep_ancestors(row["channel_id"], (await self._engine.signed(txid),))
            await self._engine.finish(txid)

    async def begun(self, node: Node, peer: str, outpoint: Outpoint, terms: dict[str, int]) -> str | InitialStates:
        """In which state our channel begins."""
        return await begun(self._shelf, node, peer, True, outpoint, terms)
