"""How many round trips to a plugin does a payment cost?

The plugin runs in the node's process: what is counted are envelopes, and those are the same wherever it runs.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from lnpd_sdk.manifest import ChannelTypeSpec, Manifest
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.types import Folded, Phase, ProviderBase, ProviderSpec
from msgspec.structs import replace

from lnpd.channel.events import Add, Fulfill
from lnpd.services.channels.driver import ChannelDriver, Item
from lnpd.services.node.node import Node
from lnpd.testing import Network, until, usable
from lnpd.tx.states import htlcs_of

PHASES = ("validate", "fold", "contribute", "attach", "descend")
# Of both nodes, for one payment (two updates, four commitments), by the phases of a provider that declares no more.
# The last figure is the most for ten payments whose updates wait together.
COSTS = {
    "outputs": (PHASES[2:3], 2, 4, 8),  # one when an update is judged, by each node
    "all": (PHASES, 2, 12, 24),  # and two for both commitments: what others left, then the sealed transactions
    "all, of an older plugin": (PHASES, 1, 44, 260),
    # One when an update is judged. Carriers are filled in what is signed, not in what is only judged: of both
    # commitments second stages, then claims; with no HTLC, claims alone.
    "seals": (("fold", "contribute", "seal"), 2, 8, 16),
}
TOGETHER = 10
KIND = "asked/kind"


def plugin_with(phases: tuple[str, ...], contract: int) -> Plugin:
    """A plugin whose one provider is asked everything, and wants nothing."""

    class Asked(Plugin):
        def manifest(self) -> Manifest:
            return replace(super().manifest(), contract=contract)

    plugin = Asked("asked", version="1")

    seals = "seal" in phases
    spec = ProviderSpec(
        "asked",
        (1,),
        tuple(Phase(name) for name in phases),  # type: ignore[arg-type]  # a string is a phase here
        observes=("*",),
        seal_length=32 if seals else 0,
        seals=("second_stage", "close", "claim") if seals else (),
    )
    methods = {name: default(vars(ProviderBase)[name]) for name in phases}
    if seals:  # its state is another one after each update
        methods |= {"seal": lambda *_: bytes(32), "fold": lambda _, view, state, update: Folded(state[-99:] + b"x")}
    plugin.provider(type("Every", (ProviderBase,), {"spec": spec, **methods}))
    base = "static_remotekey" if seals else "anchors_zero_fee_htlc_tx"
    plugin.channel_type(ChannelTypeSpec(KIND, base, (("asked", 1),)))
    return plugin


def default(method: Callable[..., object]) -> Callable[..., object]:
    """What a base class answers, as a method of one's own."""
    return lambda *asked: method(*asked)


@pytest.mark.parametrize("what", COSTS)
def test_a_payment_costs_so_many_round_trips(what: str, tmp_path: Path) -> None:
    phases, contract, cost, most = COSTS[what]

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = [await network.node(name) for name in ("alice", "bob")]
            for node in (alice, bob):
                node.answers.ask_twice = False
                await node.plugins.add_in_process(plugin_with(phases, contract))
            channel = await network.channel(alice, bob, kind=KIND)
            costs = [await paid(alice, bob, channel) for _ in range(3)]
            assert min(costs) == cost, costs  # a change of the feerate may come between
            for node in (alice, bob):
                wait_for_each_other(node.channels.driver_of(channel))
            costs = [await paid(alice, bob, channel, TOGETHER) for _ in range(3)]
            assert min(costs) <= most, costs

    asyncio.run(main())


def wait_for_each_other(driver: ChannelDriver) -> None:
    """What a fast disk would let through one by one comes as what a busy channel sees: HTLCs, or their preimages, that
    wait together."""
    waiting: dict[type, list[Item]] = {Add: [], Fulfill: []}
    post = driver.post

    def posted(item: Item) -> None:
        kept = waiting.get(type(item.event))
        if kept is None:
            return post(item)
        kept.append(item)
        if len(kept) == TOGETHER:
            for each in kept:
                post(each)
            kept.clear()
        return None

    driver.post = posted  # type: ignore[method-assign]


async def paid(alice: Node, bob: Node, channel: str, together: int = 1) -> int:
    """The round trips of payments that begin together, until nothing of them is left to do."""
    invoices = [(await bob.api.invoice(1_000_000, "x", 3600)).invoice for _ in range(together)]
    before = alice.answers.round_trips + bob.answers.round_trips
    await asyncio.gather(*(alice.api.pay(invoice, None, 20) for invoice in invoices))
    for node in (alice, bob):

        def over(node: Node = node) -> bool:
            found = usable(node, channel)
            return found is not None and not (found.log or found.awaiting_revocation or htlcs_of(found.base.states))

        await until(over, "the end of the payment")
        await node.channels.driver_of(channel).settled()
    return alice.answers.round_trips + bob.answers.round_trips - before
