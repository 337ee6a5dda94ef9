"""What do plugins add to an onion, and does the payee see it?"""

import asyncio

import pytest

from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.kinds import hookimpl
from lnpd.routing import invoice
from lnpd.services.payments.extras import Extras, wrong_with
from tests.services.payments.pair import AMOUNT_MSAT, Joined, asked, moved_msat, played


class Adding:
    def __init__(self, *records: dict[str, str] | None) -> None:
        self.records = list(records)

    @hookimpl
    async def onion_payload(self, payment_hash: str, payee: str, amount_msat: int) -> dict[str, str] | None:
        return self.records.pop(0)


class Seeing:
    def __init__(self) -> None:
        self.seen: list[object] = []

    @hookimpl
    async def htlc_accepted(self, records: dict[str, str]) -> None:
        self.seen.append(records)


@played
async def test_the_payee_sees_them(pair: Joined) -> None:
    seeing = Seeing()
    pair.payer.hooks.join(Adding({"65537": "00ff", "70001": ""}), "adding")
    pair.payee.hooks.join(seeing, "seeing")
    await pair.both(pair.payer.payments.pay(await asked(pair)))
    assert moved_msat(pair) == AMOUNT_MSAT
    assert seeing.seen == [{"65537": "00ff", "70001": ""}]


class Reading:
    """Of either side: what it was told of an invoice's metadata."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @hookimpl
    async def onion_payload(self, metadata: str) -> dict[str, str]:
        self.told.append(metadata)
        return {}

    @hookimpl
    async def htlc_accepted(self, metadata: str) -> None:
        self.told.append(metadata)


@played
async def test_both_sides_plugins_are_told_what_stands_in_the_invoice_for_them(pair: Joined) -> None:
    reading = Reading()
    for side, name in ((pair.payer, "payer"), (pair.payee, "payee")):
        side.hooks.join(reading, name)
    made = await pair.payee.payments.create_invoice(AMOUNT_MSAT, "tea", metadata=b"5 USDX")
    await pair.both(pair.payer.payments.pay(made.invoice))
    await pair.both(pair.payer.payments.pay(await asked(pair)))
    assert reading.told == [b"5 USDX".hex(), b"5 USDX".hex(), "", ""]


@played
async def test_who_comes_first_has_a_type_and_what_is_too_long_is_left_out(pair: Joined) -> None:
    hooks, request = Hooks(), invoice.decode(await asked(pair))
    for name, records in (
        ("first", {"65537": "01"}),
        ("second", {"65537": "02", "65539": "03"}),
        ("third", {"65541": "00" * 560}),
        ("fourth", {"65543": "00" * 500}),
        ("fifth", None),
        ("sixth", {"4": "00"}),
    ):
        hooks.join(Adding(records), name)
    found = await Extras(hooks).records(request, AMOUNT_MSAT)
    assert found == ((65537, b"\x01"), (65541, bytes(560)))


BAD: dict[str, dict[str, str]] = {
    "one of BOLT 4": {"2": "00"},
    "an even one": {"65538": "00"},
    "oddly written": {"065537": "00"},
    "no number": {"x": "00"},
    "too large": {str(2**64 + 1): ""},
    "far too large": {"1" * 5_000: ""},
    "no hex": {"65537": "xyz"},
    "too long": {"65537": "00" * 600},
}


@pytest.mark.parametrize("records", BAD.values(), ids=BAD)
def test_what_cannot_be_added(records: dict[str, str]) -> None:
    assert wrong_with(records)


def test_nobody_is_asked_where_nobody_takes_part() -> None:
    assert asyncio.run(Extras(Hooks()).records(None, 1)) == ()  # type: ignore[arg-type]  # it is not looked at
