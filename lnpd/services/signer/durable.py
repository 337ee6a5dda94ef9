"""How does a signer in a process of its own keep its memory? In a small store, written before it answers.

The caller's store and this one cannot change together. What is only prepared is therefore not written: the caller may
die before it stores the step, and then it never happened. It is written when it is given out, which the caller asks for
once it has stored the step, and asks for again if it dies in between.

The caller sees a signer that hands out no records. What could not be written ends it: nothing is signed any more until
the process starts again from what is stored.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from lnpd_sdk.services.signing import KeyName, Together
from msgspec.structs import replace

from lnpd.channel.actions import CompleteClosing, SignClosing
from lnpd.errors import LnpdError, StoreHalted
from lnpd.services.interfaces import (
    ChannelIndex,
    Claim,
    Held,
    Released,
    Reservation,
    SecondStage,
    SignerChannel,
    SignerRecord,
    SignerRecords,
)
from lnpd.services.plugin_keys import Begun
from lnpd.services.signer import state as order
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.service import KeySigner
from lnpd.services.signer.state import PLUGIN_ROWS
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx.graph import CommitmentSignatures, Funding, Graph
from lnpd.tx.transaction import Tx

T = TypeVar("T", Reservation, Begun)


class DurableSigner(KeySigner):
    """See interfaces.Signer. Requests about one channel follow each other: none sees a step that is not stored yet."""

    _behind = 1

    def __init__(self, keys: Keys, store: Store) -> None:
        """Starts from the rows of the store, which it does not close."""
        rows = store.read_sync(lambda read: read.signer_states())
        super().__init__(keys, tuple(SignerRecord(key, value) for key, value in rows))
        self._store = store
        self._stored = dict(rows)
        self._locks: defaultdict[bytes, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._lost: LnpdError | None = None

    @classmethod
    def open(cls, keys: Keys, directory: Path, network: str) -> "tuple[DurableSigner, Store]":
        """The signer of a directory of its own, and its store to be closed. Raises what Store.open raises."""
        store = Store.open(directory, network)
        try:
            return cls(keys, store), store
        except BaseException:
            store.close_sync()
            raise

    # What moves its memory

    async def reserve_channel(self, index: ChannelIndex, name: str) -> Reservation:
        """See Signer."""
        async with self._turn(index):
            return await self._without_records(await super().reserve_channel(index, name))

    async def register_channel(self, channel: SignerChannel, lost: bool = False) -> SignerRecords:
        """See Signer."""
        async with self._turn(channel.index):
            return await self._lasting(channel.index, await super().register_channel(channel, lost))

    async def forget_channel(self, index: ChannelIndex) -> None:
        """See Signer."""
        async with self._turn(index):
            await super().forget_channel(index)
            await self._erase(order.row_keys(index))
        self._locks.pop(_lock_key(index), None)

    async def register_funding(self, index: ChannelIndex, funding: Funding) -> SignerRecords:
        """See Signer."""
        async with self._turn(index):
            return await self._lasting(index, await super().register_funding(index, funding))

    async def forget_funding(self, index: ChannelIndex, funding_txid: bytes) -> SignerRecords:
        """See Signer."""
        async with self._turn(index):
            return await self._lasting(index, await super().forget_funding(index, funding_txid))

    async def allow_destination(self, index: ChannelIndex, script_pubkey: bytes) -> SignerRecords:
        """See Signer."""
        async with self._turn(index):
            return await self._lasting(index, await super().allow_destination(index, script_pubkey))

    async def hold_commitment(self, index: ChannelIndex, graph: Graph, signatures: CommitmentSignatures) -> Held:
        """See Signer."""
        async with self._turn(index):
            held = await super().hold_commitment(index, graph, signatures)
            return replace(held, records=await self._lasting(index, held.records))

    async def prepare_commitment(self, index: ChannelIndex, graph: Graph, revealed: bytes = b"") -> SignerRecords:
        """See Signer."""
        async with self._turn(index):
            await super().prepare_commitment(index, graph, revealed)
            return ()

    async def prepare_release(self, index: ChannelIndex, number: int) -> SignerRecords:
        """See Signer."""
        async with self._turn(index):
            await super().prepare_release(index, number)
            return ()

    async def prepare_broadcast(self, index: ChannelIndex, number: int) -> SignerRecords:
        """See Signer."""
        async with self._turn(index):
            await super().prepare_broadcast(index, number)
            return ()

    async def prepare_closing(self, index: ChannelIndex, closing: SignClosing) -> SignerRecords:
        """See Signer."""
        async with self._turn(index):
            await super().prepare_closing(index, closing)
            return ()

    # What relies on it

    async def sign_commitment(self, index: ChannelIndex, graph: Graph) -> CommitmentSignatures:
        """See Signer."""
        async with self._turn(index):
            signatures = await super().sign_commitment(index, graph)
            await self._give_out(index)
            return signatures

    async def release_secret(self, index: ChannelIndex, number: int) -> Released:
        """See Signer."""
        async with self._turn(index):
            released = await super().release_secret(index, number)
            await self._give_out(index)
            return released

    async def sign_broadcast(self, index: ChannelIndex, graph: Graph, signatures: CommitmentSignatures) -> Tx:
        """See Signer."""
        async with self._turn(index):
            await super().prepare_broadcast(index, graph.number)  # it may have been prepared before this process began
            signed = await super().sign_broadcast(index, graph, signatures)
            await self._give_out(index)
            return signed

    async def take_back(self, index: ChannelIndex, stored: SignerRecords) -> None:
        """See Signer: the rows that count are its own."""
        async with self._turn(index):
            levels = order.levels(index)
            if levels in self._states:
                self._restore(levels, self._given.lasting(levels, self._states[levels]))

    async def sign_second_stage(self, index: ChannelIndex, stage: SecondStage) -> Tx:
        """See Signer."""
        async with self._turn(index):
            return await super().sign_second_stage(index, stage)

    async def sign_closing(self, index: ChannelIndex, closing: SignClosing) -> bytes:
        """See Signer."""
        async with self._turn(index):
            await super().prepare_closing(index, closing)  # as sign_broadcast
            signature = await super().sign_closing(index, closing)
            await self._give_out(index)
            return signature

    async def complete_closing(self, index: ChannelIndex, closing: CompleteClosing) -> Tx:
        """See Signer."""
        async with self._turn(index):
            await super().prepare_closing(index, closing.signing)  # as sign_broadcast
            tx = await super().complete_closing(index, closing)
            await self._give_out(index)
            return tx

    async def sign_claim(self, index: ChannelIndex, claim: Claim) -> Tx:
        """See Signer."""
        async with self._turn(index):
            return await super().sign_claim(index, claim)

    # Plugins' keys

    async def musig_nonce(self, plugin: str, key: KeyName) -> Begun:
        """See PluginSigner."""
        async with self._plugin_turn():
            return await self._without_records(await super().musig_nonce(plugin, key))

    async def prepare_partial(self, plugin: str, session: int, together: Together) -> SignerRecords:
        """See PluginSigner."""
        async with self._plugin_turn():
            await super().prepare_partial(plugin, session, together)
            return ()

    async def musig_partial(self, plugin: str, session: int, together: Together) -> bytes:
        """See PluginSigner."""
        async with self._plugin_turn():
            await self._write(await super().prepare_partial(plugin, session, together))
            return await super().musig_partial(plugin, session, together)

    # How

    @asynccontextmanager
    async def _plugin_turn(self) -> AsyncIterator[None]:
        async with self._locks[PLUGIN_ROWS]:
            self._check_stored()
            yield

    @asynccontextmanager
    async def _turn(self, index: ChannelIndex) -> AsyncIterator[None]:
        async with self._locks[_lock_key(index)]:
            self._check_stored()
            yield

    def _check_stored(self) -> None:
        if self._lost is not None:
            raise StoreHalted(f"The signer could not store what it did: {self._lost}")

    async def _give_out(self, index: ChannelIndex) -> None:
        levels = order.levels(index)
        await self._write((order.state_row(index, self._given.lasting(levels, self._states[levels])),))

    async def _lasting(self, index: ChannelIndex, records: SignerRecords) -> SignerRecords:
        """Writes these records, the channel's state without what is only prepared."""
        if records:
            levels = order.levels(index)
            state = order.state_row(index, self._given.lasting(levels, self._states[levels]))
            await self._write(tuple(state if each.key == state.key else each for each in records))
        return ()

    async def _without_records(self, answer: T) -> T:
        await self._write(answer.records)
        return replace(answer, records=())

    async def _write(self, records: SignerRecords) -> SignerRecords:
        changed = [each for each in records if self._stored.get(each.key) != each.value]
        if not changed:
            return ()

        def put(write: Write) -> None:
            for each in changed:
                write.put_signer_state(each.key, each.value)

        await self._store_all(put)
        self._stored.update((each.key, each.value) for each in changed)
        return ()

    async def _erase(self, keys: tuple[bytes, ...]) -> None:
        def erase(write: Write) -> None:
            for key in keys:
                write.delete_signer_state(key)

        await self._store_all(erase)
        for key in keys:
            self._stored.pop(key, None)

    async def _store_all(self, work: Callable[[Write], None]) -> None:
        try:
            await asyncio.shield(self._store.write(work))
        except BaseException as error:
            self._lost = error if isinstance(error, LnpdError) else StoreHalted(f"{type(error).__name__} came between.")
            raise


def _lock_key(index: ChannelIndex) -> bytes:
    try:
        return order.levels(index)
    except OverflowError:
        return b""  # it is refused later, by its own rule
