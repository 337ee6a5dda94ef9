"""Does what a person is told beforehand come true: of a payment on chain, an opening, a payment and a close?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.errors import AddressRefused, FeeTooHigh, InsufficientFunds, NoDirectChannel, PeerNotConnected
from lnpd.testing import Network, shown, until_asked


def test_what_was_estimated_is_what_it_costs(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await network.fund(alice, 1_500_000)
            told, peer, address = alice.api, bob.node_id.hex(), await bob.wallet.new_address()

            sending = await told.estimate_send(address, 50_000, None)
            assert sending.fee_msat == sending.total_msat - 50_000_000 > 0
            assert (await told.send(address, 50_000, None)).fee_sat * 1000 == sending.fee_msat
            with pytest.raises(InsufficientFunds):
                await told.estimate_send(address, 2_000_000, None)
            with pytest.raises(FeeTooHigh):
                await told.estimate_send(address, 50_000, 250_000)
            with pytest.raises(AddressRefused):
                await told.estimate_send("bcrt1nobody00000", 50_000, None)

            with pytest.raises(PeerNotConnected):
                await told.estimate_open(peer, 1_000_000, 0, "", ())
            await network.connect(alice, bob)
            opening = await told.estimate_open(peer, 1_000_000, 0, "", ())
            before = await told.funds()
            opened = await told.open(peer, 1_000_000, 0, "", (), None)
            left = await told.funds()
            spent_sat = before.confirmed_sat + before.unconfirmed_sat - left.confirmed_sat - left.unconfirmed_sat
            assert 1000 * spent_sat == opening.total_msat

            row = await shown(alice, opened.channel_id)
            assert row is not None and (row.state, row.confirmations, row.blocks_left) == ("awaiting_ready", 0, 3)
            invoice = (await bob.api.invoice(100_000_000, "a bicycle", 3600)).invoice
            with pytest.raises(NoDirectChannel):
                await told.estimate_pay(invoice, None)
            await network.mine()
            row = await shown(alice, opened.channel_id)
            assert row is not None and (row.confirmations, row.blocks_left) == (1, 2)
            await network.mine(2)
            await network.active(opened.channel_id, alice, bob)
            paying = await told.estimate_pay(invoice, None)
            assert (paying.amount_msat, paying.fee_msat, paying.description) == (100_000_000, 0, "a bicycle")
            assert (await told.pay(invoice, None, 20)).fee_msat == paying.fee_msat

            assert (await told.estimate_pay(invoice, None)).total_msat == 0, "it was paid before"

            async def settled() -> bool:
                row = await shown(alice, opened.channel_id)
                return row is not None and row.ours_msat == 900_000_000

            await until_asked(settled)
            closing = await told.estimate_close(opened.channel_id, False)
            forced = await told.estimate_close(opened.channel_id, True)
            assert 0 < closing.fee_msat <= closing.max_fee_msat and forced.fee_msat > 0 and "delay" in forced.note
            theirs = await bob.api.estimate_close(opened.channel_id, False)
            assert theirs.fee_msat == 0 and theirs.note
            closed = await told.close(opened.channel_id, False, None)
            row = await shown(alice, opened.channel_id)
            assert row is not None and row.closing_txid == closed.txid and row.blocks_left == 100
            await network.mine(3)
            row = await shown(alice, opened.channel_id)
            assert row is not None and (row.closing_confirmations, row.blocks_left) == (3, 97)
            back_sat = (await told.funds()).confirmed_sat - left.confirmed_sat - left.unconfirmed_sat
            assert back_sat * 1000 >= closing.amount_msat - closing.max_fee_msat
            assert (await told.info()).synced_height == (await told.info()).height

    asyncio.run(main())
