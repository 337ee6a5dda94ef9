"""What does only a bitcoind on regtest offer? Mining on command, a faucet, and reorganisations."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from lnpd.chain import faucet
from lnpd.chain.bitcoind.answers import Hash, MempoolInfo, internal, sat, shown
from lnpd.chain.bitcoind.backend import BitcoindChain
from lnpd.chain.interface import BlockRef, Outcome, Outpoint
from lnpd.chain.kernel import ANYONE_SCRIPT
from lnpd.errors import FaucetDry

MINING_SECONDS: Final = 120.0


class _Generated(Struct, frozen=True):
    hash: Hash


class RegtestBitcoind(BitcoindChain):
    """A view of a regtest chain, and the hand that makes its blocks."""

    _feerate_per_kw = 0

    async def feerate(self, target_blocks: int) -> int:
        """The rate that was set, or bitcoind's."""
        return self._feerate_per_kw or await super().feerate(target_blocks)

    async def set_feerate(self, per_kw: int) -> None:
        """Sets what this view estimates from now on; 0: what bitcoind says."""
        self._feerate_per_kw = per_kw

    async def mine(self, count: int = 1, script: bytes = ANYONE_SCRIPT) -> list[BlockRef]:
        """Mines blocks upon the tip with what waits in the mempool; coinbases pay to `script`."""
        descriptor = f"raw({script.hex()})"
        hashes = await self._rpc.call(
            tuple[Hash, ...], "generatetodescriptor", count, descriptor, seconds=MINING_SECONDS
        )
        return [await self._blocks.ref(internal(each)) for each in hashes]

    async def mine_only(self, txs: Sequence[bytes] = (), count: int = 1) -> list[BlockRef]:
        """Mines blocks upon the tip: the first holds `txs`, and nothing that waits finds room."""
        mined = [await self._generate([raw.hex() for raw in txs])]
        return mined + [await self._generate([]) for _ in range(count - 1)]

    async def fund(self, script: bytes, amount_sat: int) -> Outpoint:
        """Pays from the faucet to a script and mines the payment. Raises FaucetDry."""
        await self.mine(max(0, faucet.FIRST_BLOCKS - (await self.best_block()).height))
        floor = sat((await self._rpc.call(MempoolInfo, "getmempoolinfo")).mempoolminfee)
        coins, height = await self.unspent(ANYONE_SCRIPT), (await self.best_block()).height
        faucet.require_reach(coins, height, floor, script, amount_sat)
        for _ in range(faucet.MOST_BLOCKS // faucet.NUDGE_BLOCKS + 1):
            if tx := faucet.payment(coins, height, floor, script, amount_sat):
                break
            await self.mine(faucet.NUDGE_BLOCKS)
            coins, height = await self.unspent(ANYONE_SCRIPT), (await self.best_block()).height
        else:
            raise FaucetDry(f"The regtest faucet cannot pay {amount_sat:,} sat: new blocks hardly pay any more.")
        result = await self.broadcast((tx.serialise(),))
        if result.outcome is Outcome.REFUSED:
            raise FaucetDry(f"The regtest faucet's payment of {amount_sat} sat was refused: {result.reason}.")
        await self.mine()
        return Outpoint(tx.txid, 0)

    async def reorganise(self, depth: int, new_length: int, txs: Sequence[bytes] = ()) -> list[BlockRef]:
        """Replaces the last `depth` blocks by `new_length` others: the first holds `txs`, the rest are empty.

        What the lost blocks held waits in the mempool again if it still can. Raises ValueError unless the new branch
        is longer and begins above genesis.
        """
        height = (await self.best_block()).height
        if not 1 <= depth < new_length or depth > height:
            raise ValueError(f"{new_length} blocks cannot replace the last {depth} of {height}.")
        (first,) = await self._blocks.hashes((height - depth + 1,))
        await self._rpc.call(object, "invalidateblock", shown(first))
        return await self.mine_only(txs, new_length)

    async def invalidate(self, height: int) -> list[BlockRef]:
        """Replaces the block at a height, and all after it, by an empty branch that is one block longer."""
        depth = (await self.best_block()).height - height + 1
        return await self.reorganise(depth, depth + 1)

    async def test_accept(self, txs: tuple[bytes, ...]) -> tuple[str, ...]:
        """Why bitcoind would not take each of a package's transactions, in its words; empty if it would."""
        raws = [raw.hex() for raw in txs]
        verdicts = await self._rpc.call(tuple[dict[str, Any], ...], "testmempoolaccept", raws)  # Any: JSON
        return tuple(_refusal(verdict) for verdict in verdicts)

    async def _generate(self, txs: list[str]) -> BlockRef:
        # Of the same second and with the same coinbase it could be the very block that was just invalidated.
        salt = b"\x6a\x08" + secrets.token_bytes(8)
        made = await self._rpc.call(_Generated, "generateblock", f"raw({salt.hex()})", txs)
        return await self._blocks.ref(internal(made.hash))


def _refusal(verdict: dict[str, Any]) -> str:  # Any: JSON
    """What is wrong with a transaction, or with the package in which it was not looked at."""
    if verdict.get("allowed"):
        return ""
    return str(verdict.get("reject-reason") or verdict.get("package-error") or "package-not-validated")
