"""How is a slot filled, and where does the host reserve one in a transaction that its provider does not make?

A provider reserves its slots in commitments, and in its own children, itself. The others follow from the type: who
seals (`seals` of its pin) has one carrier in each such transaction, which is its first output. There is one such
provider a place, since nodes relay one OP_RETURN a transaction.
"""

from collections.abc import Generator, Sequence
from typing import Final, get_args

from lnpd_sdk.types import Sealed, SealedOutput, Transaction, View

from lnpd.errors import SealSlotTaken
from lnpd.tx import checks
from lnpd.tx.fees import output_weight
from lnpd.tx.graph import ChannelType, ProviderCall, ProviderPin
from lnpd.tx.script import data_carrier
from lnpd.tx.states import States
from lnpd.tx.transaction import TxOut

PLACES: Final[tuple[Sealed, ...]] = get_args(Sealed)

Filling = Generator[ProviderCall, object, bytes]


def pin_of(kind: ChannelType, provider: str) -> ProviderPin:
    """The pin of a provider that the type has."""
    return next(pin for pin in kind.providers if pin.name == provider)


def sealing(kind: ChannelType, place: Sealed) -> ProviderPin | None:
    """Who has the slot of this place."""
    return next((pin for pin in kind.providers if place in pin.seals), None)


def check_seals(kind: ChannelType) -> None:
    """Each place is sealed by one provider at most (SealSlotTaken)."""
    for place in PLACES:
        names = [pin.name for pin in kind.providers if place in pin.seals]
        if len(names) > 1:
            raise SealSlotTaken(f"{names[0]} and {names[1]} both seal every {place}: only one of them can.")


def reserved(pin: ProviderPin) -> TxOut:
    """The carrier before it is filled."""
    return TxOut(0, data_carrier(bytes(pin.seal_length)))


def carrier_weight(kind: ChannelType, place: Sealed) -> int:
    """What the carrier of this place adds to a transaction; 0 where there is none."""
    pin = sealing(kind, place)
    return output_weight(reserved(pin).script_pubkey) if pin else 0


def is_carrier(pin: ProviderPin, output: TxOut) -> bool:
    """Whether an output is this provider's carrier, whatever is in it."""
    empty = reserved(pin)
    head = empty.script_pubkey[: -pin.seal_length]
    same = len(output.script_pubkey) == len(empty.script_pubkey) and output.script_pubkey.startswith(head)
    return same and not output.value_sat


def filled(pin: ProviderPin, states: States, view: View, shown: Transaction) -> Filling:
    """The sealed scriptPubKey of this provider's carrier; raises SealRefused."""
    state = dict(states).get(pin.name, b"")
    content = yield ProviderCall(pin.name, pin.format, "seal", (view, state, shown))
    return data_carrier(checks.sealed(f"{pin.name} {shown.purpose}", content, pin.seal_length))


def fill_close(pin: ProviderPin, states: States, view: View, outputs: Sequence[TxOut]) -> Filling:
    """The sealed scriptPubKey of the carrier of a mutual close with these outputs; raises SealRefused."""
    shown = tuple(SealedOutput(each.value_sat, each.script_pubkey) for each in outputs)
    return (yield from filled(pin, states, view, Transaction("close", shown)))
