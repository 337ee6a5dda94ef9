"""How do tokens come home from a channel that has ended?

    funding -> close, or commitment -> ... -> claim -> a coin that the node holds for this plugin
                                                          |   by a transition of ours, in a transaction of its own
                                                          v
                                               an output of the wallet of assets

The node has put the right commitment into every transaction on the way, with this plugin or without it; here they are
worked out again, from what the node keeps, and become a consignment. A coin without tokens is the node's again. What is
sent was judged by rgb-lib before, and is written down with its consignment: neither a kill in between nor a slow
Electrum server costs more than time.
"""

import asyncio
import secrets
from pathlib import Path
from typing import Any, Final

import msgspec
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.plugin import Node
from lnpd_sdk.types import Transaction

from nia.bundle import Bundle
from nia.consignment import WitnessBundle
from nia.consignment import parse as parse_consignment
from nia.errors import NiaError
from nia.genesis import ChainNet
from nia.mpc import commit, opret_script
from nia.names import contract_name, script_of
from nia.seals import Assignment, Seal
from nia.transaction import Tx, TxIn, TxOut, parse_tx
from nia.transition import Opout, Transition
from rgb_channel.colour import Coloured, Homeless, colour
from rgb_channel.history import history
from rgb_channel.state import StateUnreadable, read
from rgb_engine.commands import feerate_of
from rgb_engine.engine import Engine
from rgb_engine.errors import ConsignmentRefused as ReceiptRefused
from rgb_node.errors import AssetRefused, TokensStuck
from rgb_node.psbt import psbt
from rgb_node.shelf import Outpoint, Shelf, write_synced

COLLECT_VBYTES: Final = 160  # one P2WPKH input, the commitment, one P2WPKH or P2TR output
LEAST_OUTPUT_SAT: Final = 546
HOME_VOUT: Final = 1  # behind the commitment
SEQUENCE: Final = 0xFFFFFFFD
EXPIRY_SECONDS: Final = 365 * 24 * 3600
OF_ONE_COIN: Final = (AssetRefused, CallFailed, Homeless, NiaError, StateUnreadable)  # and not of the wallet of assets


class Collecting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A coin that is being collected: the transaction's id, what it brings, the coin (TXID:VOUT), and what the node is
    to sign. The consignment lies in a file."""

    txid: str
    asset_id: str
    amount: int
    coin: str
    psbt: bytes


class Home(msgspec.Struct, frozen=True):
    """The tokens upon a coin, and what proves them."""

    contract_id: bytes
    spent: Opout
    amount: int
    consignment: bytes


class Collector:
    """Brings home what channels of one node left behind, one coin after the other."""

    def __init__(self, engine: Engine, shelf: Shelf, chain: ChainNet, folder: Path) -> None:
        self._engine, self._shelf, self._chain, self._folder = engine, shelf, chain, folder / "collecting"
        self._lock = asyncio.Lock()
        self._said: dict[str, str] = {}

    async def collect(self, node: Node) -> list[dict[str, Any]]:
        """Everything that can be brought home now: what was, and what is in the way of the others."""
        async with self._lock:
            await self._receive_again(node)
            found = []
            for coin in await node.held_coins():
                if coin.height:
                    found += await self._collected(node, coin)
            return found

    async def _collected(self, node: Node, coin: Any) -> list[dict[str, Any]]:  # Any: HeldCoin
        """A coin in the way of none of the others: anybody can pay to a script that a close has shown."""
        point = _point(coin)
        try:
            home = await self._home(node, coin)
            if home is None:
                await node.release_held(coin.txid, coin.vout)
                return []
            brought = await self._brought(node, coin, home)
        except OF_ONE_COIN as error:
            await self._say(node, point, str(error))
            return [{"coin": point, "txid": "", "asset_id": "", "amount": 0, "problem": str(error)}]
        told = {"txid": brought.txid, "asset_id": brought.asset_id, "amount": brought.amount}
        return [{"coin": point, **told, "problem": ""}]

    async def _say(self, node: Node, point: str, why: str) -> None:
        """Once, and not at each block."""
        if self._said.get(point) != why:
            self._said[point] = why
            await node.log("warning", f"The coin {point} waits: {why}")

    async def pending(self, node: Node) -> dict[bytes, int]:
        """Tokens by contract that stand on coins which wait for this, as far as it can be told."""
        found: dict[bytes, int] = {}
        for coin in await node.held_coins():
            try:
                home = await self._home(node, coin)
            except OF_ONE_COIN:
                continue
            if home is not None:
                found[home.contract_id] = found.get(home.contract_id, 0) + home.amount
        return found

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

    async def _brought(self, node: Node, coin: Any, home: Home) -> Collecting:  # Any: HeldCoin
        """Sends a coin's tokens to the wallet of assets, which then knows them."""
        fee_sat = COLLECT_VBYTES * await feerate_of(node, 0)
        if coin.value_sat - fee_sat < LEAST_OUTPUT_SAT:
            raise TokensStuck(
                f"{coin.txid}:{coin.vout} holds {coin.value_sat} sat, and bringing its tokens home costs {fee_sat} now."
            )
        wanted = await self._engine.invoice(expiry_seconds=EXPIRY_SECONDS)
        transition = Transition.spending(
            home.contract_id, [home.spent], [Assignment(home.amount, Seal(HOME_VOUT, secrets.randbits(64)))]
        )
        bundle = Bundle((transition,))
        tree = commit({home.contract_id: bundle.bundle_id()}, secrets.randbits(64))
        spending = TxIn(txid=bytes.fromhex(coin.txid)[::-1], vout=coin.vout, sequence=SEQUENCE)
        receiving = TxOut(coin.value_sat - fee_sat, script_of(wanted.recipient_id, self._chain))
        committed = TxOut(0, opret_script(tree.commitment()))
        tx = Tx(version=2, inputs=(spending,), outputs=(committed, receiving), locktime=0)
        consignment = parse_consignment(home.consignment).extended([WitnessBundle.committed(tx, tree, bundle)]).encode()
        wish = psbt(tx, [(coin.value_sat, coin.script_pubkey)])
        asset_id = contract_name(home.contract_id)
        collecting = Collecting(tx.txid()[::-1].hex(), asset_id, home.amount, _point(coin), wish)
        await self._judge(collecting, consignment)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_synced(self._folder / f"{collecting.txid}.rgb", consignment)
        await self._shelf.put_collecting(node, collecting.txid, msgspec.msgpack.encode(collecting))
        await node.send_psbt(wish)
        await self._received(node, collecting)
        return collecting

    async def _receive_again(self, node: Node) -> None:
        """What a killed plugin, or a lost Electrum server, left between two steps. A coin that is still held was never
        sent: the wallet of assets would wait for it for ever."""
        rows = [msgspec.msgpack.decode(data, type=Collecting) for data in await self._shelf.collecting(node)]
        held = {_point(coin) for coin in await node.held_coins()} if rows else set()
        for collecting in rows:
            try:
                if collecting.coin in held:
                    await node.send_psbt(collecting.psbt)
            except CallFailed as error:  # too cheap by now, perhaps; its file stays, should it be mined all the same
                await node.log("info", f"{collecting.coin} is collected anew: {error}")
                await self._shelf.drop_collecting(node, collecting.txid)
                continue
            try:
                await self._received(node, collecting, judged=False)
            except OF_ONE_COIN as error:
                await self._say(node, collecting.coin, str(error))

    async def _judge(self, collecting: Collecting, consignment: bytes) -> None:
        """Has rgb-lib look at it without a trace. Were the wallet to refuse it, its invoice would be used up, for ever;
        an Electrum server that is behind the node's chain is enough for that. TokensStuck."""
        witness = parse_consignment(consignment).bundles[-1].witness
        assert isinstance(witness, Tx)  # it is ours
        script, txid = witness.outputs[HOME_VOUT].script, collecting.txid
        try:
            await self._engine.validate(consignment, script, txid, HOME_VOUT, collecting.asset_id, collecting.amount)
        except ReceiptRefused as error:
            raise TokensStuck(f"rgb-lib does not take what brings its tokens home: {error}") from None

    async def _received(self, node: Node, collecting: Collecting, judged: bool = True) -> None:
        path = self._folder / f"{collecting.txid}.rgb"
        if not any(each.txid == collecting.txid for each in await self._engine.transfers()):
            consignment = await asyncio.to_thread(path.read_bytes)
            if not judged:
                await self._judge(collecting, consignment)
            try:
                accepted = await self._engine.receive(consignment)
            except ReceiptRefused as error:
                await node.log("error", f"The consignment {path} of {collecting.amount} tokens is kept: {error}")
                return
            if [each.amount for each in accepted] != [collecting.amount]:
                raise AssetRefused(f"{accepted} came instead of {collecting.amount} tokens.")
        await self._shelf.drop_collecting(node, collecting.txid)
        path.unlink(missing_ok=True)


def _point(coin: Any) -> str:  # Any: HeldCoin
    return f"{coin.txid}:{coin.vout}"


def _shown(tx: Tx, shown: dict[bytes, Transaction]) -> Transaction | None:
    """What a transaction of the chain was shown to `seal` as: their carriers are the same."""
    return next((shown[output.script] for output in tx.outputs if output.script in shown), None)
