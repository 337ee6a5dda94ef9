"""Are fundings and payments valid, honest about their fee, and never made of a coin twice?"""

import asyncio
from pathlib import Path

import pytest
from embit.psbt import PSBT

from lnpd.crypto.secp import sign, to_der
from lnpd.errors import (
    AddressRefused,
    BroadcastRefused,
    FeeTooHigh,
    InsufficientFunds,
    OutputTooSmall,
    ReferenceTaken,
    SignerRefused,
    WalletSignatureMissing,
)
from lnpd.services.onchain import Balance, Funded
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.seed import seed_from_entropy
from lnpd.services.signer.service import KeySigner
from lnpd.services.wallet.select import DUST_SAT
from lnpd.services.wallet.service import Wallet
from lnpd.tx.transaction import Tx, TxOut
from tests.chain.purse import P2WPKH
from tests.services.chain.chains import KINDS, Chain, a_chain, offer, told
from tests.services.wallet.wallets import RATE, a_funding, a_wallet, paid, spent


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# Funding


def test_a_funding_is_valid_and_its_change_is_known_at_once(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, 500_000, 300_000)
            made = await wallet.fund("one", a_funding(), RATE)
            tx = made.transaction
            assert tx.outputs[made.vout] == a_funding() and len(tx.inputs) == 1 and len(tx.outputs) == 2
            assert made.fee_sat == 500_000 - sum(output.value_sat for output in tx.outputs)
            assert RATE * tx.weight <= made.fee_sat * 1000 <= RATE * (tx.weight + 4) + 1000
            change_sat = 500_000 - 100_000 - made.fee_sat
            pending = Balance(confirmed_sat=300_000, pending_sat=change_sat, reserved_sat=500_000)
            assert await wallet.balance() == pending
            assert {coin.reserved_for for coin in await wallet.coins()} == {"", "one"}
            await offer(chain, tx)
            await wallet.sync()
            assert await wallet.balance() == Balance(confirmed_sat=300_000, unconfirmed_sat=change_sat)
            await chain.mine()
            await wallet.sync()
            assert await wallet.balance() == Balance(confirmed_sat=300_000 + change_sat)
            (row, *_) = await wallet.listing()
            assert (row.change_sat, row.fee_sat, row.reference) == (-100_000 - made.fee_sat, made.fee_sat, "one")

    told(story)


def test_a_reference_is_answered_the_same_after_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            async with a_wallet(tmp_path, chain) as wallet:
                await paid(wallet, chain, 500_000, 400_000)
                made = await wallet.fund("one", a_funding(), RATE)
                assert await wallet.fund("one", a_funding(), 2 * RATE) == made
            async with a_wallet(tmp_path, chain) as wallet:
                assert await wallet.fund("one", a_funding(), RATE) == made
                with pytest.raises(ReferenceTaken):
                    await wallet.fund("one", a_funding(99_000), RATE)
                other = await wallet.fund("two", a_funding(), RATE)
                assert spent(made).isdisjoint(spent(other))
                assert await wallet.release_orphans({"one"}) == (other.txid,)
                assert await wallet.release(made.txid)
                assert not await wallet.release(made.txid)
                assert await wallet.balance() == Balance(confirmed_sat=900_000)
                again = await wallet.fund("one", a_funding(99_000), RATE)
                assert again.txid != made.txid

    told(story)


def test_what_is_on_the_network_is_not_released(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, 500_000)
            made = await wallet.fund("one", a_funding(), RATE)
            await offer(chain, made.transaction)
            await wallet.sync()
            assert not await wallet.release(made.txid)
            # Its change may be spent before it is confirmed, but not before it was seen.
            child = await wallet.fund("two", a_funding(), RATE)
            assert spent(child) <= {made.txid + index.to_bytes(4, "little") for index in (0, 1)}
            with pytest.raises(InsufficientFunds):
                await wallet.fund("three", a_funding(), RATE)
            await offer(chain, child.transaction)
            await chain.mine()
            await chain.reorganise(1, 2)
            await wallet.sync()
            assert not await wallet.release(made.txid), "undone, it waits in the mempool again"
            await chain.mine()
            await wallet.sync()
            assert not await wallet.release(child.txid)
            assert (await wallet.balance()).confirmed_sat == 300_000 - made.fee_sat - child.fee_sat

    told(story)


def test_twenty_openings_at_once_use_no_coin_twice(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, *[150_000 + 1_000 * number for number in range(15)])
            openings = [wallet.fund(f"channel {number}", a_funding(), RATE) for number in range(20)]
            results = await asyncio.gather(*openings, return_exceptions=True)
            made = [each for each in results if isinstance(each, Funded)]
            refused = [each for each in results if isinstance(each, InsufficientFunds)]
            assert (len(made), len(refused)) == (15, 5)
            coins = [coin for each in made for coin in spent(each)]
            assert len(coins) == len(set(coins)) == 15
            assert len({output.script_pubkey for each in made for output in each.transaction.outputs}) == 16
            assert "reserved for openings" in str(refused[0])
            for each in made:
                await offer(chain, each.transaction)
            await chain.mine()
            await wallet.sync()
            assert (await wallet.balance()).reserved_sat == 0

    told(story)


def test_a_coin_that_is_spent_elsewhere_meanwhile_is_not_used(tmp_path: Path) -> None:
    class Slow(KeySigner):
        """Lets the world move on before it signs."""

        async def sign_wallet(self, psbt: bytes, max_fee_sat: int, ours: tuple[TxOut, ...]) -> bytes:
            signed = await super().sign_wallet(psbt, max_fee_sat, ours)
            if steal:
                await offer(chain, steal.pop())
                await chain.mine()
                await wallet.sync()
            return signed

    steal: list[Tx] = []

    async def story() -> None:
        nonlocal chain, wallet
        async with a_chain("embedded", tmp_path) as chain:
            async with a_wallet(tmp_path, chain) as wallet:
                await paid(wallet, chain, 500_000, 400_000)
                thief = await wallet.fund("elsewhere", a_funding(), RATE)  # takes the largest coin
            # The same seed in another data directory knows nothing of that funding.
            async with a_wallet(
                tmp_path, chain, "other", Slow(Keys(seed_from_entropy(b"\1" * 16).master(1)))
            ) as wallet:
                steal.append(thief.transaction)
                made = await wallet.fund("here", a_funding(), RATE)
                assert not steal and spent(made).isdisjoint(spent(thief))
                await offer(chain, made.transaction)

    chain: Chain
    wallet: Wallet
    told(story)


def test_a_confirmed_rival_ends_a_reservation_and_what_was_built_on_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            async with a_wallet(tmp_path, chain, "other") as wallet:
                await paid(wallet, chain, 500_000)
                rival = await wallet.fund("elsewhere", a_funding(200_000), RATE)
            async with a_wallet(tmp_path, chain) as wallet:
                left = Balance(confirmed_sat=300_000 - rival.fee_sat)
                await wallet.fund("here", a_funding(), RATE)
                await offer(chain, rival.transaction)
                await chain.mine()
                await wallet.sync()
                assert await wallet.balance() == left, "a funding that can never confirm reserves nothing"
                await chain.reorganise(1, 2)
                await chain.mine()
                await wallet.sync()
                assert await wallet.balance() == left
            async with a_wallet(tmp_path, chain, "other") as wallet:
                rival = await wallet.fund("elsewhere again", a_funding(), RATE)
            async with a_wallet(tmp_path, chain) as wallet:
                target = wallet.scripts.address(P2WPKH)
                first = await wallet.send(target, 50_000, RATE)
                second = await wallet.send(target, 50_000, RATE)
                assert {each.txid for each in second.transaction.inputs} == {first.txid}
                await chain.mine()
                await wallet.sync()
                await chain.reorganise(1, 2, (rival.transaction.serialise(),))
                await wallet.sync()
                left = Balance(confirmed_sat=left.confirmed_sat - 100_000 - rival.fee_sat)
                assert await wallet.balance() == left
                assert {first.txid, second.txid}.isdisjoint(row.txid for row in await wallet.listing())

    told(story)


# Refusals


def test_each_refusal_says_what_is_missing(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            async with a_wallet(tmp_path, chain) as wallet:
                with pytest.raises(InsufficientFunds, match=r"^100,000 sat.*has 0 sat confirmed\.$"):
                    await wallet.fund("one", a_funding(), RATE)
                await paid(wallet, chain, 100_000, 50_000)
                with pytest.raises(InsufficientFunds, match=r"^150,000 sat, 75\d sat of fee are needed; 150,000 sat"):
                    await wallet.fund("one", a_funding(150_000), RATE)
                with pytest.raises(OutputTooSmall, match="330"):
                    await wallet.fund("one", a_funding(329), RATE)
                with pytest.raises(FeeTooHigh, match="one coin"):
                    await wallet.fund("one", a_funding(40_000), 50_000)
                with pytest.raises(FeeTooHigh, match="100 are allowed"):
                    await wallet.fund("one", a_funding(40_000), RATE, max_fee_sat=100)
                await paid(wallet, chain, 500_000)
                with pytest.raises(SignerRefused, match="fee_too_high"):
                    await wallet.fund("one", a_funding(10_000), 290_000, max_fee_sat=200_000)
                assert await wallet.balance() == Balance(confirmed_sat=650_000), "nothing stayed reserved"
            async with a_wallet(tmp_path, chain, reserve_sat=30_000) as wallet:
                with pytest.raises(InsufficientFunds, match="30,000 sat that are kept in reserve"):
                    await wallet.fund("one", a_funding(620_000), RATE)
                made = await wallet.fund("one", a_funding(618_000), RATE)
                assert 650_000 - 618_000 - made.fee_sat >= 30_000

    told(story)


def test_a_signer_that_signs_wrongly_reserves_nothing(tmp_path: Path) -> None:
    class Lazy(KeySigner):
        async def sign_wallet(self, psbt: bytes, max_fee_sat: int, ours: tuple[TxOut, ...]) -> bytes:
            return psbt

    class Liar(KeySigner):
        async def sign_wallet(self, psbt: bytes, max_fee_sat: int, ours: tuple[TxOut, ...]) -> bytes:
            return b"psbt"

    class Forger(KeySigner):
        """Signs something else."""

        async def sign_wallet(self, psbt: bytes, max_fee_sat: int, ours: tuple[TxOut, ...]) -> bytes:
            signed = PSBT.parse(await super().sign_wallet(psbt, max_fee_sat, ours))
            for scope in signed.inputs:
                for key in scope.partial_sigs:
                    scope.partial_sigs[key] = to_der(sign(b"\1" * 32, bytes(32))) + b"\1"
            return bytes(signed.serialize())

    async def story() -> None:
        keys = Keys(seed_from_entropy(b"\1" * 16).master(1))
        async with a_chain("embedded", tmp_path) as chain:
            async with a_wallet(tmp_path, chain) as wallet:
                await paid(wallet, chain, 200_000)
            for signer in (Lazy(keys), Liar(keys), Forger(keys)):
                async with a_wallet(tmp_path, chain, signer=signer) as wallet:
                    with pytest.raises(WalletSignatureMissing):
                        await wallet.fund("one", a_funding(), RATE)
                    assert await wallet.balance() == Balance(confirmed_sat=200_000)

    told(story)


# Sending


def test_a_payment_is_broadcast_and_kept_until_it_confirms(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, 200_000, 100_000)
            target = wallet.scripts.address(P2WPKH)
            sent = await wallet.send(target, 50_000, RATE)
            assert await chain.transaction(sent.txid) is not None
            change_sat = 200_000 - 50_000 - sent.fee_sat
            assert await wallet.balance() == Balance(confirmed_sat=100_000, unconfirmed_sat=change_sat)
            rest = await wallet.send(target, None, RATE)
            assert len(rest.transaction.outputs) == 1 and len(rest.transaction.inputs) == 2
            assert rest.transaction.outputs[0].value_sat == 100_000 + change_sat - rest.fee_sat
            assert await wallet.balance() == Balance()
            with pytest.raises(InsufficientFunds, match="nothing to send"):
                await wallet.send(target, None, RATE)
            with pytest.raises(AddressRefused):
                await wallet.send("bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", 50_000, RATE)
            await chain.mine()
            await wallet.sync()
            assert [row.height is None for row in await wallet.listing()] == [False] * 4

    told(story)


def test_a_payment_is_broadcast_again_after_a_restart_that_lost_the_mempool(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, 200_000)
            sent = await wallet.send(wallet.scripts.address(P2WPKH), 50_000, RATE)
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            assert await chain.transaction(sent.txid) is not None
            await wallet.sync()
            assert (await wallet.balance()).pending_sat == 0
            await chain.mine()
            await wallet.sync()
            assert await wallet.balance() == Balance(confirmed_sat=150_000 - sent.fee_sat)

    told(story)


def test_a_refused_payment_never_happened(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, 200_000)
            await chain.set_mempool_floor(50_000)  # type: ignore[union-attr]  # the embedded chain has it
            with pytest.raises(BroadcastRefused, match="mempool min fee"):
                await wallet.send(wallet.scripts.address(P2WPKH), 50_000, RATE)
            assert await wallet.balance() == Balance(confirmed_sat=200_000)

    told(story)


def test_change_below_dust_goes_to_the_fee(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, 100_900)
            made = await wallet.fund("one", a_funding(), RATE)
            assert len(made.transaction.outputs) == 1 and made.fee_sat == 900
            await wallet.release(made.txid)
            for amount_sat in range(99_000, 100_300, 100):
                made = await wallet.fund("one", a_funding(amount_sat), RATE)
                assert all(output.value_sat >= DUST_SAT for output in made.transaction.outputs)
                await wallet.release(made.txid)

    told(story)
