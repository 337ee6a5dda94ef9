"""What do the letters and digits before an invoice's data say: which network, and how much?

ln bcrt 2500 u
   |    |    multiplier
   |    amount
   network: BIP 173's prefix
"""

import re
from typing import Final

from lnpd.errors import (
    InvoiceAmountMalformed,
    InvoiceAmountNotWholeMsat,
    InvoiceAmountTooLarge,
    InvoiceMultiplierUnknown,
    InvoiceNetworkUnknown,
)

# BIP 173's prefix of a network -> the network's name for a person.
NETWORKS: Final = {"bc": "bitcoin", "tb": "testnet", "tbs": "signet", "bcrt": "regtest"}

# From the largest: a writer takes the first that divides its amount. In millionths of a millionth of a bitcoin.
_PICO_OF_MULTIPLIER: Final = {"": 10**12, "m": 10**9, "u": 10**6, "n": 10**3, "p": 1}
_PICO_OF_MSAT: Final = 10
_MAX_MSAT: Final = 21_000_000 * 100_000_000 * 1000

_PREFIX: Final = re.compile(r"ln([a-z]+)(.*)", re.DOTALL)
_AMOUNT: Final = re.compile(r"([1-9][0-9]{0,19})(.*)", re.DOTALL)


def parse(readable: str) -> tuple[str, int | None]:
    """Network and amount in msat (None: the payer chooses) of a readable part in lower case (BOLT 11).

    Raises InvoiceNetworkUnknown, InvoiceAmountMalformed, InvoiceMultiplierUnknown, InvoiceAmountNotWholeMsat,
    InvoiceAmountTooLarge.
    """
    match = _PREFIX.fullmatch(readable)
    if match is None or match[1] not in NETWORKS:
        known = ", ".join(f"ln{network}" for network in NETWORKS)
        raise InvoiceNetworkUnknown(f"An invoice begins with one of {known}, not with {readable[:12]!r}.")
    return match[1], _parse_amount(match[2]) if match[2] else None


def _parse_amount(text: str) -> int:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise InvoiceAmountMalformed(f"The amount {text[:24]!r} is not a positive number without leading zeros.")
    if match[2] not in _PICO_OF_MULTIPLIER:
        raise InvoiceMultiplierUnknown(f"The amount's multiplier {match[2][:24]!r} is none of m, u, n, p.")
    amount_msat, rest = divmod(int(match[1]) * _PICO_OF_MULTIPLIER[match[2]], _PICO_OF_MSAT)
    if rest:
        raise InvoiceAmountNotWholeMsat(f"The amount {text} is a fraction of a millisatoshi, which cannot be paid.")
    return check_amount(amount_msat)


def render(network: str, amount_msat: int | None) -> str:
    """The readable part, with the shortest amount; raises InvoiceNetworkUnknown, InvoiceAmountMalformed, -TooLarge."""
    if network not in NETWORKS:
        raise InvoiceNetworkUnknown(f"There is no network {network!r}.")
    if amount_msat is None:
        return f"ln{network}"
    pico = check_amount(amount_msat) * _PICO_OF_MSAT
    multiplier = next(letter for letter, unit in _PICO_OF_MULTIPLIER.items() if pico % unit == 0)
    return f"ln{network}{pico // _PICO_OF_MULTIPLIER[multiplier]}{multiplier}"


def check_amount(amount_msat: int) -> int:
    """The same amount when an invoice may ask for it; raises InvoiceAmountMalformed, InvoiceAmountTooLarge."""
    if amount_msat <= 0:
        raise InvoiceAmountMalformed(f"An invoice cannot ask for {amount_msat} msat; leave the amount out instead.")
    if amount_msat > _MAX_MSAT:
        raise InvoiceAmountTooLarge("The amount is more than the 21 million bitcoin that there can be.")
    return amount_msat
