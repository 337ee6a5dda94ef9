"""Do plugins hear of what was passed on and paid, and only of that?"""

import asyncio
from typing import Any

from msgspec.structs import replace

from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.kinds import hookimpl
from lnpd.services.payments.circuits import Circuit
from lnpd.services.payments.ledger import HtlcKey
from lnpd.services.payments.news import News, Tasks
from lnpd.store.write import Write

CIRCUIT = Circuit(
    incoming=HtlcKey("in", 3),
    incoming_msat=1_000,
    incoming_expiry=500,
    payment_hash=bytes(32),
    shared_secret=bytes(32),
    short_channel_id=bytes(8),
    channel="out",
    outgoing_msat=900,
    outgoing_expiry=400,
    onion=b"",
    opened_unix_seconds=0.0,
)


class Nobody:
    def record(self, _write: Write, _topic: str, _payload: object) -> int:
        return 0

    def stored(self) -> None:
        pass


class Ledger:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    @hookimpl
    def forward_settled(self, payment_hash: str, amount_msat: int, incoming: str, outgoing: str, fee_msat: int) -> None:
        self.heard.append((payment_hash, amount_msat, incoming, outgoing, fee_msat))


def test_a_forward_is_told_once_it_is_paid() -> None:
    async def main() -> None:
        hooks, tasks, ledger = Hooks(), Tasks(), Ledger()
        hooks.join(ledger, "ledger")
        news = News(hooks, Nobody(), tasks)
        for state in ("failed", "fulfilled"):
            news.tell_forward(replace(CIRCUIT, state=state))
        while not ledger.heard:
            await asyncio.sleep(0)
        await tasks.stop()
        assert ledger.heard == [("00" * 32, 900, "in", "out", 100)]

    asyncio.run(main())
