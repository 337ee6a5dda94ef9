"""Does the wallet know its coins through everything that a chain does?"""

import asyncio
import random
from contextlib import suppress
from pathlib import Path

import pytest
from embit.descriptor import Descriptor

from lnpd.errors import (
    AddressRefused,
    BroadcastRefused,
    InsufficientFunds,
)
from lnpd.services.onchain import Balance, Funded
from lnpd.services.wallet.rows import GAPS
from lnpd.services.wallet.scripts import CHANGE, RECEIVE, WalletScripts
from lnpd.services.wallet.service import Wallet
from lnpd.tx.script import pay_to_key
from lnpd.tx.transaction import TxOut
from tests.chain.purse import P2WPKH, output_of, pay
from tests.services.chain.chains import KINDS, Chain, a_chain, a_spend, offer, told
from tests.services.wallet.wallets import FUNDING_SCRIPT, RATE, a_funding, a_signer, a_wallet, paid

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


@pytest.mark.parametrize("path", [(0, 0), (0, 19), (1, 0), (1, 199), (1, 2**31 - 1)])
def test_scripts_are_those_of_the_descriptor_and_of_the_keys_that_a_psbt_names(path: tuple[int, int]) -> None:
    scripts = WalletScripts(BIP84_ACCOUNT, "regtest")
    descriptor = Descriptor.from_string(f"wpkh({BIP84_ACCOUNT}/{path[0]}/*)")
    key, _ = scripts.origin(path)
    assert scripts.script(*path) == descriptor.derive(path[1]).script_pubkey().data == pay_to_key(key.sec())


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
            async with a_wallet(tmp_path, chain, "late", birth_height=None) as wallet:
                assert await wallet.balance() == Balance(), "a new wallet has no past"
                await paid(wallet, chain, 70_000)
            async with a_wallet(tmp_path, chain, "late", birth_height=None) as wallet:
                assert (await wallet.balance()).confirmed_sat == 70_000
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
