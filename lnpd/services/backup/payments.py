"""How do to_remote outputs come back when only the words are left?

    the 1000 payment basepoints of the seed, each with both of its scripts
      -> the chain is scanned for them from a height on, beside everything else; how far, and what was found, is stored
      -> what is unspent and confirmed goes to the wallet, in one transaction, again at each block until it is spent

This finds what peers' commitments paid us, in whichever channel. Who the peers are only a backup knows: they are not
asked to close, and what they have not closed is found once they do.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
from msgspec.structs import replace

from lnpd.chain.interface import ChainBackend, ChainDelta, Outcome, Outpoint, WatchScript
from lnpd.errors import LnpdError
from lnpd.services.backup.content import SETTINGS
from lnpd.services.chain.rows import DEEP
from lnpd.services.chain.watch import MIN_FEERATE_PER_KW
from lnpd.services.interfaces import PaymentCoin, Signer
from lnpd.services.signer.payments import to_remote
from lnpd.services.wallet.service import Wallet
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx.fees import dust_limit_sat
from lnpd.tx.transaction import Tx, TxIn, TxOut, parse

log = logging.getLogger("lnpd.backup")

WANTED: Final = b"payment-sweep"  # the height from which on the chain is to be scanned
FOUND: Final = "payment-found"  # what was found, by outpoint
HEIGHT_BYTES: Final = 4
TXID_BYTES: Final = 32
SWEEP_BLOCKS: Final = 12
MAX_COINS: Final = 100
INPUT_WEIGHT: Final = 4 * 41 + 120  # with a signature and the longer of both witnesses
OTHER_WEIGHT: Final = 4 * 54


class Find(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output that pays to a payment basepoint: its turn and type, and what it is worth. `gone_height` is the first
    tip at which it was spent, 0 while it is not."""

    turn: int
    value_sat: int
    anchors: bool
    gone_height: int = 0

    @property
    def coin(self) -> PaymentCoin:
        """What the signer spends it by."""
        return PaymentCoin(self.turn, self.value_sat, self.anchors)


Finds = dict[Outpoint, Find]


# Rows


def want_sweep(write: Write, from_height: int) -> None:
    """Whoever starts from this database looks for to_remote outputs from this height on."""
    write.put_value(SETTINGS, WANTED, from_height.to_bytes(HEIGHT_BYTES, "big"))


def is_restored(read: Read) -> bool:
    """Whether this database began with the words of a lost one: its past may take hours to read."""
    return read.value(SETTINGS, WANTED) is not None


def _stored(read: Read) -> tuple[int, Finds] | None:
    height = read.value(SETTINGS, WANTED)
    if height is None:
        return None
    rows = read.values(FOUND)
    return int.from_bytes(height, "big"), {_outpoint(key): decode(row, Find, table=FOUND, key=key) for key, row in rows}


def _change(write: Write, before: Finds, after: Finds) -> None:
    for outpoint in before.keys() - after.keys():
        write.delete_value(FOUND, _key(outpoint))
    for outpoint, find in after.items():
        if before.get(outpoint) != find:
            write.put_value(FOUND, _key(outpoint), encode(find))


def _key(outpoint: Outpoint) -> bytes:
    return outpoint.txid + outpoint.index.to_bytes(4, "big")


def _outpoint(key: bytes) -> Outpoint:
    return Outpoint(key[:TXID_BYTES], int.from_bytes(key[TXID_BYTES:], "big"))


# The service


class PaymentSweep:
    """Finds and sweeps them, where the database says that it is wanted. Nobody waits for it."""

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
        self._finds: Finds = {}
        self._height = 0
        self._behind = True  # the tip was not reached yet
        self._script = b""  # of the wallet, for all of them
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Goes on where the database says that it was, beside its caller. Raises StoreError."""
        stored = await self._store.read(_stored)
        if stored is not None:
            self._height, self._finds = stored
            self._task = asyncio.create_task(self._run(), name="payment sweep")

    async def stop(self) -> None:
        """Ends between two transactions."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """There is a new block."""
        self._wake.set()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know: coins may still be found."""
        if self._task is None or not self._behind:
            return ()
        return (f"the chain is being searched for what peers paid to this seed, from block {self._height:,} on",)

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except LnpdError as error:
                log.warning("to_remote outputs of the seed are looked for again at the next block: %s", error)
            except Exception:
                log.exception("to_remote outputs of the seed are looked for again at the next block")
            await self._wake.wait()
            self._wake.clear()

    async def _look(self) -> None:
        """Once at the start and at each block."""
        if not self._scripts:
            points = enumerate(await self._signer.payment_points())
            pairs = ((turn, point, anchors) for turn, point in points for anchors in (False, True))
            self._scripts = {to_remote(point, anchors).script_pubkey: (turn, anchors) for turn, point, anchors in pairs}
        await self._scan()
        await self._sweep(await self._unspent())

    # --- finding

    async def _scan(self) -> None:
        """Reads the blocks since the last time, and some again, for they may have been replaced."""
        watches = [WatchScript(script) for script in self._scripts]
        height = self._height
        while True:
            delta = await self._backend.scan(watches, height)
            await self._learn(delta)
            height = delta.end.height + 1
            if not delta.more:
                self._behind = False
                return

    async def _learn(self, delta: ChainDelta) -> None:
        """Stores what these blocks held, and that they were read."""
        matches = [match for block in delta.connected for match in block.matches]
        paid = [(Outpoint(m.txid, m.output_index), m.transaction) for m in matches if m.output_index is not None]
        new = {each: find for each, tx in paid if each not in self._finds and (find := self._find(each, parse(tx)))}
        height = max(self._height, delta.end.height + 1 - SWEEP_BLOCKS)
        if not new and height == self._height:
            return

        finds = self._finds | new

        def rows(write: Write) -> None:
            write.point("payments-found")
            want_sweep(write, height)
            _change(write, self._finds, finds)

        await self._store.write(rows)
        self._height, self._finds = height, finds

    def _find(self, outpoint: Outpoint, tx: Tx) -> Find | None:
        if any(self._is_known(Outpoint(each.txid, each.vout)) for each in tx.inputs):
            return None
        output = tx.outputs[outpoint.index]
        turn, anchors = self._scripts[output.script_pubkey]
        return Find(turn, output.value_sat, anchors)

    async def _unspent(self) -> Finds:
        """What can be swept. What was spent so long ago that nothing undoes it is never asked for again."""
        outputs = {outpoint: await self._backend.output(outpoint) for outpoint in self._finds}
        tip_height = (await self._backend.best_block()).height  # asked last: no spend that was seen is above it
        left: Finds = {}
        for outpoint, find in self._finds.items():
            gone_height = 0 if outputs[outpoint] else find.gone_height or tip_height
            if not gone_height or tip_height - gone_height < DEEP:
                left[outpoint] = replace(find, gone_height=gone_height)
        if left != self._finds:
            await self._store.write(partial(_change, before=self._finds, after=left))
            self._finds = left
        return {
            each: left[each]
            for each, output in outputs.items()
            if output is not None and output.height is not None and output.spent_by is None
        }

    # --- sweeping

    async def _sweep(self, there: Finds) -> None:
        if not there:
            return
        self._script = self._script or await self._wallet.next_script()
        feerate = max(MIN_FEERATE_PER_KW, await self._backend.feerate(SWEEP_BLOCKS))
        worth = [each for each, find in there.items() if find.value_sat * 1000 > 2 * INPUT_WEIGHT * feerate][:MAX_COINS]
        fee_sat = (OTHER_WEIGHT + INPUT_WEIGHT * len(worth)) * feerate // 1000 + 1
        left_sat = sum(there[each].value_sat for each in worth) - fee_sat
        if left_sat < dust_limit_sat(self._script):
            return
        inputs = tuple(TxIn(each.txid, each.index, 1) for each in worth)
        tx = Tx(inputs, (TxOut(left_sat, self._script),))
        signed = await self._signer.sign_payments(tx, tuple(there[each].coin for each in worth))
        result = await self._backend.broadcast((signed.serialise(),))
        if result.outcome is Outcome.REFUSED:
            log.warning("a sweep of %s to_remote outputs is refused: %s", len(worth), result.reason)
        else:
            log.info("swept %s to_remote outputs of the seed, %s sat", len(worth), left_sat)
