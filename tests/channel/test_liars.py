"""Does a channel machine keep what is its own when the peer lies? (tests/fuzz/machines.py tells the stories.)"""

import os
from collections.abc import Callable
from random import Random

import pytest

from lnpd.channel import htlcs, limits
from lnpd.channel.state import Channel, Normal
from lnpd.channel.table import TRANSITIONS, Step, done
from lnpd.errors import WrongPreimage
from lnpd.providers import htlc
from lnpd.wire.messages import CommitmentSigned
from tests.fuzz import machines

SEED = os.environ.get("FUZZ_SEED", "2026")
SHARDS = 4
STORIES = 200 * int(os.environ.get("FUZZ_TIMES", "1"))


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_liar_breaks_rules_and_nothing_else(shard: int) -> None:
    machines.COUNTS.clear()
    for number in range(STORIES):
        machines.told(Random(f"{SEED} {shard} {number}"))
    print(f"shard {shard}: {STORIES} stories, {dict(machines.COUNTS)}")
    assert machines.COUNTS["slips"] > STORIES // 4 and machines.COUNTS["messages"] > 5 * STORIES


# Would a defect be found?


def broken(channel: Channel, message: CommitmentSigned) -> Step:
    """Trusts that there is a signature for each HTLC."""
    if not message.htlc_signature:
        raise IndexError("list index out of range")
    return done(channel)


def gullible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes any preimage."""
    rules = tuple(rule for rule in limits.REMOVE if rule.error is not WrongPreimage)
    monkeypatch.setattr(htlcs, "REMOVE", rules)
    monkeypatch.setitem(htlc._VALIDATE, htlc.FULFILL, lambda _state, _update: None)


def crashing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRANSITIONS, (Normal, CommitmentSigned), broken)


@pytest.mark.parametrize(("defect", "found"), [(gullible, AssertionError), (crashing, IndexError)])
def test_a_defect_is_found(
    defect: Callable[[pytest.MonkeyPatch], None], found: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    defect(monkeypatch)
    with pytest.raises(found) as raised:
        for number in range(400, 2000):  # one in some 300 stories finds the first; it is near the beginning
            machines.told(Random(number))
    assert "the liar is party" in raised.value.__notes__[0]
