"""What is the answer of the commands that say beforehand what another one would cost? As __init__.py says."""

import msgspec


class Estimate(msgspec.Struct, frozen=True):
    """What a command would cost if it were given now; nothing is done, and nothing is reserved.

    `amount_msat` is what it moves, `to` whom it goes to (a node id, an address, or "wallet"). `fee_msat` is our fee as
    things stand, `max_fee_msat` the most that is agreed to. `total_msat` is what leaves us with the fee, or, for a
    close, what comes back to us without it. `note` is what a person should know besides.
    """

    amount_msat: int
    fee_msat: int
    max_fee_msat: int
    total_msat: int
    to: str
    description: str = ""
    note: str = ""
