"""May a row change only as it should, in whatever order things are told?"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpd import errors
from lnpd.services.payments import ledger as payments_ledger
from lnpd.services.payments.ledger import HtlcKey, InvoiceRecord, PaymentRecord
from lnpd.store import codec
from lnpd.store.store import Store

STEPS = st.lists(
    st.tuples(st.sampled_from(["offered", "forgotten", "failed", "paid", "lost"]), st.integers(0, 2)), max_size=12
)


@settings(max_examples=40)
@given(STEPS)
def test_a_row_is_paid_once_and_for_good(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """Whatever is told in whatever order: one live HTLC at most, no other pays, and nothing leaves `paid`."""

    store = Store.open(tmp_path_factory.mktemp("ledger"), "regtest")
    payment_hash, live, last, paid = bytes(32), None, None, 0
    try:
        for kind, number in steps:
            key = HtlcKey("c", number)
            record = PaymentRecord(
                text="", payee=bytes(33), amount_msat=1, session_key=bytes(32), started_unix_seconds=1, htlc=key
            )
            if kind == "offered":
                try:
                    store.write_sync(lambda w, r=record: payments_ledger.offered(w, payment_hash, r))
                except errors.PaymentInFlight:
                    assert live is not None or paid
                else:
                    assert live is None
                    assert not paid
                    live = last = key
            elif kind == "forgotten":
                if store.write_sync(lambda w, k=key: payments_ledger.forgotten(w, payment_hash, k)):
                    assert live == key
                    live = last = None
            elif kind == "paid":
                if store.write_sync(lambda w, k=key: payments_ledger.paid(w, payment_hash, k, b"p", 2.0)):
                    assert last == key, "only the HTLC that the row names pays it"
                    paid, live = paid + 1, None
            else:
                htlc = key if kind == "failed" else None
                if store.write_sync(lambda w, k=htlc: payments_ledger.failed(w, payment_hash, k, "why", 2.0)):
                    assert live == htlc
                    live = None
            assert paid <= 1
            row = store.read_sync(lambda r: r.payment(payment_hash))
            assert not paid or (row and row.state == "paid")
    finally:
        store.close_sync()


def test_what_is_stored_can_be_stored_and_shows_no_secret() -> None:
    assert codec.broken_rules(InvoiceRecord) == codec.broken_rules(PaymentRecord) == ()
    record = PaymentRecord(
        text="", payee=b"\x02" * 33, amount_msat=1, session_key=b"\xaa" * 32, started_unix_seconds=1, htlc=None
    )
    assert "aaaa" not in repr(record)
    assert "\\xaa" not in repr(record)


def test_an_invoice_is_paid_by_the_first_htlc(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "regtest")
    record = InvoiceRecord(
        text="",
        preimage=bytes(32),
        payment_secret=bytes(32),
        amount_msat=None,
        min_final_cltv_expiry_delta=36,
        expires_unix_seconds=9,
        description="",
    )
    try:
        store.write_sync(lambda w: payments_ledger.created(w, bytes(32), record, 1.0))
        first, second = HtlcKey("c", 1), HtlcKey("d", 1)
        assert store.write_sync(lambda w: payments_ledger.received(w, bytes(32), first, 5, 2.0))
        for key in (second, first):
            assert not store.write_sync(lambda w, k=key: payments_ledger.received(w, bytes(32), k, 6, 3.0))
        assert not store.write_sync(lambda w: payments_ledger.received(w, b"unknown", first, 5, 2.0))
        row = store.read_sync(lambda r: r.invoice(bytes(32)))
        assert row is not None
        stored = payments_ledger.invoice_of(row)
        assert (row.state, stored.paid_by, stored.received_msat, stored.paid_unix_seconds) == ("paid", first, 5, 2.0)
    finally:
        store.close_sync()
