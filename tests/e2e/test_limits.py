"""Is a peer refused by the name of what it breaks, limit by limit and preset by preset? (whole nodes)

bob keeps the limit; alice, who asks for it, has next to none of her own. Last, bob's limits bind bob himself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace as with_settings
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from lnpd.chain.embedded import ChainView
from lnpd.channel.events import Add, Fail, SetFeerate
from lnpd.channel.presets import LIMITS, PRESETS, Limits
from lnpd.errors import ChannelRefused, CommandRefused, PaymentFailed
from lnpd.services.node.node import Node
from lnpd.testing import Network, until, until_asked, usable
from lnpd.tx.states import feerate_of, htlcs_of
from tests.e2e.line import Hearing, held, terms_known
from tests.services.channels.test_commands import deaf

pytest.importorskip("pbk")  # the embedded chain

OPEN_SAT = 200_000
GENEROUS = replace(
    PRESETS["open"], min_channel_sat=1_000, max_feerate_per_kw=1_000_000, max_dust_exposure_msat=10**12,
    max_to_self_delay=65_535, max_reserve_percent=100,
)  # fmt: skip
Story = Callable[["Three"], Awaitable[None]]


class Three(NamedTuple):
    """A network in which bob keeps limits; carol is there for what counts over all peers."""

    network: Network
    alice: Node
    bob: Node
    carol: Node | None

    async def open(self, node: Node, amount_sat: int = OPEN_SAT, feerate_per_kw: int | None = None) -> str:
        """A channel from a node to bob."""
        asked = (self.bob.node_id.hex(), amount_sat, 0, "static_remotekey", (), feerate_per_kw)
        return (await node.api.open(*asked)).channel_id

    async def begin(self, node: Node, count: int) -> "asyncio.Task[str]":
        """An opening, once it is refused, or bob has so many."""
        task = asyncio.create_task(self.open(node))
        await until(lambda: task.done() or len(self.bob.channels.drivers) == count, "the opening")
        return task

    def demand(self, **demands: Any) -> None:
        """What alice's next open_channel demands."""
        channels = self.alice.channels
        settings = channels.settings
        channels.settings = with_settings(settings, demands=replace(settings.demands, **demands))


def told(folder: Path, limits: Limits, story: Story, third: bool = False) -> None:
    async def main() -> None:
        async with Network(folder) as network:
            bob = await network.node("bob", limits=limits)
            others = []
            for name in ("alice", "carol")[: 1 + third]:
                others.append(await network.node(name, limits=GENEROUS))
                for _ in range(2):  # a coin for each of two openings
                    await network.fund(others[-1], 1_000_000)
                await network.connect(others[-1], bob)
            await story(Three(network, others[0], bob, others[1] if third else None))

    asyncio.run(main())


# Each story does what the limit refuses; it is told once with the limit, and once with the limit one wider.


async def too_small(three: Three) -> None:
    await three.open(three.alice, 299_999)


async def too_large(three: Three) -> None:
    await three.open(three.alice, 300_001)


async def one_more_unfunded(three: Three) -> None:
    deaf(three.bob, "FundingCreated")
    tasks = [await three.begin(three.alice, 1), await three.begin(three.carol or three.alice, 2)]
    try:
        if tasks[1].done():
            await tasks[1]
    finally:
        for task in tasks:
            task.cancel()


async def one_more_pending(three: Three) -> None:
    await three.open(three.alice)
    await three.open(three.carol or three.alice)


async def a_long_delay(three: Three) -> None:
    three.demand(to_self_delay=145)
    await three.open(three.alice)


async def a_high_reserve(three: Three) -> None:
    three.demand(reserve_percent=11)
    await three.open(three.alice)


async def a_low_feerate(three: Three) -> None:
    await three.open(three.alice, feerate_per_kw=999)


async def a_high_feerate(three: Three) -> None:
    await three.open(three.alice, feerate_per_kw=2_001)


class Row(NamedTuple):
    """A limit and a wider one, what alice does, and the words that refuse it."""

    limit: int
    wider: int
    story: Story
    says: str
    third: bool = False


OPENINGS: dict[str, Row] = {
    "min_channel_sat": Row(300_000, 299_999, too_small, "A channel holds 300,000 sat or more, not 299,999"),
    "max_channel_sat": Row(300_000, 300_001, too_large, r"at most 300,000 sat \(--max-channel-sat\), not 300,001"),
    "max_total_sat": Row(300_000, 300_001, too_large, "takes no more money into channels now"),
    "max_unfunded_per_peer": Row(1, 2, one_more_unfunded, "wait for funding_created: at most 1 may at once"),
    "max_unfunded": Row(1, 2, one_more_unfunded, "Too many channels here wait for funding_created", third=True),
    "max_pending_per_peer": Row(1, 2, one_more_pending, "wait for their funding to be deep: at most 1 may at once"),
    "max_pending": Row(1, 2, one_more_pending, "Too many channels here wait for their funding to be deep", third=True),
    "max_to_self_delay": Row(144, 145, a_long_delay, "open_channel: to_self_delay is unreasonably large"),
    "max_reserve_percent": Row(10, 11, a_high_reserve, "open_channel: channel_reserve_satoshis is too large for us"),
    "min_feerate_per_kw": Row(1_000, 999, a_low_feerate, "open_channel: feerate_per_kw is too small for timely"),
    "max_feerate_per_kw": Row(2_000, 2_001, a_high_feerate, "open_channel: feerate_per_kw is unreasonably large"),
}


@pytest.mark.parametrize("field", OPENINGS)
def test_an_opening_beyond_a_limit_is_refused_by_its_name(tmp_path: Path, field: str) -> None:
    row = OPENINGS[field]

    async def refused(three: Three) -> None:
        with pytest.raises(ChannelRefused, match=row.says):
            await row.story(three)

    told(tmp_path / "narrow", replace(GENEROUS, **{field: row.limit}), refused, row.third)
    told(tmp_path / "wide", replace(GENEROUS, **{field: row.wider}), row.story, row.third)


# In a channel: what bob has in his accept_channel, and what he risks.


async def a_channel(three: Three, kind: str = "") -> str:
    return await three.network.channel(three.alice, three.bob, OPEN_SAT, 100_000, kind=kind)


async def pay(three: Three, amount_msat: int) -> None:
    invoice = await three.bob.api.invoice(amount_msat, "", 3600)
    await three.alice.api.pay(invoice.invoice, None, 20)


async def offers(three: Three, count: int) -> list[object]:
    """What becomes of HTLCs that alice offers at once, with onions that nobody can read."""
    key = three.alice.channels.usable()[0].key
    adds = [Add(5_000_000, bytes([n]) * 32, three.alice.watcher.height + 50, bytes(1366)) for n in range(count)]
    commands = [three.alice.channels.command(key, each) for each in adds]
    return list(await asyncio.gather(*commands, return_exceptions=True))


async def two_htlcs(three: Three) -> None:
    await a_channel(three)
    for outcome in await offers(three, 2):
        if isinstance(outcome, Exception):
            raise outcome


async def half_of_it(three: Three) -> None:
    await a_channel(three)
    await pay(three, 20_000_001)


async def dust(three: Three) -> None:
    await a_channel(three)
    await pay(three, 353_000)


async def dust_of_the_second_stage(three: Three) -> None:
    await a_channel(three, "static_remotekey")
    await pay(three, 353_001)


def at_rest(node: Node) -> bool:
    """Whether its channel can be used, and nothing is in flight."""
    return any(not channel.log and not htlcs_of(channel.base.states) for channel in node.channels.usable())


IN_A_CHANNEL: dict[str, Row] = {
    "max_accepted_htlcs": Row(1, 2, two_htlcs, "there would be more HTLCs than max_accepted_htlcs"),
    "max_in_flight_percent": Row(10, 11, half_of_it, "would exceed max_htlc_value_in_flight_msat"),
    "max_dust_exposure_msat": Row(352_999, 353_000, dust, "temporary_node_failure"),
    "max_dust_exposure_msat, legacy": Row(353_000, 353_001, dust_of_the_second_stage, "temporary_node_failure"),
}


@pytest.mark.parametrize("case", IN_A_CHANNEL)
def test_an_htlc_beyond_a_limit_is_refused_or_failed_and_the_channel_goes_on(tmp_path: Path, case: str) -> None:
    row, field = IN_A_CHANNEL[case], case.partition(",")[0]

    async def refused(three: Three) -> None:
        with pytest.raises(CommandRefused, match=row.says):
            await row.story(three)
        for node in (three.alice, three.bob):
            await until(lambda node=node: at_rest(node), "a channel that goes on")  # type: ignore[misc]
        await pay(three, 5_000_000)

    told(tmp_path / "narrow", replace(GENEROUS, **{field: row.limit}), refused)
    told(tmp_path / "wide", replace(GENEROUS, **{field: row.wider}), row.story)


# An update_fee, of alice, who opened.


async def raised(three: Three, feerate_per_kw: int) -> None:
    """alice proposes what her chain advises from now on."""
    assert isinstance(three.alice.backend, ChainView)
    await three.alice.backend.set_feerate(feerate_per_kw)
    await three.alice.channels.command(three.alice.channels.usable()[0].key, SetFeerate(feerate_per_kw))


async def said(node: Node, topic: str, words: str) -> None:
    """Returns once an event of this topic has been published whose text has these words."""

    async def found() -> bool:
        return any(e.topic == topic and words in bytes(e.payload).decode() for e in await node.events.since(0, 10_000))

    await until_asked(found, f"{topic}: {words}")


def test_a_feerate_above_the_ceiling_waits_until_the_ceiling_is_raised(tmp_path: Path) -> None:
    """It costs no channel: bob says why he hangs up, and a restart with another option is enough."""

    async def story(three: Three) -> None:
        channel, alice, bob = await a_channel(three), three.alice, three.bob
        await raised(three, 3_001)
        await said(bob, "channel_warning", "feerate_per_kw is unreasonably large")
        await said(alice, "peer_warning", "feerate_per_kw is unreasonably large")
        assert feerate_of(bob.channels.driver_of(channel).channel.base.states) < 3_000
        bob = await three.network.restart(bob, limits=replace(bob.config.limits, max_feerate_per_kw=3_001))
        for node in (alice, bob):
            driver = node.channels.driver_of(channel)
            await until(lambda driver=driver: feerate_of(driver.channel.base.states) == 3_001, "the feerate")  # type: ignore[misc]
        await three.network.active(channel, alice, bob)
        await pay(three._replace(bob=bob), 5_000_000)

    told(tmp_path, replace(GENEROUS, max_feerate_per_kw=3_000), story)


@pytest.mark.parametrize("limit_msat", [1_250_000, 1_249_999])
def test_a_feerate_that_leaves_too_much_without_an_output_ends_the_channel(tmp_path: Path, limit_msat: int) -> None:
    """5,000 sat are dust at 10,000 per kw, and four times the limit is what a rise of the feerate may make of it."""

    async def story(three: Three) -> None:
        channel, (alice, bob) = await a_channel(three, "static_remotekey"), (three.alice, three.bob)
        hearing, driver = Hearing(bob, hold=True), bob.channels.driver_of(channel)
        invoice = await bob.api.invoice(5_000_000, "", 3600)
        paying = asyncio.create_task(alice.api.pay(invoice.invoice, None, 20))
        await held(hearing)
        await raised(three, 10_000)
        if limit_msat == 1_250_000:
            await until(lambda: feerate_of(driver.channel.base.states) == 10_000, "the feerate")
            await bob.channels.command(driver.channel.key, Fail(hearing.held[0][1].id, bytes(256)))
            with pytest.raises(PaymentFailed):
                await paying
            return
        await said(bob, "channel_failed", "too much value would be in HTLCs that are too small for an output")
        await said(alice, "channel_failed", "too much value would be in HTLCs that are too small for an output")
        paying.cancel()
        (row,) = await bob.api.channels()
        await three.network.spent(row.funding)
        await three.network.mine()

        async def outputs() -> list[int]:
            rows = await bob.api.channels(True)
            return [each.amount_sat for row in rows for each in row.onchain if each.provider == "htlc"]

        # Of alice's commitment or of bob's, whichever came first: both are those before the update_fee.
        assert await until_asked(outputs, "what is on chain has the HTLC") == [5_000]

    told(tmp_path, replace(GENEROUS, max_dust_exposure_msat=limit_msat), story)


def test_every_limit_has_its_story() -> None:
    cases = {case.partition(",")[0] for case in IN_A_CHANNEL}
    assert {*OPENINGS, *cases} == {row.field for row in LIMITS}


def test_a_nodes_own_limit_of_dust_binds_its_own_payments(tmp_path: Path) -> None:
    async def story(three: Three) -> None:
        channel = await a_channel(three)
        invoice = await three.alice.api.invoice(353_000, "", 3600)
        with pytest.raises(PaymentFailed, match="too small for an output"):
            await three.bob.api.pay(invoice.invoice, None, 20)
        assert usable(three.bob, channel) and usable(three.alice, channel)

    told(tmp_path, replace(GENEROUS, max_dust_exposure_msat=352_999), story)


def test_what_would_be_dust_in_the_next_channel_is_not_passed_on(tmp_path: Path) -> None:
    """1,500 sat have an output with anchors, and none in a channel whose second stage costs more."""

    async def story(three: Three) -> None:
        carol, network = three.carol, three.network
        assert carol is not None
        channels = [await a_channel(three), await network.channel(three.bob, carol, OPEN_SAT, kind="static_remotekey")]
        await terms_known((three.alice, three.bob, carol), channels)
        for amount_msat, fits in ((1_500_000, False), (5_000_000, True)):
            invoice = await carol.api.invoice(amount_msat, "", 3600)
            paying = three.alice.api.pay(invoice.invoice, None, 20, (three.bob.node_id.hex(),))
            if fits:
                await paying
                continue
            with pytest.raises(PaymentFailed, match="temporary_channel_failure"):
                await paying
        passed = await three.bob.api.forwards()
        assert "too small for an output" in next(row.why for row in passed if row.why)

    told(tmp_path, replace(GENEROUS, max_dust_exposure_msat=1_000_000), story, third=True)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_refuses_what_is_beyond_it_and_says_the_rest_to_its_peers(tmp_path: Path, preset: str) -> None:
    limits = PRESETS[preset]

    async def story(three: Three) -> None:
        least_sat, most_per_kw = limits.min_channel_sat, limits.max_feerate_per_kw
        with pytest.raises(ChannelRefused, match=f"holds {least_sat:,} sat or more"):
            await three.open(three.alice, least_sat - 1)
        await three.network.fund(three.alice, 20_000_000)
        if limits.max_channel_sat < GENEROUS.max_channel_sat:
            with pytest.raises(ChannelRefused, match=f"at most {limits.max_channel_sat:,} sat"):
                await three.open(three.alice, limits.max_channel_sat + 1)
        with pytest.raises(ChannelRefused, match="feerate_per_kw is unreasonably large"):
            await three.open(three.alice, 1_000_000, most_per_kw + 1)
        for demands, words in (
            ({"to_self_delay": limits.max_to_self_delay + 1}, "to_self_delay is unreasonably large"),
            ({"reserve_percent": limits.max_reserve_percent + 1}, "channel_reserve_satoshis is too large"),
        ):
            usual = three.alice.channels.settings
            three.demand(**demands)
            with pytest.raises(ChannelRefused, match=words):
                await three.open(three.alice)
            three.alice.channels.settings = usual
        opened = [await three.open(three.alice) for _ in range(limits.max_pending_per_peer)]
        with pytest.raises(ChannelRefused, match=f"at most {limits.max_pending_per_peer} may at once"):
            await three.open(three.alice)
        terms = three.alice.channels.driver_of(opened[0]).channel.terms[1]
        assert terms.max_accepted_htlcs == limits.max_accepted_htlcs
        assert terms.max_htlc_value_in_flight_msat == OPEN_SAT * 10 * limits.max_in_flight_percent

    told(tmp_path, limits, story)
