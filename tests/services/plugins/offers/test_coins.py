"""Does a power cut lose nothing of what a plugin spent, and are wild wishes for coins refused by name?"""

import asyncio
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.node import Node as Asked
from lnpd_sdk.plugin import Plugin

from lnpd.errors import SpendLimitReached
from lnpd.services.node.node import Node
from lnpd.services.wallet.lending import Lending
from lnpd.testing import Network, until_asked
from lnpd.tx.transaction import TxOut
from tests.crash.power import Died, Power, electrify
from tests.services.plugins.offers.desk import desk, joined

SPENDS = {"grants": (("purse", "spend:100000"),)}
SCRIPT = b"\x00\x14" + b"\x07" * 20
LIMIT_SAT, AMOUNT_SAT, RATE = 100_000, 60_000, 1_000


def lending_of(node: Node) -> Lending:
    """What the node's services lend by."""
    lending = node.plugins.desk.lending
    assert lending is not None
    return lending


async def purse(node: Node) -> Asked:
    """A plugin that may spend."""
    plugin = Plugin("purse", "1", capabilities=("spend:1",))
    await node.plugins.add_in_process(plugin)
    assert plugin.node is not None
    return plugin.node


@pytest.mark.parametrize(
    ("point", "moment", "is_charged", "is_sent"),
    [
        ("plugin-spend-charged", "before_commit", False, False),
        ("plugin-spend-charged", "after_commit", True, False),
        ("plugin-coins-held", "after_commit", True, False),
        ("plugin-psbt-sent", "before_commit", True, False),
        ("plugin-psbt-sent", "after_commit", True, True),
    ],
)
def test_a_power_cut_loses_nothing_of_the_day(
    tmp_path: Path, point: str, moment: str, is_charged: bool, is_sent: bool
) -> None:
    async def main() -> None:
        electrify()
        async with Network(tmp_path) as network:
            first = await network.node("alice", **SPENDS)
            await network.fund(first, 500_000)
            await network.fund(first, 500_000)
            lent = await lending_of(first).fund("purse", LIMIT_SAT, (TxOut(AMOUNT_SAT, SCRIPT),), RATE, 600)
            await network.stop(first)
            power = Power(lambda when, points: when == moment and point in points)
            power.node = Node(network.config("alice", **SPENDS), chain=first.shared_chain, fault=power.fault)
            await power.run(power.node.start())
            with pytest.raises(Died):
                await power.run(lending_of(power.node).send("purse", LIMIT_SAT, lent.psbt))
            await power.bury()
            alice = await network.node("alice", **SPENDS)
            if not is_sent:
                await lending_of(alice).release("purse", lent.reservation)
            more = lending_of(alice).fund("purse", LIMIT_SAT, (TxOut(AMOUNT_SAT, SCRIPT),), RATE, 600)
            if is_charged:
                with pytest.raises(SpendLimitReached, match="60,562 are spent"):
                    await more
            else:
                await more
            await network.mine()

            async def balanced() -> bool:
                spent_sat = AMOUNT_SAT + lent.fee_sat if is_sent else 0
                balance = await alice.wallet.balance()
                return balance.confirmed_sat + balance.reserved_sat == 1_000_000 - spent_sat

            await until_asked(balanced, "what was sent, and no more, is gone")

    asyncio.run(main())


def test_wild_wishes_are_refused_by_name(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            node = await purse(await network.node("alice", **SPENDS))
            for outputs in (
                (),
                ((-1, SCRIPT),),
                ((1 << 60, SCRIPT),),
                ((1_000, bytes(10_001)),),
                ((1_000, SCRIPT),) * 101,
            ):
                with pytest.raises(CallFailed, match="1 to 100 outputs"):
                    await node.fund_psbt(outputs)
            for rate in (-1, 250_001):
                with pytest.raises(CallFailed, match="A feerate"):
                    await node.fund_psbt(((1_000, SCRIPT),), rate)
            with pytest.raises(CallFailed) as error:
                await node.fund_psbt(((1_000, SCRIPT),))
            assert error.value.code == "InsufficientFunds"
            for reservation in ("zz", "", "00" * 8):
                with pytest.raises(CallFailed) as error:
                    await node.release_psbt(reservation)
                assert error.value.code == "NoSuchReservation"

    asyncio.run(main())


def test_without_a_grant_nothing_is_lent(tmp_path: Path) -> None:
    async def main() -> None:
        async with desk(tmp_path) as host:
            node = await joined(host, "purse", "spend:1")
            for asked in (node.fund_psbt(((1_000, SCRIPT),)), node.sign_psbt(b""), node.send_psbt(b"")):
                with pytest.raises(CallFailed, match="--grant purse=spend:SAT") as error:
                    await asked
                assert error.value.code == "CapabilityMissing"

    asyncio.run(main())
