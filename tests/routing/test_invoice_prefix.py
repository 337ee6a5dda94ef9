"""Are networks and amounts read as BOLT 11 says, and written in the shortest form?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.errors import (
    InvoiceAmountMalformed,
    InvoiceAmountNotWholeMsat,
    InvoiceAmountTooLarge,
    InvoiceMultiplierUnknown,
    InvoiceNetworkUnknown,
)
from lnpd.routing import invoice_prefix

SHORTEST = [
    ("lnbc", "bc", None),
    ("lntb20m", "tb", 2_000_000_000),
    ("lntbs2500u", "tbs", 250_000_000),
    ("lnbcrt1", "bcrt", 100_000_000_000),
    ("lnbc1n", "bc", 100),
    ("lnbc10p", "bc", 1),
    ("lnbc9678785340p", "bc", 967_878_534),
    ("lnbc21000000", "bc", 2_100_000_000_000_000_000),
]
LONGER = [("lnbc1000m", 100_000_000_000), ("lnbc2500000n", 250_000_000), ("lnbc21000000000000000000p", 21 * 10**17)]
REFUSED = [
    ("", InvoiceNetworkUnknown),
    ("bc20m", InvoiceNetworkUnknown),
    ("lnltc20m", InvoiceNetworkUnknown),
    ("ln20m", InvoiceNetworkUnknown),
    ("lnbc-1", InvoiceAmountMalformed),
    ("lnbc0", InvoiceAmountMalformed),
    ("lnbc020m", InvoiceAmountMalformed),
    ("lnbc.5m", InvoiceAmountMalformed),
    ("lnbc2500x", InvoiceMultiplierUnknown),
    ("lnbc2500mm", InvoiceMultiplierUnknown),
    ("lnbc1.5m", InvoiceMultiplierUnknown),
    ("lnbc" + "9" * 5000, InvoiceMultiplierUnknown),
    ("lnbc2500000001p", InvoiceAmountNotWholeMsat),
    ("lnbc21000001", InvoiceAmountTooLarge),
]


@pytest.mark.parametrize(("readable", "network", "amount_msat"), SHORTEST)
def test_read_and_written(readable: str, network: str, amount_msat: int | None) -> None:
    assert invoice_prefix.parse(readable) == (network, amount_msat)
    assert invoice_prefix.render(network, amount_msat) == readable


@pytest.mark.parametrize(("readable", "amount_msat"), LONGER)
def test_longer_forms_are_read(readable: str, amount_msat: int) -> None:
    assert invoice_prefix.parse(readable) == ("bc", amount_msat)


@pytest.mark.parametrize(("readable", "error"), REFUSED)
def test_each_broken_rule_has_its_error(readable: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        invoice_prefix.parse(readable)


@pytest.mark.parametrize(
    ("network", "amount_msat", "error"),
    [
        ("bcx", 1, InvoiceNetworkUnknown),
        ("bc", 0, InvoiceAmountMalformed),
        ("bc", -1, InvoiceAmountMalformed),
        ("bc", 21 * 10**17 + 1, InvoiceAmountTooLarge),
    ],
)
def test_what_cannot_be_written(network: str, amount_msat: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        invoice_prefix.render(network, amount_msat)


@given(st.sampled_from(sorted(invoice_prefix.NETWORKS)), st.none() | st.integers(1, 21 * 10**17))
def test_every_amount_survives(network: str, amount_msat: int | None) -> None:
    assert invoice_prefix.parse(invoice_prefix.render(network, amount_msat)) == (network, amount_msat)
