"""Does a payment wait for a decision, also over a restart of the plugin, and is each decision carried out?"""

import asyncio
from typing import Any

import pytest

from lnpd.errors import LnpdError
from lnpd.testing.network import until_asked
from lnpd.testing.pair import Pair

pytestmark = pytest.mark.lnpd_plugin("../../../plugins/examples/hold.py")
AMOUNT_MSAT = 5_000_000


async def held(pair: Pair) -> tuple[str, "asyncio.Task[Any]"]:
    """The hash of a payment that waits at bob, and alice's payment."""
    bob = pair.bob.node.api
    made: Any = await bob.call_plugin("hold-invoice", {"amount_msat": AMOUNT_MSAT, "description": "a bicycle"})
    paying = asyncio.create_task(pair.alice.node.api.pay(made["invoice"], None, 20))

    async def waits() -> bool:
        return made["payment_hash"] in await bob.call_plugin("hold-list", {})  # type: ignore[operator]

    await until_asked(waits, "the payment waits")
    assert not paying.done()
    return made["payment_hash"], paying


def test_yes_and_no(pair: Pair) -> None:
    async def story() -> None:
        bob = pair.bob.node.api
        name, paying = await held(pair)
        await bob.call_plugin("hold-cancel", {"payment_hash": name})
        with pytest.raises(LnpdError, match="incorrect_or_unknown_payment_details"):
            await paying
        name, paying = await held(pair)
        await bob.call_plugin("hold-settle", {"payment_hash": name})
        assert (await paying).amount_msat == AMOUNT_MSAT

    pair.open()
    pair.run(story())
    pair.pay()


def test_a_restart_loses_no_payment(pair: Pair) -> None:
    async def story() -> None:
        bob = pair.bob.node.api
        name, paying = await held(pair)
        await bob.plugin_reload("hold")

        async def waits() -> bool:
            return await bob.call_plugin("hold-list", {}) == [name]

        await until_asked(waits, "the payment waits again")
        await bob.call_plugin("hold-settle", {"payment_hash": name})
        assert (await paying).amount_msat == AMOUNT_MSAT

    pair.open()
    pair.run(story())
