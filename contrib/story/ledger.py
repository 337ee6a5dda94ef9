"""What does the chain itself say of the money? The story's own eyes and hands there; no node is asked.

Its hand mines blocks and pays from the regtest faucet; the blocks' own coins go to nobody of the story.
"""

import asyncio
from pathlib import Path
from typing import Final

import msgspec
from embit.script import address_to_scriptpubkey

from contrib.story.telling import StoryFailed
from lnpd.chain.interface import Outpoint, Output
from lnpd.services.chain.service import RemoteChain
from lnpd.tx.transaction import Tx, parse

DEADLINE_SECONDS: Final = 15.0


class Confirmed(msgspec.Struct, frozen=True):
    """A transaction of the best chain. What its inputs spend less what its outputs hold is its fee."""

    tx: Tx
    height: int
    fee_sat: int

    @property
    def vbytes(self) -> int:
        """Its virtual size."""
        return (self.tx.weight + 3) // 4


class Ledger:
    """The chain, for whoever has no event loop."""

    def __init__(self, socket: Path) -> None:
        self._runner = asyncio.Runner()
        self._runner.run(self._connect(f"ipc://{socket}"))

    async def _connect(self, endpoint: str) -> None:
        self._chain = RemoteChain(endpoint, DEADLINE_SECONDS)

    def close(self) -> None:
        """Takes leave of the chain."""
        self._runner.run(self._chain.close())
        self._runner.close()

    def height(self) -> int:
        """Of the best block."""
        return self._runner.run(self._chain.best_block()).height

    def mine(self, blocks: int) -> int:
        """Mines blocks with all that waits; the new height."""
        return self._runner.run(self._chain.mine(blocks))[-1].height

    def give(self, address: str, amount_sat: int) -> str:
        """The faucet pays to an address, confirmed; the outpoint."""
        script = bytes(address_to_scriptpubkey(address).data)
        paid = self._runner.run(self._chain.fund(script, amount_sat))
        return f"{paid.txid[::-1].hex()}:{paid.index}"

    def spender(self, outpoint: str) -> str | None:
        """The transaction that waits in the mempool and spends an output; None if none does."""
        output = self._output(outpoint)
        if output is None:
            raise StoryFailed(f"The chain does not know the output {outpoint}, or a block spends it already.")
        return None if output.spent_by is None else output.spent_by[::-1].hex()

    def unspent_sat(self, outpoint: str) -> int:
        """The amount of a confirmed output that nothing spends."""
        output = self._output(outpoint)
        if output is None or output.height is None or output.spent_by is not None:
            raise StoryFailed(f"The chain has no confirmed and unspent output {outpoint}.")
        return output.value_sat

    def confirmed(self, txid: str) -> Confirmed:
        """A transaction of the best chain."""
        tx, height = self._transaction(bytes.fromhex(txid)[::-1])
        spent_sat = 0
        for coin in tx.inputs:
            before, _ = self._transaction(coin.txid)
            spent_sat += before.outputs[coin.vout].value_sat
        return Confirmed(tx, height, spent_sat - sum(output.value_sat for output in tx.outputs))

    def _output(self, outpoint: str) -> Output | None:
        txid, _, index = outpoint.partition(":")
        return self._runner.run(self._chain.output(Outpoint(bytes.fromhex(txid)[::-1], int(index))))

    def _transaction(self, txid: bytes) -> tuple[Tx, int]:
        found = self._runner.run(self._chain.transaction(txid))
        if found is None or found.height is None:
            raise StoryFailed(f"No block holds the transaction {txid[::-1].hex()}.")
        return parse(found.transaction), found.height
