"""Does the secret that a payout is signed for complete it, and does the chain tell it to the payer, and bring it on?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lnpd.crypto.secp import public_key
from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.testing import Network, shown, until, until_asked
from tests.e2e.closing import Money, broadcast_commitment, driver_of, finish, pass_blocks
from tests.e2e.test_presigned import KINDS, PAYOUT_SAT, PRESIGNED, WITH_IT, WITHOUT, offer

SOLD = b"\x5a" * 32
POINT = public_key(SOLD).hex()
COMPLETE = f"""
@plugin.rpc("Supplies the secret.")
async def complete(node: Node, channel_id: str, provider: str, secret: bytes) -> dict[str, Any]:
    await node.put_witness(channel_id, provider, "adaptor:{POINT}", secret)
    return {{}}


HEARD: list[Any] = []


@plugin.on("secret_sold")
async def note(node: Node, event: Any) -> None:
    HEARD.append(event.fields())


@plugin.rpc("What it heard of.")
async def heard(node: Node) -> dict[str, Any]:
    return {{"heard": HEARD, "late": [row["late"] for row in await node.channels()]}}


if __name__"""


def for_sale(folder: Path) -> dict[str, Any]:
    """With the same plugin, whose child is signed for an adaptor point."""
    plugin, source = folder / "sold.py", PRESIGNED.read_text()
    assert source.count("gated=True)") == source.count("\nif __name__") == 1
    source = source.replace("gated=True)", f'gated=True, adaptor_point=bytes.fromhex("{POINT}"))')
    plugin.write_text(source.replace("\nif __name__", COMPLETE))
    return {**WITH_IT, "plugins": (plugin,)}


@pytest.mark.parametrize(("kind", "known"), list(zip(KINDS, ["before", "after"], strict=True)))
def test_a_late_secret_completes_a_payout_that_was_signed_for_it(tmp_path: Path, kind: str, known: str) -> None:
    with_it = for_sale(tmp_path)

    async def main() -> None:
        async with Network(tmp_path / "n") as network:
            alice, bob = await network.node("alice", **with_it), await network.node("bob", **with_it)
            channel = await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=kind)
            await offer(alice, bob, channel)
            money = Money(network)
            await money.begin(alice, bob)
            late = {"channel_id": channel, "provider": "presigned", "secret": SOLD.hex()}
            for wrong in ({"secret": "11" * 32}, {"provider": "htlc"}):
                with pytest.raises(LnpdError, match=r"not what adaptor|does not own the provider .htlc"):
                    await bob.api.call_plugin("presigned-complete", {**late, **wrong})
            if known == "before":
                await bob.api.call_plugin("presigned-complete", late)
            await broadcast_commitment(network, bob)
            await pass_blocks(network, 2)
            if known == "after":
                row = await shown(bob, channel)
                assert row is not None
                assert [each.state for each in row.onchain if each.provider == "presigned"] == ["unclaimed"]
                await bob.api.call_plugin("presigned-complete", late)
            bob = await network.restart(bob, **WITHOUT)
            await until_taken(network, alice)
            await heard_once(alice, channel)
            await finish(network, alice, bob)
            fees = await money.fees_sat(alice, bob)
            gained = await money.gained_sat(bob) + fees["bob"]
            assert gained - 400_000 - PAYOUT_SAT in (0, 330, 660), gained

    asyncio.run(main())


def late_of(node: Node, channel: str) -> dict[str, bytes]:
    driver = node.channels.driver_of(channel)
    return {each.name: each.data for each in driver.channel.witnesses}


async def until_taken(network: Network, node: Node) -> None:
    """Blocks, until the chain has shown a node what it signed ahead."""
    for _ in range(200):
        if driver_of(node).channel.witnesses:
            return
        await pass_blocks(network)
    raise AssertionError("nothing is shown")


async def heard_once(node: Node, channel: str, channels: int = 1) -> None:
    """Returns once the node's plugin has heard of the secret; it is known in so many channels."""
    late = {"provider": "presigned", "name": f"adaptor:{POINT}", "data": SOLD.hex()}

    async def heard() -> bool:
        found = await node.api.call_plugin("presigned-heard", {})
        return bool(found == {"heard": [{"channel_id": channel, **late}], "late": [[late]] * channels})

    await until_asked(heard, "the event, once")


def test_a_secret_that_the_chain_shows_brings_in_what_was_sold_on(tmp_path: Path) -> None:
    """Carol pays Alice for the secret that Alice pays Bob for. Bob takes his on the chain while Alice's plugin is dead:
    Alice's node finds the secret in the mempool, and takes what is Carol's by it; the plugin hears of it later."""
    with_it, kind, name = for_sale(tmp_path), KINDS[1], f"adaptor:{POINT}"

    async def main() -> None:
        async with Network(tmp_path / "n") as network:
            carol, alice, bob = [await network.node(each, **with_it) for each in ("carol", "alice", "bob")]
            sold_to, sold_by = (
                await network.channel(carol, alice, 1_000_000, push_sat=400_000, kind=kind),
                await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=kind),
            )
            await network.fund(bob, 100_000)  # for the fee of his child
            for payer, payee, channel in ((carol, alice, sold_to), (alice, bob, sold_by)):
                await payer.api.call_plugin("presigned-offer", {"channel_id": channel, "amount_sat": PAYOUT_SAT})
                drivers = [node.channels.driver_of(channel) for node in (payer, payee)]
                await until(lambda d=drivers: all(not each.channel.log for each in d), "quiet")  # type: ignore[misc]
            secret = {"channel_id": sold_by, "provider": "presigned", "secret": SOLD.hex()}
            await bob.api.call_plugin("presigned-complete", secret)
            alice = await network.restart(alice, **WITHOUT)
            await bob.api.close(sold_by, True, None)
            funding = driver_of(bob).channel.fundings[0]
            await network.spent(f"{funding.txid[::-1].hex()}:{funding.vout}")
            await pass_blocks(network, 1)
            await until(lambda: late_of(alice, sold_by) == late_of(alice, sold_to) == {name: SOLD}, "the secret")
            row = await shown(alice, sold_by)
            assert row is not None
            assert [r.state for r in row.onchain if r.provider == "presigned"] == ["unclaimed"], "his child waits"
            await pass_blocks(network, 2)
            await alice.api.close(sold_to, True, None, not_restored=True)
            await pass_blocks(network, 3)
            row = await shown(alice, sold_to)
            assert row is not None, "it is on the chain"
            taken = {each.state for each in row.onchain if each.provider == "presigned"}
            assert taken == {"claimed", "waiting"}, row.onchain
            alice = await network.restart(alice, **with_it)
            await heard_once(alice, sold_by, 2)

    asyncio.run(main())
