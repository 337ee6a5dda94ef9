"""Are a plugin's own payments found page by page, whosever stand between them?"""

from typing import Any

import pytest

from lnpd.services.payments import own
from lnpd.services.payments.ledger import PaymentRecord
from lnpd.services.payments.own import metadata_of, own_payments
from lnpd.store.codec import encode
from lnpd.store.rows import PaymentRow
from lnpd.wire.features import BOLT9


def row(sequence: int, payer: str) -> PaymentRow:
    record = PaymentRecord(
        text="", payee=b"\2" * 33, amount_msat=1, session_key=bytes(32), started_unix_seconds=0, payer=payer
    )
    return PaymentRow(sequence, bytes(32), "paid", 0, encode(record))


class Rows:
    """What a transaction reads: 9 payments, of which every third is the plugin's."""

    def __init__(self) -> None:
        self.rows = [row(number, "rgb" if number % 3 == 0 else "") for number in range(9, 0, -1)]

    def payments(self, before: int | None, limit: int) -> list[PaymentRow]:
        return [each for each in self.rows if before is None or each.sequence < before][:limit]


@pytest.mark.parametrize("at_once", [1, 2, 3, 9, 100])
def test_pages_of_any_size_show_each_once(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "AT_ONCE", at_once)
    read: Any = Rows()
    found: list[int] = []
    while page := own_payments(read, "rgb", found[-1] if found else 0, 2):
        assert len(page) <= 2
        found += [each.sequence for each in page]
    assert found == [9, 6, 3]
    assert own_payments(read, "nobody") == []


def test_what_pays_no_invoice_has_no_metadata() -> None:
    assert metadata_of(row(1, "rgb"), BOLT9) == b""
