"""Do the wallet's coins pay the fee of what a channel began, once, and the same coins again for its next version?"""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lnpd.errors import FeeTooHigh, InsufficientFunds
from lnpd.services.onchain import Balance, FeePaid, FeeWanted, WalletCoin
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.seed import seed_from_entropy
from lnpd.services.signer.service import KeySigner
from lnpd.services.wallet.select import DUST_SAT, INPUT_WEIGHT
from lnpd.services.wallet.service import FEE_ROUNDS, Wallet
from lnpd.services.wallet.topup import top_up
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.chain.purse import p2wsh
from tests.services.chain.chains import Chain, a_chain
from tests.services.wallet.wallets import a_wallet, paid

ANYONE = b"\x51"
SPENT = TxOut(20_000, p2wsh(ANYONE))
BASE = Tx((TxIn(b"\x01" * 32, 0, 1),), (TxOut(20_000, p2wsh(b"\x52")),))
WANTED = FeeWanted("channel/claim", BASE, (SPENT,), 700, 1_000)


STAKE_SAT = 100_000
CHILD = FeeWanted(
    "channel/commitment",
    replace(BASE, outputs=()),
    (TxOut(330, SPENT.script_pubkey),),
    weight=280,
    feerate_per_kw=27_000,
    parent_weight=1_300,
    parent_fee_sat=329,
    max_fee_sat=STAKE_SAT // 2,
)


def coin(number: int, value_sat: int) -> WalletCoin:
    return WalletCoin(bytes([number]) * 32, 0, value_sat, b"\0\x14" + bytes(20), 0, number, height=1)


def test_one_coin_and_its_change() -> None:
    chosen = top_up([coin(1, 5_000), coin(2, 50_000)], WANTED)
    assert [c.value_sat for c in chosen.coins] == [50_000]
    assert chosen.change_sat + chosen.fee_sat == 50_000
    assert chosen.fee_sat == chosen.weight == 700 + INPUT_WEIGHT + 4 * 31


def test_the_last_versions_coin_comes_first() -> None:
    chosen = top_up([coin(1, 5_000), coin(2, 50_000)], WANTED, {(bytes([1]) * 32, 0)})
    assert [c.value_sat for c in chosen.coins] == [5_000]


def test_change_that_is_dust_is_fee() -> None:
    chosen = top_up([coin(1, 1_200)], WANTED)
    assert (chosen.change_sat, chosen.fee_sat) == (0, 1_200)


def test_too_little_names_what_is_needed_and_what_is_there() -> None:
    with pytest.raises(InsufficientFunds, match=r"A fee of 246 sat at least.*240 sat of coins"):
        top_up([coin(1, 240)], WANTED)
    with pytest.raises(InsufficientFunds, match=" 0 sat of coins"):
        top_up([], WANTED)


# coins, feerate: which coins pay which fee. An HTLC of 1,000,000 sat asks for hundreds of thousands at its deadline.
POOR: dict[str, tuple[list[int], int, list[int], int]] = {
    "all of the only coin": ([900], 1_000, [900], 900),
    "one coin, far from enough": ([25_000], 250_000, [25_000], 25_000),
    "a coin that is not worth its input at what is wanted": ([60_000, 700], 250_000, [60_000], 60_000),
    "small coins, at the feerate at which each is worth its input": ([1_000] * 4, 50_000, [1_000] * 4, 4_000),
    "as little as nodes relay": ([246], 250_000, [246], 246),
}


@pytest.mark.parametrize(("values", "feerate_per_kw", "picked", "paid_sat"), POOR.values(), ids=POOR)
def test_a_poor_wallet_pays_what_it_can(
    values: list[int], feerate_per_kw: int, picked: list[int], paid_sat: int
) -> None:
    coins = [coin(number, value) for number, value in enumerate(values)]
    chosen = top_up(coins, replace(WANTED, feerate_per_kw=feerate_per_kw))
    assert ([c.value_sat for c in chosen.coins], chosen.fee_sat, chosen.change_sat) == (picked, paid_sat, 0)
    assert top_up(coins, replace(WANTED, feerate_per_kw=feerate_per_kw + 1_000)) == chosen, "no other version of it"


def test_confirmed_coins_come_first() -> None:
    coins = [replace(coin(1, 50_000), height=None), coin(2, 700), coin(3, 5_000)]
    assert [c.value_sat for c in top_up(coins, WANTED).coins] == [5_000]
    assert [c.value_sat for c in top_up(coins, replace(WANTED, feerate_per_kw=10_000)).coins] == [5_000, 50_000]


def test_a_poor_wallet_leaves_something_for_what_follows() -> None:
    """A commitment's child, and an HTLC transaction after it of the same weight: half each."""
    child = replace(CHILD, parent_fee_sat=0, max_fee_sat=None)
    whole = child.weight + INPUT_WEIGHT + 4 * 31 + child.parent_weight
    first = top_up([coin(1, 20_000)], replace(child, later_weight=whole))
    assert 10_160 <= first.fee_sat <= 10_165 and first.fee_sat + first.change_sat == 20_330
    assert 20_030 <= top_up([coin(1, 20_000)], child).fee_sat <= 20_330 - DUST_SAT
    assert top_up([coin(1, 700)], replace(child, later_weight=whole)).fee_sat > 500, "or else nothing would be paid"


def test_a_child_pays_for_its_parent_too_and_never_less_than_relay_wants() -> None:
    child = replace(WANTED, tx=replace(BASE, outputs=()), spent=(TxOut(330, SPENT.script_pubkey),))
    child = replace(child, parent_weight=1_000, parent_fee_sat=253)
    chosen = top_up([coin(1, 50_000)], child)
    assert chosen.fee_sat == chosen.weight + 1_000 - 253
    rich = top_up([coin(1, 50_000)], replace(child, parent_fee_sat=10_000))
    assert rich.fee_sat == -(-rich.weight * 253 // 1000)


@given(st.lists(st.integers(300, 60_000), max_size=8), st.integers(253, 20_000))
def test_whatever_is_chosen_pays_the_rate_and_adds_up(values: list[int], feerate_per_kw: int) -> None:
    coins = [coin(number, value) for number, value in enumerate(values)]
    try:
        chosen = top_up(coins, replace(WANTED, feerate_per_kw=feerate_per_kw))
    except InsufficientFunds:
        return
    assert sum(c.value_sat for c in chosen.coins) == chosen.change_sat + chosen.fee_sat
    assert chosen.change_sat == 0 or chosen.change_sat >= DUST_SAT
    if 1000 * chosen.fee_sat < feerate_per_kw * chosen.weight:  # a poor wallet: another coin would not raise it
        assert 4 * chosen.fee_sat >= chosen.weight and not chosen.change_sat
        left = sum(values) - sum(c.value_sat for c in chosen.coins)
        assert left <= (8 - len(chosen.coins)) * (chosen.fee_sat * INPUT_WEIGHT // chosen.weight + 2)


@pytest.mark.parametrize("value_sat", [1_000_000, 50_000, 30_000, 20_000, 15_000, 10_000])
@pytest.mark.parametrize("wanted", [CHILD, replace(CHILD, tx=replace(BASE, outputs=(TxOut(330, b""),)))])
def test_further_coins_never_cost_more_than_the_stake_allows(value_sat: int, wanted: FeeWanted) -> None:
    chosen = top_up([coin(number, value_sat) for number in range(40)], wanted)
    assert 0.98 * STAKE_SAT / 2 < chosen.fee_sat <= STAKE_SAT // 2


def test_what_would_cost_more_than_the_stake_even_at_the_lowest_feerate_is_refused() -> None:
    least_sat = -(-(280 + INPUT_WEIGHT + 4 * 31 + 1_300) * 253 // 1000) - 100
    child = replace(CHILD, parent_fee_sat=100)
    assert top_up([coin(1, 50_000)], replace(child, max_fee_sat=least_sat)).fee_sat == least_sat
    with pytest.raises(FeeTooHigh, match=f"A fee of {least_sat} sat.* more than the {least_sat - 1} sat"):
        top_up([coin(1, 50_000)], replace(child, max_fee_sat=least_sat - 1))


# In a wallet, on a chain


async def begun(chain: Chain) -> FeeWanted:
    """An output that anyone may spend stands for an HTLC's: the transaction that spends it pays nothing yet."""
    point = await chain.fund(SPENT.script_pubkey, SPENT.value_sat)
    return replace(WANTED, tx=Tx((TxIn(point.txid, point.index, 1),), BASE.outputs))


def complete(tx: Tx) -> bytes:
    return tx.with_witness(0, (ANYONE,)).serialise()


async def pay_and_offer(wallet: Wallet, chain: Chain, wanted: FeeWanted) -> FeePaid:
    """As a channel does; the mempool takes it."""
    made = await asyncio.wait_for(wallet.pay_fee(wanted), 20)
    taken = not (await chain.broadcast((complete(made.tx),))).reason
    await wallet.fee_answered(made.tx.txid, taken)
    assert taken
    return made


async def spendable_sat(wallet: Wallet) -> int:
    await wallet.sync()
    return sum(c.value_sat for c in await wallet.coins() if not c.reserved_for and c.height is not None)


def test_each_version_replaces_the_one_before_with_the_same_coin(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, 50_000, 30_000)
            wanted = await begun(chain)
            first = await wallet.pay_fee(wanted)
            assert await wallet.pay_fee(wanted) == first, "asked again, nothing changes"
            assert not (await chain.broadcast((complete(first.tx),))).reason
            await wallet.sync()
            second = await wallet.pay_fee(replace(wanted, feerate_per_kw=3_000))
            assert second.fee_sat > 2.9 * first.fee_sat
            assert second.tx.inputs[1].outpoint == first.tx.inputs[1].outpoint
            assert second.tx.outputs[1].script_pubkey == first.tx.outputs[1].script_pubkey, "the same change address"
            assert not (await chain.broadcast((complete(second.tx),))).reason
            assert await spendable_sat(wallet) >= 30_000
            await chain.mine()
            await wallet.sync()
            assert (await wallet.balance()).confirmed_sat == 80_000 - second.fee_sat

    asyncio.run(main())


def test_what_a_refused_version_was_to_replace_stands_again(tmp_path: Path) -> None:
    """The mempool has the first version and refuses the second, which pays with more coins; then the third is taken."""

    async def main() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, 2_000, 30_000)
            wanted = await begun(chain)
            first = await wallet.pay_fee(replace(wanted, feerate_per_kw=300))
            assert not (await chain.broadcast((complete(first.tx),))).reason
            await wallet.fee_answered(first.tx.txid, True)
            await wallet.sync()
            coins, balance = await wallet.coins(), await wallet.balance()

            async def unchanged() -> None:
                assert (await wallet.coins(), await wallet.balance()) == (coins, balance)

            second = await wallet.pay_fee(replace(wanted, feerate_per_kw=320))
            assert "insufficient fee" in (await chain.broadcast((complete(second.tx),))).reason
            await wallet.fee_answered(second.tx.txid, False)
            await unchanged()
            await wallet.sync()
            await unchanged()
            await wallet.fee_answered(second.tx.txid, False)  # said again
            await unchanged()
            third = await wallet.pay_fee(replace(wanted, feerate_per_kw=3_000))
            assert not (await chain.broadcast((complete(third.tx),))).reason
            await wallet.fee_answered(third.tx.txid, True)
            await chain.mine()
            await wallet.sync()
            assert (await wallet.balance()).confirmed_sat == 32_000 - third.fee_sat
            assert len(await wallet.listing()) == 3, "two payments to it, and the version that confirmed"

    asyncio.run(main())


def test_after_a_restart_the_mempool_says_which_version_is_there(tmp_path: Path) -> None:
    """The power fails between the mempool's refusal and its being stored."""

    async def main() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            async with a_wallet(tmp_path, chain) as wallet:
                await paid(wallet, chain, 2_000, 30_000)
                wanted = await begun(chain)
                first = await wallet.pay_fee(replace(wanted, feerate_per_kw=300))
                await chain.broadcast((complete(first.tx),))
                free_sat = await spendable_sat(wallet)
                await wallet.pay_fee(replace(wanted, feerate_per_kw=320))
            async with a_wallet(tmp_path, chain) as wallet:
                assert await spendable_sat(wallet) <= free_sat, "what the first one spends is not free"
                third = await wallet.pay_fee(replace(wanted, feerate_per_kw=3_000))
                assert not (await chain.broadcast((complete(third.tx),))).reason
                await chain.mine()
                await wallet.sync()
                assert (await wallet.balance()).confirmed_sat == 32_000 - third.fee_sat

    asyncio.run(main())


def test_a_refused_version_comes_too_late_to_change_what_a_block_has_decided(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, 50_000)
            wanted = await begun(chain)
            first = await wallet.pay_fee(wanted)
            await chain.broadcast((complete(first.tx),))
            second = await wallet.pay_fee(replace(wanted, feerate_per_kw=3_000))
            await chain.mine()
            await wallet.sync()
            await wallet.fee_answered(second.tx.txid, False)
            assert (await wallet.balance()).confirmed_sat == 50_000 - first.fee_sat
            assert len(await wallet.listing()) == 2

    asyncio.run(main())


def test_nothing_is_built_on_a_version_that_may_be_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, 50_000)
            made = await wallet.pay_fee(await begun(chain))
            await chain.broadcast((complete(made.tx),))
            await wallet.sync()
            with pytest.raises(InsufficientFunds):
                await wallet.fund("another channel", TxOut(20_000, SPENT.script_pubkey), 1_000)

    asyncio.run(main())


def test_change_in_the_mempool_pays_where_nothing_else_is_left_and_goes_with_its_transaction(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:

            async def offered(wanted: FeeWanted) -> FeePaid:
                return await pay_and_offer(wallet, chain, wanted)

            await paid(wallet, chain, 50_000)
            one, two = await begun(chain), replace(await begun(chain), reference="another channel/claim")
            first = await offered(one)
            second = await offered(two)
            assert second.tx.inputs[1].txid == first.tx.txid
            assert await offered(two) == second, "asked again, nothing changes"
            raised = await offered(replace(one, feerate_per_kw=4_000))
            assert raised.tx.inputs[1].outpoint == first.tx.inputs[1].outpoint, "it is not paid with what came of it"
            again = await offered(two)
            assert again.tx.inputs[1].txid == raised.tx.txid
            await chain.mine()
            await wallet.sync()
            assert await wallet.balance() == Balance(confirmed_sat=50_000 - raised.fee_sat - again.fee_sat)

    asyncio.run(main())


def test_what_an_older_versions_child_spends_pays_for_the_newer_one(tmp_path: Path) -> None:
    """One is replaced, and what was paid with its change falls, and what was paid with the change of that. The last
    took a second coin, which is there for who is made anew first."""

    async def main() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, 60_000, 30_000, 28_000)
            zero, one, two, three, four = [replace(await begun(chain), reference=f"channel/{n}") for n in range(5)]
            await wallet.pay_fee(zero)
            first = await pay_and_offer(wallet, chain, one)
            second = await pay_and_offer(wallet, chain, two)
            third = await pay_and_offer(wallet, chain, three)
            assert third.tx.inputs[1].txid == first.tx.txid
            fourth = await pay_and_offer(wallet, chain, replace(four, feerate_per_kw=35_000))
            assert {each.txid for each in fourth.tx.inputs[1:]} == {third.tx.txid, second.tx.txid}
            await wallet.give_back(zero.reference)
            first = await pay_and_offer(wallet, chain, replace(one, feerate_per_kw=48_000))
            third = await pay_and_offer(wallet, chain, three)
            assert third.tx.inputs[1].txid == second.tx.txid
            fourth = await pay_and_offer(wallet, chain, four)
            await chain.mine()
            await wallet.sync()
            fees_sat = sum(each.fee_sat for each in (first, second, third, fourth))
            assert await wallet.balance() == Balance(confirmed_sat=118_000 - fees_sat)

    asyncio.run(main())


def test_coins_that_are_gone_at_each_attempt_end_it(tmp_path: Path) -> None:
    """The same seed runs elsewhere: whenever we have signed, it has moved all there is, and a block has come."""
    rounds: list[bytes] = []

    class Slow(KeySigner):
        async def sign_wallet(self, psbt: bytes, max_fee_sat: int, ours: tuple[TxOut, ...]) -> bytes:
            signed = await super().sign_wallet(psbt, max_fee_sat, ours)
            rounds.append((await twin.send(await twin.new_address(), None, 1_000)).txid)
            await chain.mine()
            await wallet.sync()
            await twin.sync()
            return signed

    async def main() -> None:
        nonlocal chain, wallet, twin
        signer = Slow(Keys(seed_from_entropy(bytes([1]) * 16).master(1)))
        async with (
            a_chain("embedded", tmp_path) as chain,
            a_wallet(tmp_path, chain, signer=signer) as wallet,
            a_wallet(tmp_path, chain, "twin") as twin,
        ):
            await paid(wallet, chain, 50_000)
            await twin.sync()
            with pytest.raises(InsufficientFunds, match="Each time"):
                await asyncio.wait_for(wallet.pay_fee(await begun(chain)), 60)

    chain: Chain
    wallet: Wallet
    twin: Wallet
    asyncio.run(main())
    assert len(set(rounds)) == FEE_ROUNDS


def test_coins_come_back_if_it_never_confirms(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_chain("embedded", tmp_path) as chain, a_wallet(tmp_path, chain) as wallet:
            await paid(wallet, chain, 50_000)
            await wallet.pay_fee(await begun(chain))
            assert await spendable_sat(wallet) == 0
            await wallet.give_back("something else")
            assert await spendable_sat(wallet) == 0
            await wallet.give_back(WANTED.reference)
            assert await spendable_sat(wallet) == 50_000

    asyncio.run(main())
