"""How do to_remote outputs come back when only the words are left?

    the 1000 payment basepoints of the seed, each with both of its scripts
      -> the chain is scanned for them from a height on, at the start and at each block
      -> what is unspent and confirmed goes to the wallet, in one transaction, again at each block until it is spent

This finds what peers' commitments paid us, in whichever channel. Who the peers are only a backup knows: they are not
asked to close, and what they have not closed is found once they do.
"""

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from lnpd.chain.interface import ChainBackend, Outcome, Outpoint, WatchScript
from lnpd.errors import LnpdError
from lnpd.services.backup.content import SETTINGS
from lnpd.services.chain.watch import MIN_FEERATE_PER_KW
from lnpd.services.interfaces import PaymentCoin, Signer
from lnpd.services.signer.payments import to_remote
from lnpd.services.wallet.service import Wallet
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx.fees import dust_limit_sat
from lnpd.tx.transaction import Tx, TxIn, TxOut, parse

log = logging.getLogger("lnpd.backup")

WANTED: Final = b"payment-sweep"
HEIGHT_BYTES: Final = 4
SWEEP_BLOCKS: Final = 12
MAX_COINS: Final = 100
INPUT_WEIGHT: Final = 4 * 41 + 120  # with a signature and the longer of both witnesses
OTHER_WEIGHT: Final = 4 * 54


class Found(msgspec.Struct, frozen=True):
    """An output that pays to a payment basepoint."""

    outpoint: Outpoint
    coin: PaymentCoin


def want_sweep(write: Write, from_height: int) -> None:
    """Whoever starts from this database looks for to_remote outputs from this height on."""
    write.put_value(SETTINGS, WANTED, from_height.to_bytes(HEIGHT_BYTES, "big"))


class PaymentSweep:
    """Finds and sweeps them, where the database says that it is wanted."""

    def __init__(
        self,
        store: Store,
        backend: ChainBackend,
        signer: Signer,
        wallet: Wallet,
        is_known: Callable[[Outpoint], bool],
    ) -> None:
        """`is_known` tells the fundings of channels that see to their own outputs."""
        self._store, self._backend, self._signer, self._wallet = store, backend, signer, wallet
        self._is_known = is_known
        self._scripts: dict[bytes, tuple[int, bool]] = {}
        self._found: dict[Outpoint, PaymentCoin] = {}
        self._height = 0
        self._script = b""  # of the wallet, for all of them
        self.swept: list[bytes] = []  # the txids of what was broadcast

    @property
    def wanted(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._scripts)

    async def start(self) -> None:
        """Reads whether it is wanted. Raises StoreError."""
        stored = await self._store.read(lambda read: read.value(SETTINGS, WANTED))
        if stored is None:
            return
        self._height = int.from_bytes(stored, "big")
        for turn, point in enumerate(await self._signer.payment_points()):
            for anchors in (False, True):
                self._scripts[to_remote(point, anchors).script_pubkey] = (turn, anchors)
        await self.look()

    async def look(self) -> None:
        """Once at the start and at each block; what goes wrong is tried again at the next one."""
        if not self.wanted:
            return
        try:
            await self._scan()
            await self._sweep()
        except LnpdError as error:
            log.warning("to_remote outputs of the seed are looked for again at the next block: %s", error)

    async def _scan(self) -> None:
        """Blocks are read again a little way back, for they may have been replaced."""
        watches = [WatchScript(script) for script in self._scripts]
        height = self._height
        while True:
            delta = await self._backend.scan(watches, height)
            for block in delta.connected:
                for match in block.matches:
                    if match.output_index is not None:
                        self._learn(match.txid, match.output_index, match.transaction)
            height = delta.end.height + 1
            if not delta.more:
                break
        self._height = max(self._height, height - SWEEP_BLOCKS)

    def _learn(self, txid: bytes, vout: int, transaction: bytes) -> None:
        tx = parse(transaction)
        if any(self._is_known(Outpoint(each.txid, each.vout)) for each in tx.inputs):
            return
        output = tx.outputs[vout]
        turn, anchors = self._scripts[output.script_pubkey]
        self._found[Outpoint(txid, vout)] = PaymentCoin(turn, output.value_sat, anchors)

    async def _sweep(self) -> None:
        there = [(each, coin) for each, coin in self._found.items() if await self._is_unspent(each)]
        if not there:
            return
        self._script = self._script or await self._wallet.next_script()
        feerate = max(MIN_FEERATE_PER_KW, await self._backend.feerate(SWEEP_BLOCKS))
        worth = [(each, coin) for each, coin in there if coin.value_sat * 1000 > 2 * INPUT_WEIGHT * feerate][:MAX_COINS]
        fee_sat = (OTHER_WEIGHT + INPUT_WEIGHT * len(worth)) * feerate // 1000 + 1
        left_sat = sum(coin.value_sat for _, coin in worth) - fee_sat
        if left_sat < dust_limit_sat(self._script):
            return
        inputs = tuple(TxIn(each.txid, each.index, 1) for each, _ in worth)
        tx = Tx(inputs, (TxOut(left_sat, self._script),))
        signed = await self._signer.sign_payments(tx, tuple(coin for _, coin in worth))
        result = await self._backend.broadcast((signed.serialise(),))
        if result.outcome is Outcome.REFUSED:
            log.warning("a sweep of %s to_remote outputs is refused: %s", len(worth), result.reason)
        else:
            self.swept.append(signed.txid)
            log.info("swept %s to_remote outputs of the seed, %s sat", len(worth), left_sat)

    async def _is_unspent(self, outpoint: Outpoint) -> bool:
        output = await self._backend.output(outpoint)
        return output is not None and output.height is not None and output.spent_by is None
