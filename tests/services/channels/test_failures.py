"""Does a batch that fails take nothing with it that was not its own?"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lnpd.channel.actions import HtlcReceived, Told
from lnpd.channel.events import ForceClose
from lnpd.channel.state import Channel, Failed
from lnpd.errors import LnpdError, StoreClosed, ValueUnfit
from lnpd.services.node.node import Node
from lnpd.services.recipients import Effects, Recipient
from lnpd.store.rows import InboxRow
from lnpd.testing import shown, until, until_asked
from lnpd.tx.transaction import parse
from tests.e2e.test_lockbox import boxes
from tests.services.channels.two import SECONDS, Two, story


class Poison:
    """A recipient that raises, while it is poisonous, for one kind of message."""

    def __init__(self, inner: Recipient, kind: type) -> None:
        self.inner, self.kind, self.times = inner, kind, 0

    async def told(self, channel: Channel, message: Told) -> Effects:
        if isinstance(message, self.kind) and self.times:
            self.times -= 1
            raise RuntimeError("poison")
        return await self.inner.told(channel, message)


def poison(node: Node, recipient: str, kind: type) -> Poison:
    recipients = node.channels.parts.recipients
    made = Poison(recipients[recipient], kind)
    recipients[recipient] = made
    return made


def test_a_batch_that_failed_never_happened(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        bad = poison(both.bob, "payments", HtlcReceived)
        bad.times = 1
        await both.pays()
        assert not bad.times
        await both.active()
        await both.put(both.alice)
        await boxes(both.bob, both.channel, 2)
        await both.pays()

    story(tmp_path, told)


def test_a_row_that_cannot_stand_costs_its_channel_and_not_the_node(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        store, inner = both.bob.store, both.bob.store.write
        refused: list[object] = []

        async def refusing(work: Any) -> Any:
            if not refused and "ChannelDriver" in getattr(work, "__qualname__", ""):
                refused.append(work)
                raise ValueUnfit("A value of 18652823 bytes is longer than 16777216.")
            return await inner(work)

        store.write = refusing  # type: ignore[assignment, method-assign]
        await both.pays()
        assert refused and not both.bob.ended.done()
        await both.active()

    story(tmp_path, told)


def test_a_channel_can_be_closed_while_its_batches_fail(tmp_path: Path) -> None:
    """The signer was asked to prepare what is never stored: it may not hold the release of a secret against us."""

    async def told(both: Two) -> None:
        signer, inner = both.bob.signer, both.bob.signer.prepare_release
        failures: list[object] = []

        async def failing(*args: Any) -> Any:
            await inner(*args)
            failures.append(args)
            raise RuntimeError("the machine is ill")

        signer.prepare_release = failing  # type: ignore[assignment, method-assign]
        invoice = await both.bob.api.invoice(5_000_000, "never", 3600)
        with pytest.raises(LnpdError):
            await both.alice.api.pay(invoice.invoice, None, 1)
        await until(lambda: failures, "a release that is prepared and not stored")
        row = await shown(both.bob, both.channel)
        assert row is not None
        await both.bob.api.close(both.channel, True, None)
        await both.network.spent(row.funding)
        await both.network.mine(1)
        row = await shown(both.bob, both.channel)
        assert row is not None
        assert row.closing_txid

    story(tmp_path, told)


def test_a_lost_chain_event_is_handled_with_the_next_block(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        parts, times = both.bob.channels.parts, [1, 1]

        def failing(write: Any, notice: Any, inner: Any = parts.publish) -> None:
            if notice.topic == "channel_on_chain" and times:
                times.pop()
                raise RuntimeError("poison")
            inner(write, notice)

        object.__setattr__(parts, "publish", failing)
        row = await shown(both.alice, both.channel)
        assert row is not None
        await both.alice.api.close(both.channel, True, None)
        await both.network.spent(row.funding)
        await both.network.mine(1)
        assert len(times) < 2

        async def noticed() -> bool:
            await both.network.mine(1)
            row = await shown(both.bob, both.channel)
            return row is not None and bool(row.closing_txid)

        await until_asked(noticed, "the close")

    story(tmp_path, told)


def test_a_chain_event_is_handled_once(tmp_path: Path) -> None:
    """A slow read of the inbox may show a row that was handled meanwhile, and is over by now."""

    async def told(both: Two) -> None:
        driver, posted = both.driver(both.bob), list[Sequence[InboxRow]]()
        inner = driver.post_inbox

        def post(rows: Sequence[InboxRow]) -> None:
            posted.append(rows)
            inner(rows)

        driver.post_inbox = post  # type: ignore[method-assign]
        row = await shown(both.alice, both.channel)
        assert row is not None
        await both.alice.api.close(both.channel, True, None)
        await both.network.spent(row.funding)
        await both.network.mine(1)
        await until(lambda: posted, "a chain event")
        await driver.settled()
        assert posted[-1]
        inner(posted[-1])
        assert not driver._waiting
        inner(())  # a later read shows that they are gone, and no one has to remember them
        assert not driver._inbox

    story(tmp_path, told)


def test_an_urgent_event_that_joined_a_batch_that_fails_is_not_lost(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        both.bobs.shut()
        await both.put(both.alice)
        await both.bobs.asked.wait()
        parts, times = both.bob.channels.parts, [1]

        def failing(write: Any, notice: Any, inner: Any = parts.publish) -> None:
            if times:
                times.pop()
                raise RuntimeError("poison")
            inner(write, notice)

        object.__setattr__(parts, "publish", failing)
        async with asyncio.timeout(SECONDS):
            closed = await both.driver(both.bob).command(ForceClose())
        assert isinstance(closed.phase, Failed)

    story(tmp_path, told)


def test_what_is_stored_has_happened_though_it_could_not_be_sent(tmp_path: Path) -> None:
    async def told(both: Two) -> None:
        signer, inner = both.alice.signer, both.alice.signer.sign_commitment
        failures: list[object] = []

        async def failing(*args: Any) -> Any:
            if not failures:
                failures.append(args)
                raise RuntimeError("the signer hiccups")
            return await inner(*args)

        signer.sign_commitment = failing  # type: ignore[assignment, method-assign]
        box = await both.put(both.alice)
        assert failures
        assert box is not None
        await both.active()
        await boxes(both.bob, both.channel, 2)
        await both.pays()

    story(tmp_path, told)


# Openings


def test_a_close_elsewhere_does_not_store_what_another_batch_prepared(tmp_path: Path) -> None:
    """The signer's row of a channel holds both: what a batch prepared, and where the user wants the close to pay."""

    async def told(both: Two) -> None:
        alice = both.alice
        parts, prepared, fail = alice.channels.parts, asyncio.Event(), asyncio.Event()
        inner = alice.signer.prepare_commitment

        async def failing(*args: Any) -> Any:
            await inner(*args)
            prepared.set()
            await fail.wait()
            raise RuntimeError("the machine is ill")

        before = await parts.store.read(lambda read: read.signer_states())
        alice.signer.prepare_commitment = failing  # type: ignore[assignment, method-assign]
        paying = asyncio.create_task(both.pays())
        await prepared.wait()
        elsewhere = (await both.bob.api.address()).address
        closing = asyncio.create_task(alice.api.close(both.channel, False, elsewhere))
        await until(lambda: both.driver(alice)._waiting, "the close waits for its turn")
        assert await parts.store.read(lambda read: read.signer_states()) == before
        alice.signer.prepare_commitment = inner  # type: ignore[method-assign]
        fail.set()
        await asyncio.gather(paying, return_exceptions=True)
        closed = await closing
        await both.network.seen(closed.txid)
        found = await both.network.chain.transaction(bytes.fromhex(closed.txid)[::-1])
        assert found is not None
        paid_to = {output.script_pubkey for output in parse(found.transaction).outputs}
        assert both.bob.wallet.scripts.script_of(elsewhere) in paid_to

    story(tmp_path, told)


def test_a_channel_ends_with_its_store(tmp_path: Path) -> None:
    """It would hang up for ever, of which nothing is ever stored: nothing else of the node went on, nor ended."""

    async def told(both: Two) -> None:
        driver = both.driver(both.alice)
        await both.alice.store.close()
        asked = [asyncio.create_task(driver.command(ForceClose())) for _ in range(2)]
        for each in asked:
            with pytest.raises(StoreClosed):
                await each
        with pytest.raises(StoreClosed):
            await driver.command(ForceClose())
        await driver.settled()
        assert isinstance(both.alice.ended.exception(), StoreClosed)

    story(tmp_path, told)
