"""How do tokens come home from a channel that has ended?

    funding -> close, or commitment -> ... -> claim -> a coin that the node holds for this plugin
                                                          |   by a transition of ours, in a transaction of its own
                                                          v
                                               an output of the wallet of assets

The node has put the right commitment into every transaction on the way, with this plugin or without it; here they are
worked out again, from what the node keeps, and become a consignment. A coin without tokens is the node's again.

    planned     an invoice of the wallet of assets is meant for this coin; its history is a file
    under way   versions of a transaction (`homeward`), each judged by rgb-lib, and kept before it was sent. One that
                no block takes gives way to a dearer one
    arrived     a block has one of them, deep enough: only now the wallet is given a consignment, for its invoice is
                used up by the first that it sees

Each step is a row before it is done, and can be done again: neither a kill in between nor a slow Electrum server costs
more than time.
"""

import asyncio
import secrets
from typing import Any, Final, NamedTuple

import msgspec
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.plugin import Node
from lnpd_sdk.types import Transaction

from nia.errors import NiaError
from nia.genesis import ChainNet
from nia.names import contract_name, script_of
from nia.transaction import Tx, parse_tx
from nia.transition import Opout
from rgb_channel.colour import Coloured, Homeless, colour
from rgb_channel.history import history
from rgb_channel.state import StateUnreadable, read
from rgb_engine.commands import feerate_of
from rgb_engine.engine import Engine
from rgb_engine.errors import ConsignmentRefused as ReceiptRefused
from rgb_engine.psbt import spending
from rgb_engine.wallet import NEVER_SECONDS
from rgb_node.errors import AssetRefused, TokensStuck
from rgb_node.homeward import (
    HOME_VOUT,
    LEAST_REST_SAT,
    PATIENCE_BLOCKS,
    SURE_BLOCKS,
    Spent,
    Trip,
    Version,
    affordable,
    build,
    consignment,
    highest,
    next_feerate,
)
from rgb_node.shelf import Outpoint, Shelf

OF_ONE_COIN: Final = (AssetRefused, CallFailed, Homeless, NiaError, StateUnreadable)  # and not of the wallet of assets
PER_KW: Final = 250  # of a sat per vbyte
Row = dict[str, Any]  # Any: JSON values


class Home(msgspec.Struct, frozen=True):
    """The tokens upon a coin, and what proves them."""

    contract_id: bytes
    spent: Opout
    amount: int
    consignment: bytes


class Waiting(NamedTuple):
    """Tokens on a coin of a channel that has ended, or on their way from it."""

    channel_id: str
    contract_id: bytes
    amount: int


class Now(msgspec.Struct, frozen=True):
    """What a round of collecting begins with: held coins by TXID:VOUT, the chain's height and the wallet's transactions
    in it, and the feerate in sat per vbyte."""

    held: dict[str, Any]  # Any: HeldCoin
    height: int
    heights: dict[str, int]
    feerate: int


class Collector:
    """Brings home what channels of one node left behind, one coin after the other."""

    def __init__(self, engine: Engine, shelf: Shelf, chain: ChainNet) -> None:
        self._engine, self._shelf, self._chain = engine, shelf, chain
        self._lock = asyncio.Lock()
        self._said: dict[str, str] = {}

    async def collect(self, node: Node) -> list[Row]:
        """Everything that can be brought home now: what is under way, and what is in the way of the others."""
        async with self._lock:
            trips = await self._shelf.trips(node)
            now = await self._now(node, under_way=any(trip.versions for trip in trips.values()))
            points = [*trips, *(point for point, coin in now.held.items() if coin.height and point not in trips)]
            rows = [await self._looked_after(node, now, point, trips.get(point)) for point in points]
            return [row for row in rows if row is not None]

    async def _now(self, node: Node, under_way: bool) -> Now:
        told = await node.rpc("info")
        heights = await self._engine.heights() if under_way else {}
        return Now(await self._held(node), told["height"], heights, await feerate_of(node, 0))

    async def _held(self, node: Node) -> dict[str, Any]:  # Any: HeldCoin
        return {f"{coin.txid}:{coin.vout}": coin for coin in await node.held_coins()}

    async def _looked_after(self, node: Node, now: Now, point: str, trip: Trip | None) -> Row | None:
        """A coin in the way of none of the others: anybody can pay to a script that a close has shown."""
        row: Row = {"coin": point, "txid": "", "asset_id": "", "amount": 0, "problem": ""}
        try:
            if trip is None and (trip := await self._planned(node, now.held[point])) is None:
                return None
            row |= {"asset_id": contract_name(trip.contract_id), "amount": trip.amount}
            return {**row, "txid": await self._furthered(node, now, trip)}
        except OF_ONE_COIN as error:
            if self._said.get(point) != str(error):  # once, and not at each block
                self._said[point] = str(error)
                await node.log("warning", f"The coin {point} waits: {error}")
            return {**row, "problem": str(error)}

    async def waiting(self, node: Node) -> list[Waiting]:
        """Tokens that no wallet has yet, as far as it can be told."""
        trips = await self._shelf.trips(node)
        found = [Waiting(trip.channel_id, trip.contract_id, trip.amount) for trip in trips.values()]
        for point, coin in (await self._held(node)).items():
            try:
                home = await self._home(node, coin) if point not in trips else None
            except OF_ONE_COIN:
                continue
            if home is not None:
                found.append(Waiting(coin.channel_id, home.contract_id, home.amount))
        return found

    # --- planned
    async def _planned(self, node: Node, coin: Any) -> Trip | None:  # Any: HeldCoin
        """What is meant for a coin, once and for all; None if it holds no tokens, and is the node's again."""
        home, point = await self._home(node, coin), f"{coin.txid}:{coin.vout}"
        if home is None:
            await node.release_held(coin.txid, coin.vout)
            return None
        rest_script = await node.own_script()
        wanted = await self._engine.invoice(expiry_seconds=NEVER_SECONDS)
        await asyncio.to_thread(self._shelf.put_history, point, home.consignment)
        trip = Trip(
            coin=point,
            value_sat=coin.value_sat,
            script_pubkey=coin.script_pubkey,
            contract_id=home.contract_id,
            op_id=home.spent.op_id,
            index=home.spent.index,
            amount=home.amount,
            home_script=script_of(wanted.recipient_id, self._chain),
            rest_script=rest_script,
            blinding=secrets.randbits(64),
            entropy=secrets.randbits(64),
            channel_id=coin.channel_id,
        )
        await self._shelf.put_trip(node, trip)
        return trip

    async def _home(self, node: Node, coin: Any) -> Home | None:  # Any: HeldCoin
        """What stands on a coin; None for no tokens. TokensStuck if it cannot be told."""
        transactions = [parse_tx(raw) for raw in coin.transactions]
        if not transactions:
            raise TokensStuck(f"The node does not know how {coin.txid}:{coin.vout} came about.")
        txid = transactions[0].txid()[::-1].hex()
        kept = await node.kept_commitment(coin.channel_id, txid)
        state = read(kept.state)
        if state is None:
            return None
        shown = dict(zip(kept.carriers, (kept.transaction, *kept.children, *kept.claims), strict=True))
        steps: list[tuple[bytes, Coloured]] = []
        for raw, tx in zip(coin.transactions, transactions, strict=True):
            step = _shown(tx, shown)
            if step is None:  # never let go of: what is unknown may hold tokens
                raise TokensStuck(f"The node was never asked for what {tx.txid()[::-1].hex()} commits to.")
            if (coloured := colour(kept.view, state, step)) is None:
                return None
            steps.append((raw, coloured))
        last = steps[-1][1]
        spent = last.opout_at(coin.vout)
        if spent is None:
            return None
        funding = Outpoint(kept.view.funding_txid[::-1].hex(), kept.view.funding_vout)
        proof = history(self._shelf.consignment(funding), steps)
        return Home(state.contract_id, spent, last.tokens_at(coin.vout), proof)

    # --- under way
    async def _furthered(self, node: Node, now: Now, trip: Trip) -> str:
        """The next step of a trip, if its time has come; the transaction that is under way."""
        for version in trip.versions:
            if height := now.heights.get(version.txid, 0):
                if now.height - height + 1 >= (SURE_BLOCKS if len(trip.versions) > 1 else 1):
                    await self._arrived(node, trip, version)
                return version.txid
        is_here = trip.coin in now.held  # then nothing that spends it is anywhere
        last = trip.versions[-1] if trip.versions else None
        if last is None or now.height - last.made_height >= PATIENCE_BLOCKS:
            feerate = next_feerate(trip, now.feerate)
            if feerate <= highest(trip):
                return await self._sent(node, trip, is_here, feerate, now.height)
            if last is None:
                raise TokensStuck(f"{_cost(trip, feerate)}: it goes at {highest(trip)} sat/vB or less.")
        assert last is not None  # or the feerate was too high
        if is_here:
            await node.send_psbt(last.psbt)
        return last.txid

    async def _sent(self, node: Node, trip: Trip, is_here: bool, feerate: int, height: int) -> str:
        """A new version, judged, then kept, then sent."""
        spent = trip.alone() if is_here or not trip.versions else trip.versions[-1].inputs()
        made, reservation = build(trip, spent, feerate), ""
        if isinstance(made, int):
            spent, reservation = await self._with_more(node, trip, spent, made, feerate)
            made = build(trip, spent, feerate)
        try:
            if isinstance(made, int):
                raise TokensStuck(f"The node's coins for {trip.coin} are {made} sat too few.")
            values = tuple((output.value_sat, output.script) for _, output in spent)
            version = Version(made.serialize(with_witness=False), values, feerate, height)
            await self._judge(trip, version)
        except BaseException:
            if reservation:
                await node.release_psbt(reservation)
            raise
        await self._shelf.put_trip(node, trip.with_version(version))
        await node.send_psbt(version.psbt)
        return version.txid

    async def _with_more(
        self, node: Node, trip: Trip, spent: Spent, lacking_sat: int, feerate: int
    ) -> tuple[Spent, str]:
        """With coins of the node's that pay what is lacking. TokensStuck says when it goes without."""
        wanted = ((max(lacking_sat, LEAST_REST_SAT), trip.rest_script),)
        try:
            funded = await node.fund_psbt(wanted, feerate * PER_KW)
        except CallFailed as error:
            alone = affordable(trip)
            without = f"at {alone} sat/vB or less" if alone else "with the node's coins only"
            raise TokensStuck(
                f"{_cost(trip, feerate)}, {lacking_sat} more than it has: it goes {without}, and now with a coin of"
                f" the node's, which gives none ({error})."
            ) from None
        return (*spent, *spending(funded.psbt)), funded.reservation

    async def _judge(self, trip: Trip, version: Version) -> None:
        """Has rgb-lib look at it without a trace. Were the wallet to refuse it, its invoice would be used up, for ever;
        an Electrum server that is behind the node's chain is enough for that. TokensStuck."""
        shown, asset_id = self._consignment(trip, version), contract_name(trip.contract_id)
        try:
            await self._engine.validate(shown, trip.home_script, version.txid, HOME_VOUT, asset_id, trip.amount)
        except ReceiptRefused as error:
            raise TokensStuck(f"rgb-lib does not take what brings its tokens home: {error}") from None

    # --- arrived
    async def _arrived(self, node: Node, trip: Trip, version: Version) -> None:
        """The wallet of assets takes them. It refuses what it has taken before a kill; then only the row is left."""
        if not any(each.txid == version.txid for each in await self._engine.transfers()):
            try:
                accepted = await self._engine.receive(self._consignment(trip, version))
            except ReceiptRefused as error:
                raise TokensStuck(f"The wallet of assets does not take {version.txid}: {error}") from None
            if [each.amount for each in accepted] != [trip.amount]:
                raise AssetRefused(f"{accepted} came instead of {trip.amount} tokens.")
        await self._shelf.drop_trip(node, trip, version.txid)

    def _consignment(self, trip: Trip, version: Version) -> bytes:
        return consignment(trip, self._shelf.history(trip.coin), version)


def _cost(trip: Trip, feerate: int) -> str:
    return f"Bringing home the tokens of {trip.coin}, which has {trip.value_sat} sat, costs {feerate} sat/vB now"


def _shown(tx: Tx, shown: dict[bytes, Transaction]) -> Transaction | None:
    """What a transaction of the chain was shown to `seal` as: their carriers are the same."""
    return next((shown[output.script] for output in tx.outputs if output.script in shown), None)
