"""Which schedules take the transitions that random ones seldom reach: openings, ends, and what crosses a shutdown?"""

from tests.channel.schedules.schedule import Schedule
from tests.channel.schedules.world import Event, Start

NOTHING: Event = ("nothing", 0, 0)
TOLD = ("open", "accept", "deliver 1", "fund", "deliver 0", "deliver 1")  # an opening, message by message
OPENING: dict[str, tuple[int, int]] = {  # phase: how much of it has happened, and to whom
    "New": (0, 0),
    "AwaitingAccept": (1, 0),
    "AwaitingFundingCreated": (2, 1),
    "AwaitingFunding": (3, 0),
    "AwaitingFundingSigned": (4, 0),
}


# What it is called, and what happens, with which value.
ENDS = (("cut", "cut", 0), ("error", "error", 0), ("force", "force", 0), ("give up", "force", 1), ("warn", "warn", 0))


def told(*names: str) -> tuple[Event, ...]:
    """Events by name, party (0 if left out) and value (0 if left out)."""
    split = [(*name.split(), "0", "0")[:3] for name in names]
    return tuple((name, int(party), int(value)) for name, party, value in split)


def openings() -> dict[str, Schedule]:
    """In each phase of an opening everything that may end it, or not."""
    return {
        f"{phase}: {what}": Schedule(Start("vault", at="new"), told(*TOLD[:done], f"{does} {party} {value}"), NOTHING)
        for phase, (done, party) in OPENING.items()
        for what, does, value in ENDS
    }


BUSY = ("offer 0 7", "offer 1 7", "offer 0 6", "offer 1 8", "put 0", "put 1", "settle")
HALF_CLOSED = ("offer 0 7", "settle", "close 0", "settle")
DEAD = ("force 0", "warn 0", "error 0", "force 0", "cut", "reconnect", "greet 0", "spend 0", "warn 0", "greet 0", "cut")

DIRECTED: dict[str, Schedule] = {
    **openings(),
    "an opening to its end": Schedule(
        Start("vault", at="new"), told(*TOLD, "confirm 0", "deliver 0", "confirm 1", "settle"), ("mutual", 0, 1)
    ),
    "others fund it, and what leads there is kept at each stage": Schedule(
        Start(at="new"),
        told(
            *("open 0 1", "accept", "deliver 1", "name", "deliver 0", "deliver 1", "keep 0", "confirm 0", "deliver 0"),
            *("confirm 1", "settle", "keep 1", "offer 0 7", "settle", "close 0", "settle", "keep 0", "fulfil 1"),
            *("settle", "keep 1", "force 0", "keep 0"),
        ),
        NOTHING,
    ),
    "a wallet that cannot fund": Schedule(Start(at="new"), told(*TOLD[:3], "cannot_fund", "deliver 0"), NOTHING),
    "a wallet that is too late": Schedule(
        Start(at="new"), told(*TOLD[:3], "cut", "fund", "warn 0", "cut"), NOTHING
    ),
    "before the funding is deep": Schedule(
        Start(at="opening"),
        told("commit", "block", "warn 0", "unconfirm", "cut", "reconnect 0 2", "settle", "confirm 0", "confirm 1"),
        ("mutual", 1, 0),
    ),
    "closed before the funding is deep": Schedule(
        Start(at="opening"), told("close 0 9", "deliver 0", "settle", "confirm 0", "unconfirm 0"), ("mutual", 0, 0)
    ),
    "failed before the funding is deep": Schedule(Start(at="opening"), told("force 1", "deliver 1"), ("force", 1, 0)),
    "an error before the funding is deep": Schedule(Start(at="opening"), told("error 1"), ("force", 1, 0)),
    "spent before the funding is deep": Schedule(Start(at="opening"), told("force 1", "spend 1", "cut"), NOTHING),
    "everything that a normal channel knows": Schedule(
        Start("gated", fundings=2),
        told(
            *BUSY,
            *("fee 0 4", "take 0 1", "give 1 1", "fulfil 1", "fail 0", "malformed 1", "settle", "fulfil 0", "settle"),
            *("warn 0", "ready_again 1", "block 0", "confirm 0", "unconfirm 1", "confirm 1", "quiesce 0", "settle"),
            *("expire 0", "reconnect", "settle", "cut", "restart 0 3", "crash 0 2", "reconnect 1 1", "settle"),
        ),
        ("cheat", 1, 3),
    ),
    "everything that may cross a shutdown": Schedule(
        Start("gated", fundings=2),
        told(
            *BUSY,
            *("offer 1 6", "put 1 2", "close 0", "settle"),
            *("fee 0 4", "take 1 1", "fulfil 1", "settle", "close 0 7", "fail 0", "malformed 1", "settle"),
            *("block 0", "warn 0", "ready_again 0", "confirm 0", "unconfirm 0", "commit 0", "expire 0", "cut"),
            *("reconnect", "settle", "quiesce 0", "fulfil 0", "settle"),
        ),
        ("mutual", 0, 0),
    ),
    "a quiescence crosses a shutdown": Schedule(
        Start(), told("offer 0 7", "settle", "close 0", "quiesce 1", "settle", "expire 1"), ("mutual", 0, 0)
    ),
    "a shutdown forgets what the other side has to send again": Schedule(
        Start(),
        told("close 0", "offer 1 7", "deliver 0", "deliver 1", "fee 0 4", "commit 0", "cut", "reconnect 0 2", "settle"),
        ("mutual", 0, 0),
    ),
    "nothing is proposed once the peer may negotiate": Schedule(
        Start(),
        told(*HALF_CLOSED, "fail 1", "commit 1", "deliver 1 1", "commit 0", "fee 0 4", "settle"),
        ("mutual", 0, 0),
    ),
    "both ask for quiescence at once": Schedule(
        Start(), told("quiesce 0", "quiesce 1", "settle", "expire 0"), ("mutual", 0, 0)
    ),
    "an error while shutting down": Schedule(Start(), told(*HALF_CLOSED, "error 0"), ("force", 0, 0)),
    "forced while shutting down": Schedule(Start(), told(*HALF_CLOSED, "force 0"), ("force", 0, 1)),
    "a negotiation that is disturbed": Schedule(
        Start(),
        told(
            *("close 0", "settle", "commit 0", "block 0", "warn 0", "ready_again 0", "confirm 0", "unconfirm 0"),
            *("cut", "reconnect", "settle"),
        ),
        ("mutual", 1, 0),
    ),
    "an error while negotiating": Schedule(Start(), told("close 0", "settle", "error 0"), ("force", 0, 0)),
    "forced while negotiating": Schedule(Start(), told("close 0", "settle", "force 0"), ("force", 0, 0)),
    "a failed channel": Schedule(
        Start(),
        told(*DEAD),
        ("force", 0, 3),
    ),
    "a failed channel that waits for the peer's word": Schedule(
        Start(), told("restart 0", "error 0", "force 0", "block 0", "reconnect", "settle"), ("force", 0, 0)
    ),
    "a preimage that comes when the channel has failed": Schedule(
        Start(), told("offer 0 7", "settle", "fulfil 1", "error 0", "deliver 1"), ("force", 0, 0)
    ),
    "a preimage that comes when the channel is on chain": Schedule(
        Start(), told("offer 0 7", "settle", "fulfil 1", "force 0", "spend 0 0", "deliver 1"), NOTHING
    ),
    "the funding of a failed channel comes undone": Schedule(
        Start(), told("force 0", "unconfirm 0", "confirm 0"), ("force", 0, 0)
    ),
    "the funding of a channel on chain comes undone": Schedule(
        Start(), told("force 0", "spend 0 0", "unconfirm 0"), NOTHING
    ),
    "a late datum before the funding is deep": Schedule(Start("gated", at="opening"), told("supply 0"), NOTHING),
    "a late datum while open": Schedule(Start("gated"), told("put 0", "supply 0", "settle"), ("force", 0, 0)),
    "a late datum while shutting down": Schedule(Start("gated"), told(*HALF_CLOSED, "supply 0"), ("force", 0, 1)),
    "a late datum while negotiating": Schedule(Start("gated"), told("close 0", "settle", "supply 0"), ("force", 0, 0)),
    "a late datum after a failure": Schedule(Start("gated"), told("force 0", "supply 0"), ("force", 0, 0)),
    "a late datum on chain": Schedule(Start("gated"), told("force 0", "spend 0 0", "supply 0"), NOTHING),
    "a closed channel": Schedule(
        Start(), told("close 0", "settle", "spend 0 1", "warn 0", "greet 0", "cut"), NOTHING
    ),
}  # fmt: skip
