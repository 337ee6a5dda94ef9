"""Does the wallet know its coins through everything that a chain does, and never spend one twice?"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
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
from lnpd.services.signer import KeySigner
from lnpd.services.signer_keys import Keys
from lnpd.services.signer_seed import seed_from_entropy
from lnpd.services.wallet import Wallet
from lnpd.services.wallet_rows import GAPS
from lnpd.services.wallet_scripts import CHANGE, RECEIVE, WalletScripts
from lnpd.services.wallet_select import DUST_SAT
from lnpd.store.store import Store
from lnpd.tx.transaction import Tx, TxOut
from tests.chain.purse import P2WPKH, output_of, p2wsh, pay
from tests.services.chains import KINDS, Chain, a_chain, a_spend, offer, told

FUNDING_SCRIPT = p2wsh(b"\x53")
RATE = 1_000

# BIP 84's own example: its account, first two receive addresses and first change address.
BIP84_ACCOUNT = (
    "[73c5da0a/84h/0h/0h]xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZX"
    "YVUhLv1VMrjPC7PW6V"
)
BIP84_ADDRESSES = {
    (RECEIVE, 0): "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu",
    (RECEIVE, 1): "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g",
    (CHANGE, 0): "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el",
}


def a_signer(byte: int = 1) -> KeySigner:
    return KeySigner(Keys(seed_from_entropy(bytes([byte]) * 16).master(1)))


@asynccontextmanager
async def a_wallet(
    directory: Path, chain: Chain, name: str = "node", signer: KeySigner | None = None, **options: int
) -> AsyncIterator[Wallet]:
    """A wallet on the store of a directory; hints alone wake it, for its poll is an hour."""
    store = Store.open(directory / name, "regtest")
    try:
        wallet = await Wallet.open(store, chain, signer or a_signer(), "regtest", poll_seconds=3600, **options)
        yield wallet
        await wallet.close()
    finally:
        store.close_sync()


async def paid(wallet: Wallet, chain: Chain, *amounts_sat: int) -> None:
    """Confirmed coins for the wallet."""
    for amount_sat in amounts_sat:
        await chain.fund(wallet.scripts.script_of(await wallet.new_address()), amount_sat)
    await wallet.sync()


def a_funding(amount_sat: int = 100_000) -> TxOut:
    return TxOut(amount_sat, FUNDING_SCRIPT)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# Addresses


def test_addresses_are_those_of_bip_84() -> None:
    scripts = WalletScripts(BIP84_ACCOUNT, "bitcoin")
    for path, address in BIP84_ADDRESSES.items():
        assert scripts.address(scripts.script(*path)) == address
        assert scripts.script_of(address) == scripts.script_of(address.upper()) == scripts.script(*path)
        assert scripts.path(scripts.script(*path)) == path
    assert scripts.path(FUNDING_SCRIPT) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu",
        "bcrt1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "bcrt1" * 100,
        "bcrt1Qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
        "é",
    ],
)
def test_what_is_no_address_of_this_network_is_refused(text: str) -> None:
    with pytest.raises(AddressRefused):
        WalletScripts(BIP84_ACCOUNT, "regtest").script_of(text)


def test_addresses_are_not_given_twice_until_the_gap_is_full(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            async with a_wallet(tmp_path, chain) as wallet:
                first = [await wallet.new_address() for _ in range(12)]
            async with a_wallet(tmp_path, chain) as wallet:
                addresses = [*first, *[await wallet.new_address() for _ in range(8)]]
                assert len(set(addresses)) == GAPS[RECEIVE]
                assert await wallet.new_address() == addresses[0], "the oldest unpaid one comes again"
                await chain.fund(wallet.scripts.script_of(addresses[4]), 10_000)
                await wallet.sync()
                assert await wallet.new_address() not in addresses
                scripts = {await wallet.next_script() for _ in range(GAPS[CHANGE] + 5)}
                assert len(scripts) == GAPS[CHANGE]

    told(story)


# What the chain does


def test_coins_come_and_are_found_by_hints_alone(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            script = wallet.scripts.script_of(await wallet.new_address())
            await wallet.sync()
            incoming = await a_spend(chain, outputs=(TxOut(30_000, script), TxOut(960_000, P2WPKH)))
            await offer(chain, incoming)
            await wallet.sync()
            assert await wallet.balance() == Balance(unconfirmed_sat=30_000)
            with pytest.raises(InsufficientFunds, match="30,000 sat are unconfirmed"):
                await wallet.fund("one", a_funding(20_000), RATE)
            (block,) = await chain.mine()
            seen: list[Balance] = []

            async def watch() -> None:
                while not seen or seen[-1] != Balance(confirmed_sat=30_000):
                    seen.append(await wallet.balance())

            await asyncio.wait_for(watch(), 30)
            (coin,) = await wallet.coins()
            assert (coin.txid, coin.vout, coin.height) == (incoming.txid, 0, block.height)
            (row,) = await wallet.listing()
            assert (row.txid, row.height, row.change_sat, row.fee_sat) == (incoming.txid, block.height, 30_000, None)

    told(story)


def test_reorganisations_and_replacements_leave_no_trace(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            script = wallet.scripts.script_of(await wallet.new_address())
            source = await a_spend(chain)
            await offer(chain, source)
            await chain.mine()
            coin = output_of(source)
            one = pay(coin, to=script, fee_sat=1_000)
            two = pay(coin, to=script, fee_sat=3_000)
            away = pay(coin, fee_sat=9_000)
            await offer(chain, one)
            await wallet.sync()
            assert await wallet.balance() == Balance(unconfirmed_sat=one.outputs[0].value_sat)
            await offer(chain, two)
            await wallet.sync()
            assert await wallet.balance() == Balance(unconfirmed_sat=two.outputs[0].value_sat), "the fee was bumped"
            await chain.mine()
            await wallet.sync()
            assert await wallet.balance() == Balance(confirmed_sat=two.outputs[0].value_sat)
            await chain.reorganise(1, 2)
            await wallet.sync()
            assert await wallet.balance() == Balance(unconfirmed_sat=two.outputs[0].value_sat), "it waits again"
            await chain.reorganise(2, 3, (one.serialise(),))
            await wallet.sync()
            assert await wallet.balance() == Balance(confirmed_sat=one.outputs[0].value_sat), "its rival was mined"
            await chain.reorganise(3, 4, (away.serialise(),))
            await wallet.sync()
            assert await wallet.balance() == Balance()
            assert await wallet.listing() == ()

    told(story)


def test_a_coinbase_is_immature_for_a_hundred_blocks_and_gone_with_its_block(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await chain.mine(1, await wallet.next_script())
            await wallet.sync()
            balance = await wallet.balance()
            assert balance.immature_sat > 0 and balance == Balance(immature_sat=balance.immature_sat)
            with pytest.raises(InsufficientFunds, match="immature"):
                await wallet.fund("one", a_funding(), RATE)
            await chain.mine(98)
            await wallet.sync()
            assert (await wallet.balance()).confirmed_sat == 0
            await chain.mine()
            await wallet.sync()
            assert (await wallet.balance()).confirmed_sat == balance.immature_sat
            made = await wallet.fund("one", a_funding(), RATE)
            await offer(chain, made.transaction)
            await chain.mine(1, await wallet.next_script())
            await wallet.sync()
            await chain.reorganise(1, 2)
            await wallet.sync()
            assert (await wallet.balance()).immature_sat == 0

    told(story)


def test_a_restored_seed_finds_all_of_its_coins(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain:
            async with a_wallet(tmp_path, chain) as wallet:
                for _ in range(3):  # beyond the first gap, step by step
                    addresses = [await wallet.new_address() for _ in range(GAPS[RECEIVE])]
                    await chain.fund(wallet.scripts.script_of(addresses[-1]), 50_000)
                    await wallet.sync()
                made = await wallet.fund("one", a_funding(), RATE)
                await offer(chain, made.transaction)
                await chain.mine(200)
                await wallet.sync()
                balance = await wallet.balance()
                listing = await wallet.listing()
            async with a_wallet(tmp_path, chain, "again") as wallet:
                assert await wallet.balance() == balance and balance.confirmed_sat > 0
                assert [row.change_sat for row in await wallet.listing()] == [row.change_sat for row in listing]
                assert (await wallet.listing())[0].fee_sat == made.fee_sat
                assert await wallet.new_address() not in addresses, "numbers that were paid are not given again"
            async with a_wallet(tmp_path, chain, "other", a_signer(2)) as wallet:
                assert await wallet.balance() == Balance()

    told(story)


@pytest.mark.parametrize("seed", range(3))
def test_after_any_story_the_wallet_and_the_chain_agree(tmp_path: Path, seed: int) -> None:
    """Random steps; after each, the wallet's coins are the chain's unspent outputs of its scripts."""
    choice = random.Random(seed)
    made: list[Funded] = []

    async def step(chain: Chain, wallet: Wallet) -> None:
        match choice.randrange(7):
            case 0:
                await chain.fund(
                    wallet.scripts.script_of(await wallet.new_address()), choice.randrange(50_000, 400_000)
                )
            case 1:
                with suppress(InsufficientFunds):
                    made.append(
                        await wallet.fund(str(choice.random()), a_funding(choice.randrange(1_000, 300_000)), RATE)
                    )
            case 2 if made:
                await chain.broadcast((choice.choice(made).transaction.serialise(),))
            case 3 if made:
                await wallet.release(made[-1].txid)
            case 4:
                with suppress(InsufficientFunds, BroadcastRefused):
                    await wallet.send(wallet.scripts.address(P2WPKH), choice.randrange(1_000, 100_000), RATE)
            case 5:
                await chain.mine(choice.randrange(1, 3))
            case 6:
                depth = choice.randrange(1, 4)
                await chain.reorganise(depth, depth + 1)

    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            for _ in range(4):
                async with a_wallet(tmp_path, chain) as wallet:
                    for _ in range(25):
                        await step(chain, wallet)
                        await wallet.sync()
                        assert await owned(wallet, chain) == await unspent(wallet, chain)

    told(story)


async def owned(wallet: Wallet, chain: Chain) -> dict[tuple[bytes, int], int | None]:
    """The wallet's coins that the chain can know, and their heights."""
    coins = await wallet.coins()
    return {(coin.txid, coin.vout): coin.height for coin in coins if await chain.transaction(coin.txid)}


async def unspent(wallet: Wallet, chain: Chain) -> dict[tuple[bytes, int], int | None]:
    """What the chain says of all scripts that the wallet may have given out."""
    found = {}
    for branch, count in ((RECEIVE, 60), (CHANGE, 120)):
        for number in range(count):
            for output in await chain.unspent(wallet.scripts.script(branch, number)):
                found[output.outpoint.txid, output.outpoint.index] = output.height
    return found


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


def spent(made: Funded) -> set[bytes]:
    return {each.outpoint for each in made.transaction.inputs}


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
