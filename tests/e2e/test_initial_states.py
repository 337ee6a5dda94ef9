"""Do channels of real nodes begin in states that plugins name, stay so over restarts, or not open at all?"""

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.hooks import InitialStates
from lnpd_sdk.manifest import ChannelTypeSpec
from lnpd_sdk.plugin import Node as Host
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.script import DataCarrier
from lnpd_sdk.services.factories import Opening
from lnpd_sdk.types import OutputSpec, Phase, ProviderBase, ProviderSpec, Transaction, View

from lnpd.errors import ChannelRefused, PluginRefused
from lnpd.services.node.node import Node
from lnpd.testing import Network, until
from lnpd.tx.transaction import Tx, TxIn, TxOut
from lnpd.wire.fields import scid_text
from tests.e2e.closing import driver_of

KIND = "deed/anchors"
GRANTED: dict[str, Any] = {"grants": (("deed", "hook:initial_states"), ("deed", "rpc:open"), ("deed", "factory"))}
Asked = list[dict[str, Any]]


def deeds(asked: Asked, says: dict[str, Any]) -> Plugin:
    """A plugin whose provider begins with the name of the funding output, and commits to that in every commitment.
    `says` is what it answers instead, to `anything`."""
    plugin = Plugin("deed", "1", capabilities=("rpc:open", "factory"))
    plugin.channel_type(ChannelTypeSpec(KIND, "anchors_zero_fee_htlc_tx", (("deed", 1),), begins=("deed",)))

    @plugin.provider
    class Deed(ProviderBase):
        spec = ProviderSpec("deed", (1,), (Phase("contribute", ()), Phase("seal", ())), max_outputs=1, seal_length=32)

        def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
            return (OutputSpec("deed", "mark", "mark", 0, DataCarrier(32), trim="never"),)

        def seal(self, view: View, state: bytes, transaction: Transaction) -> bytes:
            return sha256(state).digest()

    @plugin.hook("initial_states", channel_type=KIND)
    async def begin(_node: Host, **fields: Any) -> object:
        asked.append(fields)
        state = f"{fields['funding_txid']}:{fields['funding_vout']}".encode().hex()
        return says.get("anything", InitialStates({"deed": state}))

    @plugin.rpc("Opens a channel of the plugin's own type.", name="deed-open")
    async def open_it(node: Host, peer: str) -> Any:
        return await node.rpc("open", peer=peer, amount_sat=400_000, channel_type=KIND)

    @plugin.rpc("Opens a channel of the plugin's own type on what others fund.", name="deed-fund")
    async def fund_it(node: Host, peer: str) -> str:
        opening = await node.open_unfunded(peer, 300_000, channel_type=KIND)
        return await node.fund_unfunded(opening.opening, 0, (paying(opening).serialise(),))

    return plugin


def paying(opening: Opening) -> Tx:
    """Somebody's transaction that would fund it."""
    return Tx((TxIn(b"\x05" * 32, 0),), (TxOut(opening.amount_sat, opening.script_pubkey),))


async def with_deeds(network: Network, name: str) -> tuple[Node, Asked, dict[str, Any]]:
    node, asked, says = await network.node(name, **GRANTED), Asked(), dict[str, Any]()
    await node.plugins.add_in_process(deeds(asked, says))
    return node, asked, says


REFUSALS: dict[str, tuple[object, str]] = {
    "a text": ("USDX is not known here", "USDX is not known here"),
    "no answer": (None, "no plugin of this node says in which state deed begins"),
    "another provider's": (InitialStates({"deed": "00", "base": "00"}), "'base' begins, which nobody is asked for"),
    "no hex": (InitialStates({"deed": "my deed"}), "what is not in hex"),
    "too much": (InitialStates({"deed": "00" * 65_537}), "more than 65536 bytes"),
    "another state": (InitialStates({"deed": "00"}), "deed begins with another state on the two sides"),
}


def test_a_channel_begins_as_its_plugins_say_on_both_sides_or_not_at_all(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            (alice, ours, our), (bob, theirs, their) = [await with_deeds(network, name) for name in ("alice", "bob")]
            channel = await network.channel(alice, bob, 1_000_000, push_sat=200_000, kind=KIND)
            (mine,), (other) = ours, theirs[0]
            assert mine | {"node_id": "", "opener": 0} == other | {"node_id": "", "opener": 0}
            assert (mine["opener"], other["opener"], mine["push_msat"]) == (True, False, 200_000_000)
            bob = await network.restart(bob)
            await bob.plugins.add_in_process(deeds(theirs, their))
            await network.active(channel, alice, bob)
            invoice = await bob.api.invoice(50_000_000, "over a deed", 3600)
            await alice.api.pay(invoice.invoice, None, 20)
            state = f"{mine['funding_txid']}:{mine['funding_vout']}".encode()
            for node in (alice, bob):
                assert dict(driver_of(node).channel.base.states)["deed"] == state
            await network.fund(alice, 1_000_000)
            await refused(alice, bob, our, their)
            await alice.api.call_plugin("deed-open", {"peer": bob.node_id.hex()})
            await until(lambda: len(bob.channels.drivers) == 2, "the channel that a plugin opened")
            await network.mine(6)
            for each in await alice.api.channels():
                await paid_over(network, alice, bob, each.channel_id)
            await others_fund_it(alice, bob, our, theirs)
            await alice.api.close(channel, True, None)
            await network.spent(state.decode())

    asyncio.run(main())


async def others_fund_it(alice: Node, bob: Node, our: dict[str, Any], theirs: Asked) -> None:
    """The same on a funding that is not the wallet's: refused with the plugin's words, or begun."""
    our["anything"] = "USDX is not known here"
    with pytest.raises(PluginRefused, match="USDX is not known here"):
        await alice.api.call_plugin("deed-fund", {"peer": bob.node_id.hex()})
    del our["anything"]
    channel = str(await alice.api.call_plugin("deed-fund", {"peer": bob.node_id.hex()}))
    assert theirs[-1]["channel_id"] == channel
    assert dict(alice.channels.driver_of(channel).channel.base.states)["deed"].endswith(b":0")
    await alice.api.close(channel, True, None)


async def paid_over(network: Network, alice: Node, bob: Node, channel: str) -> None:
    """A route says over which of two channels with the payee a payment goes."""
    await network.active(channel, alice, bob)
    driver = alice.channels.driver_of(channel)
    hop = f"{bob.node_id.hex()}@{scid_text(driver.channel.short_channel_id)}"
    theirs_msat = driver.channel.base.balances_msat[1] + 7_000_000
    await alice.api.pay((await bob.api.invoice(7_000_000, "over this one", 3600)).invoice, None, 20, (hop,))
    await until(lambda: driver.channel.base.balances_msat[1] == theirs_msat, "it went over this one")


async def refused(alice: Node, bob: Node, our: dict[str, Any], their: dict[str, Any]) -> None:
    """No channel comes of what either side's plugin says wrongly, and the wallet has its coins back."""
    funds = await alice.api.funds()
    for says in (our, their):
        for answer, words in REFUSALS.values():
            says["anything"] = answer
            with pytest.raises(ChannelRefused, match=words):
                await alice.api.open(bob.node_id.hex(), 300_000, 0, KIND, (), None)
        del says["anything"]
    await until(lambda: len(alice.channels.drivers) == len(bob.channels.drivers) == 1, "the end of all openings")
    assert await alice.api.funds() == funds
