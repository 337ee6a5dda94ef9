"""Do two channel machines agree on every commitment and keep every msat, whatever happens in whatever order?

Each schedule is 30 random events and two lost connections between two real machines with real signatures; what they
hold is compared with a ledger's arithmetic, the node's own signer signs everything or fails the schedule by a refusal,
and every transaction is judged by Bitcoin Core's interpreter. A failure prints the shortest schedule that fails alike,
as a test. LNPD_SCHEDULES says how many schedules are told.
"""

import os
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from lnpd_sdk.types import Folded, Party, Update, View
from msgspec.structs import replace

from lnpd.channel import onchain, progress, queries, reestablish
from lnpd.channel.events import Quiesce
from lnpd.channel.state import Channel, ShuttingDown
from lnpd.channel.table import TRANSITIONS, Step, done
from lnpd.tx.graph import CommitmentSignatures, Graph
from tests.channel import harness
from tests.channel.schedules import judge, observed, signing, world
from tests.channel.schedules.directed import DIRECTED
from tests.channel.schedules.schedule import Schedule, as_test, drawn, fails_alike, run, schedules, shortened
from tests.channel.schedules.signing import RealSigner
from tests.channel.schedules.world import Start, World
from tests.channel.vault import NAME, Vault

SHARDS = 40
SCHEDULES = int(os.environ.get("LNPD_SCHEDULES", "2000"))
EACH = -(-SCHEDULES // SHARDS)
ALWAYS_REFUSED = {(ShuttingDown, Quiesce): "a channel that closes needs no quiescence any more"}


def told(schedule: Schedule) -> World:
    """Run a schedule; a failure carries the shortest one that fails alike."""
    try:
        return run(schedule)
    except Exception as error:
        error.add_note("As a test:\n\n" + as_test(shortened(schedule, fails_alike(error))))
        raise


@pytest.mark.parametrize("shard", range(SHARDS))
def test_two_machines_agree_and_no_msat_is_lost(shard: int) -> None:
    different: set[Schedule] = set()
    before = world.COUNTS.copy(), judge.COUNTS.copy()

    @seed(shard)
    @settings(
        max_examples=EACH + 5,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(schedules)
    def tell(schedule: Schedule) -> None:
        if len(different) < EACH and schedule not in different:
            told(schedule)
            different.add(schedule)

    tell()
    counted, judged = world.COUNTS - before[0], judge.COUNTS - before[1]
    print(f"shard {shard}: {len(different)} schedules", dict(counted), dict(judged))
    assert len(different) == EACH
    assert counted["events"] >= 30 * EACH and counted["reconnects"] >= 2 * EACH
    assert EACH < 50 or (counted["agreed commitments"] >= 5 * EACH and counted["crossing extension updates"] >= 10)
    assert EACH < 50 or all(judged[kind] >= EACH for kind in ("commitments", "children", "penalties"))


def test_at_least_2000_schedules_are_told() -> None:
    print(f"{SHARDS} shards of {EACH} schedules")
    if os.environ.get("CI") == "true" or "LNPD_SCHEDULES" not in os.environ:
        assert SHARDS * EACH >= 2000


def test_every_transition_is_taken() -> None:
    observed.TAKEN.clear()
    observed.REFUSED.clear()
    for schedule in DIRECTED.values():
        told(schedule)
    for number in range(100):
        told(drawn(Random(number)))
    missing = {pair for pair in TRANSITIONS if not observed.TAKEN[pair]}
    assert missing == set(ALWAYS_REFUSED), sorted((p.__name__, e.__name__) for p, e in missing)
    assert all(observed.REFUSED[pair] for pair in ALWAYS_REFUSED)
    print(f"{len(TRANSITIONS)} transitions, {len(ALWAYS_REFUSED)} of them always refused")


# Would a defect be found?


class Stingy(Vault):
    """Both sides agree on what it does, so that only the ledger notices the missing msat."""

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        folded = super().fold(view, state, update)
        opener, acceptor = folded.moves_msat
        return folded if not opener else replace(folded, moves_msat=(opener + 1, acceptor - 1))


class Careless(RealSigner):
    """Neither signs second-stage transactions nor looks at their signatures: only the interpreter notices."""

    def sign(self, graph: Graph) -> CommitmentSignatures:
        signatures = super().sign(graph)
        return replace(signatures, children=tuple(signatures.commitment for _ in signatures.children))

    def hold(self, us: Party, graph: Graph, signatures: CommitmentSignatures) -> str:
        self.held[graph.funding.txid, graph.number] = (graph, signatures)
        return ""


def forgetful(channel: Channel, height: int, graph: Graph | None) -> Step:
    """Claims nothing."""
    return done(channel)


DEFECTS: dict[str, tuple[object, str, object]] = {
    "one msat goes the wrong way": (harness.PROVIDERS, NAME, Stingy()),
    "signatures of children are junk": (signing, "RealSigner", Careless),
    "unsigned updates survive a lost connection": (reestablish, "without_unsigned", lambda channel: (channel, ())),
    "nothing is sent again": (reestablish, "_last_signature", lambda channel: iter(())),
    "a removal is not sent": (progress, "_send_removals", lambda channel, fresh: done(channel)),
    "nobody minds the reserve, but the signer": (queries, "check_reserve", lambda *_: None),
    "a cheat is not punished": (onchain, "claim_what_is_due", forgetful),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_found_and_printed(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, instead = DEFECTS[defect]
    if isinstance(where, dict):
        monkeypatch.setitem(where, name, instead)
    else:
        monkeypatch.setattr(where, name, instead)
    for number in range(100):
        try:
            told(drawn(Random(number)))
        except Exception as error:
            text = error.__notes__[0].partition("As a test:\n\n")[2]
            print(number, text)
            program = {"run": run, "Schedule": Schedule, "Start": Start}
            exec(text, program)
            with pytest.raises(type(error)):
                program["test_this"]()  # type: ignore[operator]
            assert text.count("\n        (") <= 8
            return
    raise AssertionError("the defect was not found")
