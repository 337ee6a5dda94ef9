"""What is known of an output or a transaction, by the histories of scripts?"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from lnpd.chain.electrum.client import Client, Hash
from lnpd.chain.electrum.ledger import MAX_HISTORY, Ledger, heights_in, scripthash
from lnpd.chain.electrum.view import View
from lnpd.chain.index import is_spendable
from lnpd.chain.interface import BlockRef, FoundTransaction, Outpoint, Output
from lnpd.errors import ElectrumBusy, ElectrumMisbehaves

MAX_MONEY_SAT: Final = 21_000_000 * 100_000_000


class _Unspent(msgspec.Struct, frozen=True):
    """An item of blockchain.scripthash.listunspent; a height of 0 is unconfirmed."""

    tx_hash: Hash
    tx_pos: Annotated[int, Meta(ge=0, lt=2**32)]
    height: Annotated[int, Meta(ge=-1, le=2**31)]
    value: Annotated[int, Meta(ge=0, le=MAX_MONEY_SAT)]

    @property
    def txid(self) -> bytes:
        """The transaction's id, as lnpd keeps it."""
        return bytes.fromhex(self.tx_hash)[::-1]


Unspent = Annotated[tuple[_Unspent, ...], Meta(max_length=MAX_HISTORY)]


class Coins:
    """Outputs and transactions, each proven as far as it is confirmed. Raises what View.steadily raises."""

    def __init__(self, client: Client, ledger: Ledger, view: View) -> None:
        self._client, self._ledger, self._view = client, ledger, view

    async def unspent(self, script: bytes) -> tuple[Output, ...]:
        """The outputs that pay to a script and that nobody spends, as far as the server tells of them."""

        async def answer(tip: BlockRef) -> tuple[Output, ...]:
            told = await self._client.call(Unspent, "blockchain.scripthash.listunspent", scripthash(script))
            whole = await self._ledger.get({each.txid for each in told})
            outputs: list[Output] = []
            for each in told:
                tx = whole.get(each.txid)
                if tx is None or each.tx_pos >= len(tx.outputs):
                    raise ElectrumMisbehaves("The Electrum server lists an output that it does not have.")
                made = tx.outputs[each.tx_pos]
                if (made.script, made.value_sat) != (script, each.value):
                    raise ElectrumMisbehaves("The Electrum server lists another output than the one it was asked for.")
                height = await self._proven(each.txid, each.height, tip)
                outpoint = Outpoint(each.txid, each.tx_pos)
                outputs.append(Output(outpoint, made.value_sat, script, height, tx.is_coinbase))
            return tuple(outputs)

        return await self._view.steadily(answer)

    async def output(self, outpoint: Outpoint) -> Output | None:
        """An output that no block of the best chain spends; None if it is unknown or spent there."""

        async def answer(tip: BlockRef) -> Output | None:
            tx = await self._ledger.ask(outpoint.txid)
            if tx is None or outpoint.index >= len(tx.outputs):
                return None
            made = tx.outputs[outpoint.index]
            if not is_spendable(made.script):
                return None
            heights = await self._heights(made.script)
            if outpoint.txid not in heights:
                return None
            whole = await self._ledger.get(heights)
            point, spender = (outpoint.txid, outpoint.index), None
            for txid in (each.txid for each in whole.values() if any(used.point == point for used in each.inputs)):
                if await self._proven(txid, heights[txid], tip) is not None:
                    return None
                spender = txid
            height = await self._proven(outpoint.txid, heights[outpoint.txid], tip)
            return Output(outpoint, made.value_sat, made.script, height, tx.is_coinbase, spender)

        return await self._view.steadily(answer)

    async def transaction(self, txid: bytes) -> FoundTransaction | None:
        """A transaction of the best chain or of the mempool; None for one that a history does not have yet, or no more.

        That bitcoind has it says little: its index keeps what only a lost block held.
        """

        async def answer(tip: BlockRef) -> FoundTransaction | None:
            tx = await self._ledger.ask(txid)
            if tx is None:
                return None
            script = await self._view.script_of(tx)
            heights = await self._heights(script) if script is not None else {}
            if txid not in heights:
                return None
            height = await self._proven(txid, heights[txid], tip)
            position = None if height is None else await self._ledger.place(txid, height)
            return FoundTransaction(tx.raw, height, position)

        return await self._view.steadily(answer)

    async def _heights(self, script: bytes) -> dict[bytes, int]:
        histories = await self._ledger.histories([script])
        return heights_in(histories[script])

    async def _proven(self, txid: bytes, height: int, tip: BlockRef) -> int | None:
        """A height with its proof; None for what is unconfirmed."""
        if height <= 0:
            return None
        if height > tip.height:
            raise ElectrumBusy("The Electrum server knows of blocks that it does not announce yet.")
        await self._ledger.place(txid, height)
        return height
