"""Which deaths are tried? Every persistence point, before and after its commit, on each side that passes it."""

import random
from pathlib import Path
from typing import Final

from lnpd.store.points import PERSISTENCE_POINTS
from tests.crash.stories import Story
from tests.crash.world import NODES, Cut, World, told

FORWARDING: Final = (
    "circuit-opened",
    "circuit-offered",
    "circuit-forgotten",
    "circuit-fulfilled",
    "circuit-failed",
    "relay-policy-set",
)
GATED: Final = ("auxiliary-stored", "secret-sold")
# Who never passes a point, and why.
NEVER: Final = {
    ("bob", "channel-proposed"): "alice opens",
    ("alice", "channel-accepted"): "alice opens",
    ("bob", "funding-created"): "alice opens",
    ("alice", "funding-signed"): "alice opens",
    ("bob", "funding-broadcast"): "alice opens",
    ("bob", "wallet-funded"): "the opener funds",
    ("bob", "wallet-released"): "the opener funds",
    **{(who, point): "nothing is forwarded between two: tests/crash/line.py" for who in NODES for point in FORWARDING},
    **{(who, "ancestors-kept"): "the wallet funds: tests/services/plugins/offers/test_factories.py" for who in NODES},
    **{(who, "held-coin-let-go"): "nothing is held: tests/services/plugins/offers/test_holding.py" for who in NODES},
    **{(who, "wallet-version-back"): "no fee rises here: tests/services/wallet/test_topup.py" for who in NODES},
    **{(who, "payments-found"): "only a restored node does: tests/services/backup/test_payments.py" for who in NODES},
    **{(who, "channels-doubted"): "nobody copies it: tests/services/channels/test_doubt.py" for who in NODES},
    **{(who, point): "nothing is signed ahead: tests/crash/gated.py" for who in NODES for point in GATED},
    **{(who, "channels-restored"): "lnpd restore alone passes it: tests/services/backup/test_file.py" for who in NODES},
    **{
        (who, point): "no plugin asks for it here: tests/services/plugins/offers"
        for who in NODES
        for point in PERSISTENCE_POINTS
        if point.startswith("plugin-")
    },
}
FORCED: Final = ("force-close",)  # its story ends with a forced close; so does a second one of each of ON_CHAIN
ON_CHAIN: Final = ("chain-event", "chain-followed", "chain-past-read", "wallet-followed")
UPDATING: Final = (
    "update-proposed",
    "commitment-signed",
    "commitment-held",
    "revocation-stored",
    "preimage-learned",
    "channel-reestablished",
    "payment-offered",
    "invoice-paid",
    "shutdown-stored",
    "closing-signed",
)
SEED: Final = 2026


def cuts() -> list[tuple[Cut, str]]:
    """Every death, and how its story ends: "agreed" or "forced"."""
    found: list[tuple[Cut, str]] = []
    for who in NODES:
        for point in PERSISTENCE_POINTS:
            if (who, point) in NEVER:
                continue
            for moment in ("before", "after"):
                found.append((Cut(who, point, moment), "forced" if point in FORCED else "agreed"))
                if point in ON_CHAIN:  # the last of many: what the forced close does
                    found.append((Cut(who, point, moment, count=LATE[point]), "forced"))
                if point in UPDATING:
                    found.append((Cut(who, point, moment, "plugin"), "agreed"))
    return found + later()


LATE: Final = {"chain-event": 2, "chain-followed": 9, "chain-past-read": 3, "wallet-followed": 9}
"""At which commit the forced close is under way."""


def later() -> list[tuple[Cut, str]]:
    """Points that are passed often, at a later time: seeded, so that a red run can be repeated."""
    chance = random.Random(SEED)
    found = []
    for point in ("commitment-signed", "commitment-held", "revocation-stored", "wallet-given", "update-proposed"):
        for who in NODES:
            if (who, point) == ("bob", "wallet-given"):
                continue  # what a lost opening was given is given again
            most = 2 if point == "wallet-given" else 5 if point == "update-proposed" else 16
            found.append((Cut(who, point, chance.choice(("before", "after")), count=chance.randint(2, most)), "agreed"))
    return found


def name_of(cut: Cut, ending: str) -> str:
    """How a case is called, on the command line too."""
    return f"{cut.who}:{cut.point}:{cut.moment}:{cut.count}:{cut.victim}:{ending}"


def read(name: str) -> tuple[Cut, str]:
    """The case of a name."""
    who, point, moment, count, victim, ending = name.split(":")
    return Cut(who, point, moment, victim, int(count)), ending  # type: ignore[arg-type]  # they are what `name_of` wrote


async def tell(folder: Path, cut: Cut | None, ending: str) -> World:
    """One story with one death in it; what must hold is asserted on its way."""
    async with World(folder, cut) as world:
        story = Story(world)
        await world.begin()
        await story.fund()
        await story.lose_an_opening()
        await story.open()
        await story.pay("alice", 50_000_000)
        await story.pay("bob", 7_000_001)
        await story.fail_to_pay("alice")
        await story.fail_to_pay("bob")
        await story.forget_a_payment("alice")
        await story.forget_a_payment("bob")
        await story.box()
        await story.tune()
        await story.balances()
        if ending == "agreed":
            await story.give()
        await story.reconnect()
        await story.rescan()
        await story.balances()
        if ending == "agreed":
            await story.close()
        else:
            await story.force_close("alice" if cut is None else cut.who)
        assert world.struck, "the story did not pass the point so often"
        return world


def run(cut: Cut | None, ending: str) -> World:
    """`tell`, with a limit."""
    return told(lambda folder: tell(folder, cut, ending))
