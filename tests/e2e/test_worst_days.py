"""What becomes of the money when a peer cheats, or a plugin is dead while HTLCs run out?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.channel.actions import HtlcReceived, Told
from lnpd.channel.queries import commitment_key
from lnpd.channel.state import Channel
from lnpd.crypto import secp
from lnpd.crypto.hd import TEST_COIN
from lnpd.errors import LnpdError
from lnpd.services.channels.batch import find_row, kept_of
from lnpd.services.node.node import Node
from lnpd.services.recipients import Effects, Recipient
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.seed import open_seed
from lnpd.testing import Network, shown, until, until_asked
from lnpd.tx.signatures import commitment_digest, signed_commitment
from lnpd.tx.transaction import Tx
from tests.e2e.closing import Money
from tests.e2e.kinds import kinds_of
from tests.e2e.places import PLACES, WHERE
from tests.e2e.test_lockbox import KINDS, boxes, pair


class Holding:
    """Payments that decide nothing about what is received: HTLCs stay in flight."""

    def __init__(self, inner: Recipient) -> None:
        self.inner = inner

    async def told(self, channel: Channel, message: Told) -> Effects:
        return Effects() if isinstance(message, HtlcReceived) else await self.inner.told(channel, message)


def hold(node: Node) -> None:
    """This node answers no HTLC from now on."""
    recipients = node.channels.parts.recipients
    recipients["payments"] = Holding(recipients["payments"])


async def present_commitment(node: Node, channel_id: str) -> Tx:
    """The node's present commitment, completely signed with its own key, as a thief would keep it."""
    driver = node.channels.driver_of(channel_id)
    channel = driver.channel
    key = commitment_key(channel.fundings[0].txid, channel.us, channel.numbers[channel.us])
    kept = kept_of(await node.store.read(lambda read: find_row(read, channel, "commitment", key)))
    assert kept is not None
    assert kept.signatures is not None
    keys = Keys(open_seed(node.config.seed_path, None, plain=True).master(TEST_COIN))
    own = secp.sign(keys.channel(driver.index).funding, commitment_digest(kept.graph))
    return signed_commitment(kept.graph, own, kept.signatures.commitment)


@pytest.mark.parametrize(
    ("kind", "apart"), [*((kind, False) for kind in KINDS), (KINDS[0], True)], ids=[*KINDS, f"{KINDS[0]} {PLACES[1]}"]
)
def test_a_revoked_commitment_is_punished_with_the_plugin_dead(tmp_path: Path, kind: str, apart: bool) -> None:
    async def main() -> None:
        async with Network(tmp_path, apart) as network:
            alice, bob, channel = await pair(network, kind)
            stale = await present_commitment(alice, channel)  # alice: 775,000 sat, her box: 25,000, bob: 200,000
            await alice.api.pay((await bob.api.invoice(300_000_000, "goods", 3600)).invoice, None, 20)
            await alice.api.call_plugin("lockbox-give", {"channel_id": channel, "box": 0})
            await boxes(alice, channel, 0)
            await boxes(bob, channel, 0)
            bob = await network.restart(bob, plugins=(), grants=())
            await network.stop(alice)
            result = await network.chain.broadcast((stale.serialise(),))
            assert not result.reason
            await network.mine(1)

            async def punished() -> bool:
                await network.mine(1)
                return (await bob.wallet.balance()).confirmed_sat > 1_000_000 - 15_000

            await until_asked(punished, "every output of the cheat's, the box included")
            row = await shown(bob, channel)
            assert row is not None
            assert {(o.provider, o.state) for o in row.onchain} >= {("lockbox", "claimed"), ("base", "claimed")}

    asyncio.run(main())


@pytest.mark.parametrize("apart", WHERE, ids=PLACES)
def test_htlcs_that_run_out_close_the_channel_with_its_provider_dead(tmp_path: Path, apart: bool) -> None:
    """One of the two is fulfilled in time, the other times out: each is claimed past its deadline."""

    async def main() -> None:
        async with Network(tmp_path, apart) as network:
            alice, bob, channel = await pair(network, KINDS[0])
            hold(alice)
            hold(bob)
            there = (await bob.api.invoice(10_000_000, "there", 3600)).invoice
            back = (await alice.api.invoice(20_000_000, "back", 3600)).invoice
            for payer, invoice in ((alice, there), (bob, back)):
                with pytest.raises(LnpdError):
                    await payer.api.pay(invoice, None, 1)

            async def in_flight() -> bool:
                rows = [await shown(node, channel) for node in (alice, bob)]
                return all(row is not None and len(row.htlcs) == 2 for row in rows)

            await until_asked(in_flight, "HTLCs both ways")
            alice = await network.restart(alice, plugins=(), grants=())
            await network.stop(bob)  # he never fulfils what alice offered
            row = await shown(alice, channel)
            assert row is not None
            assert "lockbox" in row.frozen
            expiry, last_expiry = sorted(h.cltv_expiry_height for h in row.htlcs)
            funding, money = row.funding, Money(network)
            await money.begin()

            async def closing() -> bool:
                await network.mine(1)
                now = await shown(alice, channel)
                return now is not None and bool(now.closing_txid)

            await until_asked(closing, f"the close of {funding} from stored data")
            height = (await network.chain.best_block()).height
            assert expiry - 18 <= height < expiry, "the preimage was decided on: the peer's timeout may not come first"
            now = await shown(alice, channel)
            assert now is not None
            htlcs = [o for o in now.onchain if o.provider == "htlc"]
            assert len(htlcs) == 2
            # The preimage is known, so the one is claimed at once; the other may be taken back at its expiry.
            assert {o.state for o in htlcs} == {"waiting", "claimed"}

            async def claimed(*kinds: str, blocks: int = 1) -> bool:
                await network.mine(blocks)
                now = await shown(alice, channel)
                assert now is not None
                return all(o.state in ("claimed", "resolved") for o in now.onchain if o.kind in kinds)

            await until_asked(lambda: claimed("offered_htlc", "received_htlc"), "the HTLC that nobody fulfilled")

            async def confirmed() -> bool:
                await network.mine(1)
                found = {kind for tx in await money.transactions() for kind in kinds_of(tx)}
                return found >= {"commitment", "HTLC-success", "HTLC-timeout"}

            await until_asked(confirmed, "the commitment and both of its HTLC transactions")

            async def failed() -> bool:
                await network.mine(1)
                return [payment.state for payment in await alice.api.payments()] == ["failed"]

            await until_asked(failed, "the payment that came back")
            assert (await network.chain.best_block()).height > last_expiry, "past each deadline"
            everything = ("htlc_timeout_output", "htlc_success_output", "box", "to_local")
            await until_asked(lambda: claimed(*everything, blocks=24), "all that is alice's, the box included")

    asyncio.run(main())


def test_a_node_that_stops_in_mid_payment_pays_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, channel = await pair(network, KINDS[0])
            hold(bob)
            invoice = (await bob.api.invoice(10_000_000, "once", 3600)).invoice
            with pytest.raises(LnpdError):
                await alice.api.pay(invoice, None, 1)
            alice = await network.restart(alice)
            bob = await network.restart(bob)  # it answers again what it was told and did not decide
            await network.active(channel, alice, bob)
            paid = await alice.api.pay(invoice, None, 20)
            assert paid.amount_msat == 10_000_000
            await until(lambda: not alice.channels.usable()[0].log, "settled")
            row = await shown(bob, channel)
            assert row is not None
            assert row.ours_msat == 210_000_000

    asyncio.run(main())
