"""Does a channel go on, whatever its plugins answer when they are asked for records?"""

import asyncio
from pathlib import Path

import pytest
from lnpd_sdk.manifest import Filter, HookSubscription, Manifest
from msgspec.structs import replace

from lnpd.channel.actions import Action, Send
from lnpd.channel.events import Commit
from lnpd.channel.queries import FoldMemory
from lnpd.channel.state import Policy, new_channel
from lnpd.errors import WouldDeadlock
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.records import CARRIERS
from lnpd.hooks.registry import Registry
from lnpd.services.channels import carried
from lnpd.services.channels.batch import Batch, Recent
from lnpd.services.channels.carried import AGAIN, Carried
from lnpd.store.store import Store
from lnpd.wire.catalogue import CORE
from lnpd.wire.fields import MAX_MESSAGE_LENGTH
from lnpd.wire.message import encode
from lnpd.wire.messages import CommitmentSigned, RevokeAndAck

OPENING = {"init", "open_channel", "accept_channel", "update_add_htlc", "payload"}  # asked for outside a batch
CHANNEL = replace(new_channel("key", b"\2" * 33, 0, Policy(), bytes(32)), link="up")
NOTE = {"70001": "0001"}
REVOKE = RevokeAndAck(channel_id=bytes(32), per_commitment_secret=bytes(32), next_per_commitment_point=b"\2" * 33)


class Asked:
    """A plugin `notes` that answers this; None is no answer at all."""

    def __init__(self, store: Store, answer: dict[str, str] | None) -> None:
        hooks, registry = Hooks(), Registry(CORE)
        rows = "tlv_stream,commitment_signed_tlvs\ntype,70001,a_note\ndata,...*byte,note"
        subscription = HookSubscription("outgoing_records", (Filter("name", "commitment_signed"),))
        manifest = Manifest(name="notes", version="1", messages=rows, hooks=(subscription,))
        owned = registry.register(manifest, self._called, ("messages", "hook:outgoing_records"))
        hooks.join(owned.proxy, "notes")
        self.answer, self.count, self.urgent, self.waits = answer, 0, asyncio.Event(), False
        self.carried, self.batch = Carried(hooks, registry, store), Batch(None, CHANNEL, FoldMemory(), Recent())

    async def _called(self, *_question: object) -> object:
        self.count += 1
        if self.waits:
            self.carried.check_command(CHANNEL)
        if self.answer is None:
            await asyncio.Event().wait()
        return self.answer

    async def sent(self, signatures: int = 0) -> CommitmentSigned:
        """commitment_signed as it would leave."""
        message = CommitmentSigned(channel_id=bytes(32), signature=bytes(64), htlc_signature=(bytes(64),) * signatures)
        actions: list[Action] = [Send(message)]
        (send,) = await self.carried.onto(self.batch, Commit(), actions, self.urgent, None)
        assert isinstance(send, Send)
        assert isinstance(send.message, CommitmentSigned)
        return send.message


def test_every_carrier_of_a_channel_is_asked_for_inside_its_batch() -> None:
    assert {each.NAME for each in AGAIN} == CARRIERS.keys() - OPENING


def test_a_message_that_no_plugin_cares_for_waits_for_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        store = Store.open(tmp_path, "regtest")
        asked = Asked(store, NOTE)
        actions: list[Action] = [Send(REVOKE)]
        asking = asked.carried.onto(asked.batch, Commit(), actions, asked.urgent, None)
        with pytest.raises(StopIteration) as done:
            asking.send(None)  # it would be a task otherwise, at each message of each payment
        assert (done.value.value, asked.count) == (actions, 0)
        await store.close()

    asyncio.run(main())


def test_what_is_urgent_does_not_wait_for_a_plugin_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        store = Store.open(tmp_path, "regtest")
        asked = Asked(store, None)
        asked.urgent.set()
        assert (await asyncio.wait_for(asked.sent(), 4)).tlvs.unknown == ()  # a hook's deadline is 5 s
        assert asked.count == 1
        assert asked.batch.row("records", "sent/commitment_signed/") is None
        await store.close()

    monkeypatch.setattr(carried, "GRACE_SECONDS", 0.01)
    asyncio.run(main())


def test_who_is_asked_cannot_wait_for_the_channel_that_asks(tmp_path: Path) -> None:
    async def main() -> None:
        store = Store.open(tmp_path, "regtest")
        asked = Asked(store, NOTE)
        asked.waits = True
        with pytest.raises(WouldDeadlock, match="waits for the hook that asks for this"):
            await asked.sent()
        asked.carried.check_command(CHANNEL)  # nobody is asked any more
        await store.close()

    asyncio.run(main())


def test_a_message_that_would_be_too_long_goes_without_and_the_plugin_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """1,020 signatures leave 155 bytes of the 65,535; a record is counted with 16 beside its value."""

    async def main() -> None:
        store = Store.open(tmp_path, "regtest")
        asked = Asked(store, NOTE)
        assert (await asked.sent()).tlvs.unknown == ((70001, b"\0\1"),)
        asked.answer = {"70001": "00" * 140}
        message = await asked.sent(1_020)
        assert message.tlvs.unknown == ()
        assert "what notes adds to commitment_signed is left out: a message has at most 65535 bytes" in caplog.text
        asked.answer = {"70001": "00" * 139}
        assert len(encode(await asked.sent(1_020))) <= MAX_MESSAGE_LENGTH
        asked.answer = {"70001": "00" * 985}
        assert (await asked.sent()).tlvs.unknown == ()
        assert "what notes adds to commitment_signed is left out: over 1000 bytes" in caplog.text
        await store.close()

    asyncio.run(main())
