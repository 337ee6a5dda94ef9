"""How does a test send the payee HTLCs that no payer of ours sends, and see what became of them?"""

import asyncio
from collections.abc import Awaitable
from itertools import count
from typing import Any, TypeVar

from lnpd.channel import events
from lnpd.channel.deadlines import committed_htlcs
from lnpd.channel.state import Channel
from lnpd.crypto import sphinx
from lnpd.routing import failures, payload
from lnpd.wire.messages import Payload, UpdateFailHtlc
from tests.services.payments.pair import AMOUNT_MSAT, HEIGHT, Joined

T = TypeVar("T")
EXPIRY = HEIGHT + 40
_sessions = count(1)


class Told:
    """A payer that writes its own onions."""

    def __init__(self, pair: Joined) -> None:
        self._pair = pair
        self._pair.payee.alter = self._seen
        self.failures: list[bytes] = []
        pair.told = self  # type: ignore[attr-defined]  # what failed_with reads
        self._session = b""

    def part(self, amount_msat: int = AMOUNT_MSAT, unknown: tuple[tuple[int, bytes], ...] = ()) -> Payload:
        """What the payee is told."""
        return Payload(amt_to_forward=amount_msat, outgoing_cltv_value=EXPIRY, unknown=unknown)

    async def add(self, payment_hash: bytes, part: bytes = b"") -> Channel:
        """Offers an HTLC."""
        self._session = next(_sessions).to_bytes(32, "big")
        hops = [(self._pair.payee.key.node_id, part or payload.encode(self.part()))]
        onion = sphinx.build(self._session, hops, payment_hash).packet
        return await self._pair.payer.command("", events.Add(AMOUNT_MSAT, payment_hash, EXPIRY, onion))

    def _seen(self, message: Any) -> Any:
        if isinstance(message, UpdateFailHtlc):
            self.failures.append(message.reason)
        return message

    @property
    def failure(self) -> str:
        """The name of the last failure."""
        secrets = sphinx.shared_secrets(self._session, [self._pair.payee.key.node_id])
        return failures.decode(sphinx.unwrap_error(secrets, self.failures[-1])[1]).name


async def at_rest(pair: Joined) -> None:
    """Until nothing moves, and nobody is asked."""
    await pair.settle()
    while any(side.payments.verdicts._asking for side in pair.sides):
        await pair.pump()
        await asyncio.sleep(0.001)
    await pair.settle()


async def done(pair: Joined, work: Awaitable[T]) -> T:
    """The result of something that needs the messages to flow, once all that follows from it has happened."""
    result = await pair.both(work)
    await at_rest(pair)
    return result


def failed_with(pair: Joined) -> str:
    """The name of the failure that the payer was sent last."""
    return str(pair.told.failure)  # type: ignore[attr-defined]  # set by Told


def pending(pair: Joined) -> int:
    """HTLCs in the channel."""
    return len(committed_htlcs(pair.payee.channel))
