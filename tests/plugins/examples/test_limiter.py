"""Is so much passed on and no more, and are payments to ourselves none of its business?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.testing import Network
from tests.e2e.line import in_a_row

LIMITER = Path(__file__).parents[3] / "plugins" / "examples" / "limiter.py"


async def pay(payer: Node, payee: Node, *route: Node) -> None:
    invoice = (await payee.api.invoice(1_000_000, "x", 3600)).invoice
    await payer.api.pay(invoice, None, 20, tuple(node.node_id.hex() for node in route) or None)


def test_the_third_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with Network(tmp_path) as network:
            options = {
                "plugins": (LIMITER,),
                "grants": (("limiter", "hook:htlc_accepted"),),
                "plugin_options": (("limiter", "a_minute", "2"),),
            }
            (alice, bob, carol), channels = await in_a_row(network, "alice", "bob", "carol", **options)
            for _ in range(2):
                await pay(alice, carol, bob, carol)
            with pytest.raises(LnpdError, match="temporary_node_failure"):
                await pay(alice, carol, bob, carol)
            assert await bob.api.call_plugin("limiter-show", {}) == {channels[0]: 1}
            for _ in range(3):
                await pay(alice, bob)
            await bob.api.plugin_set("limiter", "a_minute", "60000")
            await pay(alice, carol, bob, carol)
            assert await bob.api.call_plugin("limiter-show", {}) == {channels[0]: 1}

    asyncio.run(story())
