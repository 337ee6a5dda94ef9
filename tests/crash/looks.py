"""What does a story look at in a node that may die at any moment? Each is a question for World.look or World.until."""

import logging
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from lnpd_sdk.types import ACCEPTOR

from lnpd.channel.state import AwaitingReady, Failed, Normal
from lnpd.routing import invoice as invoices
from lnpd.services.node.node import Node
from lnpd.services.payments.incoming import FEATURES

T = TypeVar("T")
Look = Callable[[Node], Coroutine[Any, Any, T]]  # Any: what a coroutine takes and sends


async def waiting_channels(node: Node) -> list[str]:
    """The channels whose funding is on its way, or there."""
    for driver in list(node.channels.drivers.values()):
        await driver.settled()
    phases = (AwaitingReady, Normal)
    return [d.channel.id.hex() for d in node.channels.drivers.values() if isinstance(d.channel.phase, phases)]


def has(channel: str) -> Look[bool]:
    """Whether the node has this channel."""

    async def look(node: Node) -> bool:
        return any(d.channel.id.hex() == channel for d in node.channels.drivers.values())

    return look


def payment_state(payment_hash: str) -> Look[str]:
    """What became of a payment of the node's; "" if it was never offered."""

    async def look(node: Node) -> str:
        payment = await node.payments.payment(bytes.fromhex(payment_hash))
        return payment.state if payment else ""

    return look


def is_normal(channel: str) -> Look[bool]:
    """Whether the channel is in use."""

    async def look(node: Node) -> bool:
        return any(
            d.channel.id.hex() == channel and isinstance(d.channel.phase, Normal)
            for d in node.channels.drivers.values()
        )

    return look


def closing(channel: str) -> Look[bool]:
    """Whether the node has decided to close the channel, or has closed it."""

    async def look(node: Node) -> bool:
        return not any(
            d.channel.id.hex() == channel and not d.channel.shutdown_script for d in node.channels.drivers.values()
        )

    return look


async def agreed_to_close(node: Node) -> bool:
    """Whether the node has ever agreed on a closing transaction."""
    return any(event.topic == "close_agreed" for event in await node.events.since(0, 1000))


async def has_no_channel(node: Node) -> bool:
    """But for one that its opener forgot: whoever accepted it cannot know that the funding will never come."""
    channels = [d.channel for d in node.channels.drivers.values()]
    return all(
        channel.us == ACCEPTOR and isinstance(channel.phase, Failed | AwaitingReady) and not channel.depth_reached
        for channel in channels
    )


async def list_boxes(node: Node) -> list[dict[str, Any]]:  # Any: JSON values
    """The boxes in the node's channels."""
    found = await node.api.call_plugin("lockbox-list", {})
    assert isinstance(found, list)
    return found


def unknown_request(payee: bytes) -> invoices.Invoice:
    """A request for a payment that this payee has never heard of."""
    return invoices.Invoice(
        network="bcrt",
        timestamp_seconds=int(time.time()),
        payment_hash=os.urandom(32),
        payment_secret=os.urandom(32),
        payee=payee,
        amount_msat=2_000_000,
        description="nobody knows it",
        expiry_seconds=3600,
        min_final_cltv_expiry_delta=36,
        features=FEATURES,
    )


async def unknown_invoice(node: Node) -> tuple[str, str]:
    """An invoice that the node has signed and does not know, and its payment hash."""
    request = unknown_request(node.node_id)
    draft = invoices.unsigned(request)
    signature = await node.signer.sign_invoice(draft.readable, draft.data)
    return invoices.signed(draft, *signature), request.payment_hash.hex()


def defects(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a failure of the program's own."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
