"""Does what a person is told beforehand come true: of a payment on chain, an opening, a payment and a close?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.errors import (
    AddressRefused,
    ChannelRefused,
    FeeTooHigh,
    InsufficientFunds,
    NoDirectChannel,
    PeerNotConnected,
)
from lnpd.services.channels import commands
from lnpd.testing import Network, shown, until_asked


def test_what_was_estimated_is_what_it_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await network.fund(alice, 1_500_000)
            told, peer, address = alice.api, bob.node_id.hex(), await bob.wallet.new_address()

            sending = await told.estimate_send(address, 50_000, None)
            assert sending.fee_msat == sending.total_msat - 50_000_000 > 0
            bound = sending.fee_msat // 1000
            for refused in (told.estimate_send, told.send):  # what was confirmed, and then costs more
                with pytest.raises(FeeTooHigh):
                    await refused(address, 50_000, None, bound - 1)
            assert (await told.estimate_send(address, 50_000, None, bound + 9)).max_fee_msat == sending.fee_msat + 9_000
            assert (await told.send(address, 50_000, None, bound)).fee_sat == bound
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
            before, bound = await told.funds(), opening.fee_msat // 1000
            with pytest.raises(FeeTooHigh):
                await told.estimate_open(peer, 1_000_000, 0, "", (), bound - 1)
            with monkeypatch.context() as patched:  # the feerate rises once the peer was asked
                patched.setattr(commands, "require_modest", lambda *_: None)
                with pytest.raises(ChannelRefused, match=f"The fee would be .* {bound - 1:,} are allowed"):
                    await told.open(peer, 1_000_000, 0, "", (), None, bound - 1)
            assert await told.funds() == before
            opened = await told.open(peer, 1_000_000, 0, "", (), None, bound)
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
            theirs = await bob.api.estimate_close(opened.channel_id, False, 0)
            assert theirs.fee_msat == 0 and theirs.note
            for by_force, most_sat in ((False, 1), (True, forced.fee_msat // 1000 - 1)):
                with pytest.raises(FeeTooHigh):
                    await told.estimate_close(opened.channel_id, by_force, most_sat)
                with pytest.raises(FeeTooHigh):
                    await told.close(opened.channel_id, by_force, None, False, most_sat)
            bound = closing.fee_msat // 1000 - 1
            assert (await told.estimate_close(opened.channel_id, False, bound)).max_fee_msat == 1000 * bound
            closed = await told.close(opened.channel_id, False, None, max_fee_sat=bound)
            row = await shown(alice, opened.channel_id)
            assert row is not None and row.closing_txid == closed.txid and row.blocks_left == 100
            await network.mine(3)
            row = await shown(alice, opened.channel_id)
            assert row is not None and (row.closing_confirmations, row.blocks_left) == (3, 97)
            back_sat = (await told.funds()).confirmed_sat - left.confirmed_sat - left.unconfirmed_sat
            assert back_sat >= closing.amount_msat // 1000 - bound
            assert (await told.info()).synced_height == (await told.info()).height

    asyncio.run(main())
