"""Does a channel's mailbox keep its promises when a provider is slow or dead, or something urgent comes?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.channel.events import Block, Connected, Event, ForceClose
from lnpd.channel.state import Failed
from lnpd.errors import ChannelFrozen, LnpdError
from lnpd.services.channels.batch import Batch
from lnpd.services.channels.driver import Item
from lnpd.testing import until
from lnpd.wire.messages import ChannelReestablish, CommitmentSigned
from tests.e2e.test_lockbox import boxes
from tests.services.channels.two import Two, story


def test_a_forced_close_does_not_wait_for_a_provider(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        both.alices.shut()
        put = both.put(both.alice)
        await both.alices.asked.wait()
        async with asyncio.timeout(2):
            closed = await both.driver(both.alice).command(ForceClose())
        assert isinstance(closed.phase, Failed)
        with pytest.raises(LnpdError, match="No plugin can change this channel: it has failed"):
            await put

    story(tmp_path, told)


def test_a_message_that_waits_for_a_provider_keeps_its_place(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        both.bobs.shut()
        await both.put(both.alice)
        await both.bobs.asked.wait()
        height = both.bob.watcher.height
        handled = both.driver(both.bob)
        for _ in range(3):  # each of them drops the step that waits
            both.bobs.asked.clear()
            handled.post(Item(Block(height)))
            await both.bobs.asked.wait()
        both.bobs.gate.set()
        await boxes(both.alice, both.channel, 2)
        await boxes(both.bob, both.channel, 2)
        await both.pays()

    story(tmp_path, told)


# A dead provider


def test_a_broken_provider_freezes_until_it_is_back(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        plain = await both.network.channel(both.alice, both.bob, 300_000, kind="anchors_zero_fee_htlc_tx")
        nodes = (both.alice, both.bob)
        old = {link for node in nodes for link in node.channels.links.values()}
        both.bobs.broken = True
        await both.put(both.alice)
        await until(lambda: both.driver(both.bob).frozen, "the freeze")
        await until(lambda: all(set(n.channels.links.values()) - old for n in nodes), "the next connection")
        for node in nodes:
            await node.channels.driver_of(plain).settled()
        await both.network.active(plain, both.alice, both.bob)
        await both.pays()
        with pytest.raises(ChannelFrozen):
            await both.bob.api.close(both.channel, False, None)
        both.bobs.broken = False
        both.bob.channels.providers_changed()
        await boxes(both.alice, both.channel, 2)  # alice had signed it: it is said again
        await boxes(both.bob, both.channel, 2)

    story(tmp_path, told)


def test_an_error_of_the_peers_ends_a_frozen_channel(tmp_path: Path) -> None:
    """BOLT 1: whoever receives an error fails the channel, and waits for nobody."""

    async def told(both: Two) -> None:
        await both.bob.plugins.plugins[0].stop()
        await both.down(both.bob)
        await until(lambda: both.driver(both.bob).link, "the next connection")
        await until(lambda: both.driver(both.alice).channel.link == "reestablishing", "what alice says")
        await both.driver(both.alice).command(ForceClose())
        await until(lambda: isinstance(both.driver(both.bob).channel.phase, Failed), "the end on bob's side")

    story(tmp_path, told)


def test_a_provider_that_is_back_at_once_loses_no_message(tmp_path: Path) -> None:
    """What came in between was dropped: the old connection may not go on as if it had been handled."""

    async def told(both: Two) -> None:
        both.bobs.shut()
        await both.put(both.alice)
        await both.bobs.asked.wait()
        driver = both.driver(both.bob)
        driver.freeze("a test")
        both.bobs.gate.set()
        await asyncio.sleep(0)
        driver.thaw()
        await boxes(both.alice, both.channel, 2)
        await boxes(both.bob, both.channel, 2)
        await both.pays()
        assert not [n for n in (both.alice, both.bob) if isinstance(both.driver(n).channel.phase, Failed)]

    story(tmp_path, told)


def test_what_the_peer_said_while_it_was_frozen_comes_after_our_own_word(tmp_path: Path) -> None:
    """The provider is back while the peer's channel_reestablish waits in the mailbox, alone or with the connection."""

    async def told(both: Two) -> None:
        for together in (False, True):
            with pytest.MonkeyPatch.context() as held:
                await goes_on(both, held, together)
            await both.pays()

    async def goes_on(both: Two, held: pytest.MonkeyPatch, together: bool) -> None:
        driver, waiting = both.driver(both.bob), list[Item]()
        post, handle = driver.post, driver._handle

        def keep(item: Item) -> None:
            begins = isinstance(item.event, ChannelReestablish) or (together and isinstance(item.event, Connected))
            (waiting.append if begins else post)(item)

        async def then_thaw(batch: Batch, item: Item) -> tuple[Event, ...]:
            events = await handle(batch, item)
            driver.thaw()
            return events

        held.setattr(driver, "post", keep)
        driver.freeze("a test")
        await until(lambda: any(isinstance(item.event, ChannelReestablish) for item in waiting), "alice's word")
        await driver.settled()
        for item in waiting:
            post(item)
        if together:  # it is frozen at the first of the batch, and no more at the second
            held.setattr(driver, "_handle", then_thaw)
        else:
            driver.thaw()
        await both.active()

    story(tmp_path, told)


# A batch that fails


# A connection that ends while messages wait


def test_what_was_to_leave_over_a_lost_connection_does_not_leave_over_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last messages, the end, the new connection: all in one batch. revoke_and_ack comes after reestablish."""

    async def told(both: Two) -> None:
        mailbox, waiting = both.driver(both.bob), list[Item]()
        with monkeypatch.context() as held:
            held.setattr(mailbox, "post", waiting.append)
            paying = asyncio.create_task(both.pays())
            await until(lambda: any(isinstance(item.event, CommitmentSigned) for item in waiting), "a commitment")
            await both.alice.api.disconnect(both.bob.node_id.hex())
            await both.network.connect(both.alice, both.bob)
            await until(lambda: any(isinstance(item.event, ChannelReestablish) for item in waiting), "alice's word")
        link = both.alice.channels.links[both.bob.node_id]
        for item in waiting:
            mailbox.post(item)
        await paying
        assert both.alice.channels.links[both.bob.node_id] is link, "who hears such a thing hangs up, if not more"

    story(tmp_path, told)
