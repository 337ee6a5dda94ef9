"""What does a node say of itself: which features it has, and which limits it keeps?"""

from typing import Literal

from lnpd.channel.presets import LIMITS, PRESETS, Limits
from lnpd.peer.greeting import Greeting
from lnpd.rpc import answers
from lnpd.wire.features import Features, FeatureTable


def features(greeting: Greeting, invoices: Features) -> tuple[answers.Feature, ...]:
    """Each feature bit that is set in our `init` or in our invoices, ascending."""
    said: dict[Literal["init", "invoice"], Features] = {"init": greeting.features, "invoice": invoices}
    bits = sorted({bit for vector in said.values() for bit in vector.bits()})
    return tuple(
        answers.Feature(
            name=name_of(greeting.table, bit),
            bit=bit,
            kind="odd" if bit % 2 else "even",
            said_in=tuple(where for where, vector in said.items() if vector.mask >> bit & 1),
        )
        for bit in bits
    )


def name_of(table: FeatureTable, bit: int) -> str:
    """A feature's name, by either of its bits."""
    return next((feature.name for feature in table.features.values() if feature.pair >> bit & 1), "unknown")


def limits(ours: Limits) -> tuple[answers.Limit, ...]:
    """Every limit in effect, in the order of their table."""
    preset = PRESETS[ours.preset]
    return tuple(
        answers.Limit(
            name=row.field,
            value=(value := getattr(ours, row.field)),
            preset=ours.preset if value == getattr(preset, row.field) else "",
            unit=row.unit.lower(),
            meaning=row.meaning,
        )
        for row in LIMITS
    )
