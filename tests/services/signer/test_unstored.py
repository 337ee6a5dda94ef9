"""What if the node dies, or fails, between a signer's answer and its own commit? Nothing happened, on either side.

What was only prepared was shown to nobody: the signer goes on from what it gave out, in a process of its own too.
"""

import asyncio
from pathlib import Path

import pytest
from lnpd_sdk.types import ACCEPTOR, OPENER
from msgspec.structs import replace

from lnpd.errors import SignerRefused
from lnpd.services.interfaces import Signer, SignerRecords
from lnpd.services.signer.durable import DurableSigner
from lnpd.services.signer.service import KeySigner
from lnpd.services.signer.state import load, state_row, unsign
from lnpd.store.store import Store
from lnpd.tx.funding import make_funding
from tests.services.signer.signers import INDEX, Pair, htlc, keys_from
from tests.services.signer.world import World

ME = INDEX[OPENER]


class Apart:
    """The opener's signer with a store of its own, which may lose its power, beside the acceptor's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def __aenter__(self) -> "Apart":
        self.signer, self._store = DurableSigner.open(keys_from(1), self.folder, "regtest")
        self.pair = await Pair(signers=(self.signer, KeySigner(keys_from(2)))).opened()
        for holder in (OPENER, ACCEPTOR):
            await self.pair.hold(holder, await self.pair.graph(holder, 0))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._store.close()

    async def power_cut(self, ours: int, theirs: int) -> None:
        """The machine dies; the node's snapshot stands at these numbers."""
        await self._store.close()
        store = Store.open(self.folder, "regtest")
        self.signer, self._store = DurableSigner(keys_from(1), store), store
        await self.signer.resume_channel(ME, ours, theirs)
        self.pair.signers = (self.signer, self.pair.signers[1])


def test_our_commitment_can_be_broadcast_if_its_release_was_never_stored(tmp_path: Path) -> None:
    async def main() -> None:
        async with Apart(tmp_path) as apart:
            first = await apart.pair.graph(OPENER, 0)
            signatures = await apart.pair.hold(OPENER, first)
            await apart.pair.hold(OPENER, await apart.pair.graph(OPENER, 1))
            await apart.signer.prepare_release(ME, 0)
            await apart.power_cut(0, 0)
            assert await apart.signer.prepare_broadcast(ME, 0) == ()
            assert (await apart.signer.sign_broadcast(ME, first, signatures)).inputs[0].witness
            with pytest.raises(SignerRefused, match="release_after_broadcast"):
                await apart.signer.prepare_release(ME, 0)

    asyncio.run(main())


def test_the_peers_commitment_may_change_if_it_was_never_stored(tmp_path: Path) -> None:
    async def main() -> None:
        async with Apart(tmp_path) as apart:
            await apart.signer.prepare_commitment(ME, await apart.pair.graph(ACCEPTOR, 1, (htlc(OPENER),)))
            await apart.power_cut(0, 0)
            other = await apart.pair.graph(ACCEPTOR, 1)
            await apart.signer.prepare_commitment(ME, other)
            await apart.signer.sign_commitment(ME, other)
            await apart.power_cut(0, 1)
            with pytest.raises(SignerRefused, match="two_remote_commitments"):
                await apart.signer.prepare_commitment(ME, await apart.pair.graph(ACCEPTOR, 1, (htlc(OPENER),)))

    asyncio.run(main())


def test_the_node_may_be_a_step_ahead(tmp_path: Path) -> None:
    """It stored the step, and died before it asked for the signature, the secret, and the broadcast."""

    async def main() -> None:
        async with Apart(tmp_path) as apart:
            theirs, ours = await apart.pair.graph(ACCEPTOR, 1), await apart.pair.graph(OPENER, 1)
            signatures = await apart.pair.hold(OPENER, ours)
            await apart.signer.prepare_release(ME, 0)
            await apart.signer.prepare_commitment(ME, theirs)
            await apart.power_cut(1, 1)
            await apart.signer.prepare_release(ME, 0)
            await apart.signer.release_secret(ME, 0)
            await apart.signer.prepare_commitment(ME, theirs)
            await apart.signer.sign_commitment(ME, theirs)
            await apart.signer.prepare_broadcast(ME, 1)
            await apart.power_cut(1, 1)
            assert (await apart.signer.sign_broadcast(ME, ours, signatures)).inputs[0].witness

    asyncio.run(main())


def test_what_was_given_out_outlives_a_power_cut(tmp_path: Path) -> None:
    async def main() -> None:
        async with Apart(tmp_path) as apart:
            first = await apart.pair.graph(OPENER, 0)
            signatures = await apart.pair.hold(OPENER, first)
            await apart.pair.hold(OPENER, await apart.pair.graph(OPENER, 1))
            await apart.pair.release(OPENER, 0)
            await apart.power_cut(1, 0)
            with pytest.raises(SignerRefused, match="revoked_broadcast"):
                await apart.signer.sign_broadcast(ME, first, signatures)

    asyncio.run(main())


@pytest.mark.parametrize("apart", [False, True])
def test_a_batch_that_failed_is_taken_back(tmp_path: Path, apart: bool) -> None:
    async def main() -> None:
        store = Store.open(tmp_path, "regtest") if apart else None
        signer: Signer = DurableSigner(keys_from(1), store) if store else KeySigner(keys_from(1))
        pair = await Pair(signers=(signer, KeySigner(keys_from(2)))).opened()
        first = await pair.graph(OPENER, 0)
        signatures = await pair.hold(OPENER, first)
        await pair.hold(ACCEPTOR, await pair.graph(ACCEPTOR, 0))
        stored = pair.rows(OPENER)
        own = await pair.graph(OPENER, 1)
        await signer.hold_commitment(ME, own, await pair.sign(ACCEPTOR, own))
        await signer.prepare_release(ME, 0)
        await signer.prepare_commitment(ME, await pair.graph(ACCEPTOR, 1, (htlc(OPENER),)))
        await signer.take_back(ME, stored)
        await signer.prepare_broadcast(ME, 0)
        assert (await signer.sign_broadcast(ME, first, signatures)).inputs[0].witness
        await signer.prepare_commitment(ME, await pair.graph(ACCEPTOR, 1))
        if store:
            await store.close()

    asyncio.run(main())


def test_what_was_given_out_is_not_taken_back(tmp_path: Path) -> None:
    async def main() -> None:
        signer = KeySigner(keys_from(1))
        pair = await Pair(signers=(signer, KeySigner(keys_from(2)))).opened()
        await pair.hold(OPENER, await pair.graph(OPENER, 0))
        old = pair.rows(OPENER)
        await pair.hold(OPENER, await pair.graph(OPENER, 1))
        await pair.release(OPENER, 0)
        with pytest.raises(SignerRefused, match="went_backwards"):
            await signer.take_back(ME, old)
        with pytest.raises(SignerRefused, match="went_backwards"):
            await signer.take_back(ME, ())

    asyncio.run(main())


def without_digests(rows: SignerRecords, number: int) -> SignerRecords:
    """Rows in which all numbers are as they were, but not what was signed under one of them."""
    loaded = load(rows)
    ((levels, state),) = loaded.states.items()
    fundings = tuple(unsign(each, number) for each in state.fundings)
    changed = state_row(loaded.names[levels][1], replace(state, fundings=fundings))
    return tuple(changed if each.key == changed.key else each for each in rows)


def test_rows_without_what_was_signed_are_not_taken_back(tmp_path: Path) -> None:
    """Numbers alone would let a second commitment of that number be signed."""

    async def main() -> None:
        signer = KeySigner(keys_from(1))
        pair = await Pair(signers=(signer, KeySigner(keys_from(2)))).opened()
        for number in (0, 1):
            await pair.hold(ACCEPTOR, await pair.graph(ACCEPTOR, number))
        with pytest.raises(SignerRefused, match="went_backwards"):
            await signer.take_back(ME, without_digests(pair.rows(OPENER), 1))
        await signer.take_back(ME, pair.rows(OPENER))
        other = await pair.graph(ACCEPTOR, 1, balances_msat=(20_000_000, 980_000_000))
        with pytest.raises(SignerRefused, match="two_remote_commitments"):
            await signer.prepare_commitment(ME, other)

    asyncio.run(main())


def test_rows_with_a_step_that_was_stored_and_not_signed_are_taken_back(tmp_path: Path) -> None:
    async def main() -> None:
        signer = KeySigner(keys_from(1))
        pair = await Pair(signers=(signer, KeySigner(keys_from(2)))).opened()
        for number in (0, 1):
            await pair.hold(ACCEPTOR, await pair.graph(ACCEPTOR, number))
        await pair.release(ACCEPTOR, 0)
        graph = await pair.graph(ACCEPTOR, 2)
        pair.keep(OPENER, await signer.prepare_commitment(ME, graph, pair.secret(ACCEPTOR, 0)))
        await signer.take_back(ME, pair.rows(OPENER))
        assert await signer.sign_commitment(ME, graph)

    asyncio.run(main())


def test_a_close_that_was_given_out_is_not_taken_back(tmp_path: Path) -> None:
    async def main() -> None:
        world = await World.fresh()
        old = world.pair.rows(OPENER)
        await world.close(world.closing(699_500))
        with pytest.raises(SignerRefused, match="went_backwards"):
            await world.signer.take_back(ME, old)

    asyncio.run(main())


def test_a_durable_signer_stores_a_close_and_a_forgotten_funding(tmp_path: Path) -> None:
    """What a signer of its own refuses holds after a restart, too."""

    async def main() -> None:
        signer, store = DurableSigner.open(keys_from(1), tmp_path, "regtest")
        pair = await Pair(signers=(signer, KeySigner(keys_from(2)))).opened()
        world = World(pair)
        for holder in (OPENER, ACCEPTOR):
            await pair.hold(holder, await pair.graph(holder, 0))
        other = make_funding(b"\x77" * 32, 0, 1_000, pair.funding.funding_keys)
        await signer.register_funding(ME, other)
        await signer.forget_funding(ME, other.txid)
        await world.close(world.closing(699_500))
        await store.close()
        signer, store = DurableSigner.open(keys_from(1), tmp_path, "regtest")
        await signer.resume_channel(ME, 0, 0)
        with pytest.raises(SignerRefused, match="forgotten_funding"):
            await signer.register_funding(ME, other)
        with pytest.raises(SignerRefused, match="after_close"):
            await signer.prepare_commitment(ME, await pair.graph(ACCEPTOR, 1))
        await store.close()

    asyncio.run(main())
