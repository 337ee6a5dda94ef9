"""Does nobody learn, or use, the real short_channel_id of a channel whose type hides it? (BOLT 2, channel_ready)"""

from pathlib import Path

import pytest

from lnpd.channel.state import Channel
from lnpd.routing import invoice as invoices
from lnpd.services.node.node import Node
from lnpd.testing import Network, shown
from tests.e2e.line import run, terms_known
from tests.e2e.test_forwarding_failures import Line, sent, usual

HIDDEN = "anchors_zero_fee_htlc_tx+scid_alias"


def last_channel(node: Node, line: Line) -> Channel:
    """The one between bob and carol, as one of them has it."""
    return node.channels.driver_of(line.channels[1]).channel


async def a_line(network: Network) -> Line:
    """alice - bob - carol, of which nobody but bob and carol knows the last channel's real id."""
    alice, bob, carol = [await network.node(name) for name in ("alice", "bob", "carol")]
    channels = [
        await network.channel(alice, bob, 1_000_000, 250_000),
        await network.channel(bob, carol, 1_000_000, 250_000, HIDDEN),
    ]
    await terms_known((alice, bob, carol), channels)
    return Line(alice, bob, carol, channels, alice.watcher.height)


def test_a_hidden_channel_is_called_by_its_alias_only(tmp_path: Path) -> None:
    async def story(network: Network) -> None:
        line = await a_line(network)
        row = await shown(line.bob, line.channels[1])
        assert row is not None
        assert row.type == HIDDEN
        real, alias = last_channel(line.bob, line).short_channel_id, last_channel(line.bob, line).aliases[0]
        assert real and alias and real != alias
        hop, reported = await sent(line, usual(line, scid=real))
        assert (hop, reported.name) == (0, "unknown_next_peer")
        hop, reported = await sent(line, usual(line, scid=alias))
        assert (hop, reported.name) == (1, "incorrect_or_unknown_payment_details")

    run(story, tmp_path)


@pytest.mark.parametrize("restarted", [False, True], ids=["at once", "after a restart"])
def test_its_hints_lead_to_a_hidden_channel(tmp_path: Path, restarted: bool) -> None:
    async def story(network: Network) -> None:
        line = await a_line(network)
        if restarted:
            line = line._replace(bob=await network.restart(line.bob))
            await network.active(line.channels[0], line.alice, line.bob)
            await network.active(line.channels[1], line.bob, line.carol)
        made = await line.carol.api.invoice(5_000_000, "hidden", 3600)
        ((hop,),) = invoices.decode(made.invoice).routes
        assert hop.short_channel_id == last_channel(line.bob, line).aliases[0]
        paid = await line.alice.api.pay(made.invoice, None, 20)
        assert paid.fee_msat > 0

    run(story, tmp_path)
