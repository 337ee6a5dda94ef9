"""Which method of a plugin moves money, and what does it say beforehand of the cost? A person is asked before it is
called."""

from typing import Annotated, Final

import msgspec

Msat = Annotated[int, msgspec.Meta(ge=0, le=2_100_000_000_000_000_000)]
"""An amount in millisatoshi; there are no more than this."""
MSAT: Final = {"_sat": 1000, "_msat": 1}
"""What the amounts of parameters with these endings count."""


class Moves(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An RPC method moves money: `lnp` and its shell show the plugin, the command and its arguments, and ask before it
    is called, as they do for the node's own (`--yes`: not; scripts never).

    `amount` and `max_fee` name parameters of it, integers whose names end in `_sat` or `_msat`: what is moved, and the
    most that this may cost. `estimate` names a method of the same plugin that returns the `Cost` and moves nothing; it
    is given those of the arguments that it takes. What a person confirmed is then given as `max_fee`, so that nothing
    dearer is done.
    """

    amount: str = ""
    max_fee: str = ""
    estimate: str = ""


class Cost(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a method would cost if it were called now; nothing is done, and nothing is reserved.

    `amount_msat` is what it moves, `fee_msat` what this costs as things stand, `max_fee_msat` the most that is agreed
    to (None: no more than `fee_msat`); amount and fee leave us. `to` is whom it goes to, `note` what a person should
    know besides.
    """

    amount_msat: Msat
    fee_msat: Msat
    max_fee_msat: Msat | None = None
    to: str = ""
    note: str = ""


def msat_per(name: str) -> int:
    """How many millisatoshi one of a parameter's is, by its name; 0 if it is no amount."""
    return next((msat for ending, msat in MSAT.items() if name.endswith(ending)), 0)
