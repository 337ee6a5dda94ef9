"""What goes in one envelope, what may be missing in its answer, and is each answer held to account as if alone?"""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from lnpd_sdk import envelope
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.questions import ProviderQuestion
from lnpd_sdk.script import DataCarrier
from lnpd_sdk.types import Folded, OutputSpec, Phase, ProviderBase, ProviderSpec, Reject, Update, View

from lnpd.errors import ProviderFault
from lnpd.hooks import rounds
from lnpd.hooks.answers import MOST_ALONE, PENDING, Answers
from lnpd.tx.graph import Foreseen, ProviderCall

VIEW = View(bytes(32), 0, 1_000_000, 0, 1, 253, (354, 354), (144, 144), (500_000_000, 500_000_000), ())
UPDATE = Update(0, "pot", "ext", 0, b"five")
PHASES = tuple(Phase(name) for name in ("validate", "fold", "contribute"))


class Pot(ProviderBase):
    """Its output tells what `contribute` was shown."""

    spec = ProviderSpec("pot", (1,), PHASES)

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        return Reject("no") if update.body == b"no" else None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        assert update.body != b"no", "it was refused"
        return Folded(state + update.body, (-5, 5))

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        assert state != b"bad"
        return (OutputSpec("pot", f"{state.decode()} {view.balances_msat}", "pot", 0, DataCarrier(4), trim="never"),)


class Served:
    """Answers whose plugin runs here; each envelope is written down."""

    def __init__(self, together: bool = True, ask_twice: bool = False, kind: type[Pot] = Pot) -> None:
        self.plugin = Plugin("pot", "1")
        self.plugin.provider(kind)
        self.answers, self.wrong, self.most = Answers(ask_twice), list[str](), 99
        self.envelopes: list[list[str]] = []
        self.answers.add(Pot.spec, self.one, self.wrong.append, self.several if together else None)

    async def one(self, question: ProviderQuestion) -> bytes:
        self.envelopes.append([question.method])
        return envelope.encode(await self.plugin.answer("provider", envelope.raw(question)))

    async def several(self, questions: tuple[ProviderQuestion, ...]) -> bytes:
        self.envelopes.append([each.method for each in questions])
        answers = await self.plugin.answer("providers", envelope.raw(questions))
        assert isinstance(answers, list)
        return envelope.encode(answers[: self.most])

    def ask(self, *calls: ProviderCall, ahead: Sequence[Foreseen] = ()) -> object:
        first, *others = calls
        return asyncio.run(self.answers.answer(msgspec.structs.replace(first, beside=tuple(others)), ahead))


def call(method: str, *more: object, state: bytes = b"") -> ProviderCall:
    return ProviderCall("pot", 1, method, (VIEW, state, *more))  # type: ignore[arg-type]  # a method


def changed(body: bytes) -> Update:
    return msgspec.structs.replace(UPDATE, body=body)


def proposed(*bodies: bytes) -> tuple[Foreseen, ...]:
    """What is asked of updates: the commitment before them, each update, and the commitment after it."""
    found = [Foreseen(call("contribute"))]
    for place, update in enumerate(map(changed, bodies)):
        last = (3 * place - 1,) if place else ()
        valid = len(found)
        found += [
            Foreseen(call("validate", update), last),
            Foreseen(call("fold", update), (*last, valid)),
            Foreseen(call("contribute"), (valid + 1,)),
        ]
    return tuple(found)


def test_an_update_and_what_it_leads_to_are_one_round_trip() -> None:
    served = Served()
    assert served.ask(call("contribute"), ahead=proposed(b"five")) != ()
    known = served.answers.answer_now
    assert known(call("fold", UPDATE)) == Folded(b"five", (-5, 5))
    moved = msgspec.structs.replace(VIEW, balances_msat=(499_999_995, 500_000_005))
    (output,) = known(ProviderCall("pot", 1, "contribute", (moved, b"five")))  # type: ignore[misc]  # an answer of its
    assert output.id == "five (499999995, 500000005)"
    assert served.envelopes == [["contribute", "validate", "fold", "contribute"]]
    assert (served.answers.round_trips, served.answers.questions) == (1, 4)
    served.ask(call("contribute"), ahead=proposed(b"five"))
    assert len(served.envelopes) == 1


def test_updates_that_follow_each_other_are_one_round_trip() -> None:
    served = Served()
    assert served.ask(call("contribute", state=b"x"), ahead=proposed(b"a", b"b", b"c")) != ()
    known, before = served.answers.answer_now, b""
    for place, body in enumerate((b"a", b"b", b"c")):
        moved = 5 if place else 0  # the view of each is shown with what the fold before it moved
        view = msgspec.structs.replace(VIEW, balances_msat=(500_000_000 - moved, 500_000_000 + moved))
        shown = view, before, changed(body)
        assert known(ProviderCall("pot", 1, "validate", shown)) is None
        assert known(ProviderCall("pot", 1, "fold", shown)) == Folded(before + body, (-5, 5))
        before += body
    assert served.envelopes == [["contribute", "contribute", *["validate", "fold", "contribute"] * 3]]
    # What is known already is where the next ones begin.
    served.ask(call("contribute", state=b"y"), ahead=proposed(b"a", b"b", b"c", b"d"))
    assert served.envelopes[1:] == [["contribute", "validate", "fold", "contribute"]]
    assert isinstance(known(ProviderCall("pot", 1, "fold", (view, b"abc", changed(b"d")))), Folded)


def test_an_older_plugin_is_asked_one_thing_at_a_time() -> None:
    served = Served(together=False)
    served.ask(call("contribute"), ahead=proposed(b"five"))
    assert served.envelopes == [["contribute"], ["validate"]]  # at once; what follows from them comes in its turn
    many = [Foreseen(call("contribute", state=b"%d" % n)) for n in range(20)]
    served.ask(call("contribute", state=b"x"), ahead=many)
    assert len(served.envelopes[2:]) == MOST_ALONE


def test_after_a_refusal_nothing_is_asked() -> None:
    served = Served()
    served.ask(call("contribute"), ahead=proposed(b"no", b"five"))
    assert served.answers.answer_now(call("validate", changed(b"no"))) == Reject("no")
    assert served.answers.answer_now(call("fold", changed(b"no"))) is PENDING
    served.ask(call("contribute", state=b"x"), ahead=proposed(b"no", b"five"))
    assert served.envelopes == [["contribute", *["validate", "fold", "contribute"] * 2], ["contribute"]]


def test_what_cannot_be_answered_ahead_is_no_fault_before_its_turn() -> None:
    served = Served()
    bad = call("contribute", state=b"bad")
    assert served.ask(call("contribute"), bad, call("validate", UPDATE)) != ()
    assert served.wrong == []
    assert served.answers.answer_now(bad) is PENDING
    with pytest.raises(AssertionError):
        served.ask(bad, call("validate", UPDATE))


def test_an_answer_that_is_awaited_is_the_last() -> None:
    class Slow(Pot):
        async def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:  # type: ignore[override]
            return Pot().contribute(view, state)

    served = Served(kind=Slow)
    assert served.ask(call("validate", UPDATE), call("contribute"), call("contribute", state=b"x")) is None
    assert served.answers.answer_now(call("contribute")) != ()
    assert served.answers.answer_now(call("contribute", state=b"x")) is PENDING
    assert served.ask(call("validate", UPDATE), call("contribute", state=b"bad")) is None
    assert served.ask(call("contribute", state=b"x"), call("contribute", state=b"bad")) != ()
    assert served.wrong == []


def test_fewer_answers_leave_the_rest_for_its_turn() -> None:
    served = Served(ask_twice=True)
    served.most = 2
    served.ask(call("contribute"), ahead=proposed(b"five"))
    assert served.envelopes == [["contribute", "validate", "fold", "contribute"]] * 2
    assert served.answers.answer_now(call("validate", UPDATE)) is None
    assert served.answers.answer_now(call("fold", UPDATE)) is PENDING
    assert served.ask(call("fold", UPDATE), ahead=proposed(b"five")) == Folded(b"five", (-5, 5))


def test_a_changed_answer_among_several_is_a_fault() -> None:
    served = Served()
    served.ask(call("contribute", state=b"x"))
    served.answers._memories["pot"]._answers.clear()  # forgotten, but not what its digest was
    Pot.contribute, honest = lambda self, view, state: (), Pot.contribute  # type: ignore[method-assign, assignment]
    try:
        with pytest.raises(ProviderFault, match="pot: answered contribute differently than before"):
            served.ask(call("validate", UPDATE), call("contribute", state=b"x"))
    finally:
        Pot.contribute = honest  # type: ignore[method-assign]
    assert len(served.wrong) == 1


@pytest.mark.parametrize("moves_msat", [(2**64 - 1, 0), (0, -(2**63))])
def test_moves_that_no_later_question_could_carry_are_a_fault(moves_msat: tuple[int, int]) -> None:
    class Mad(Pot):
        def fold(self, view: View, state: bytes, update: Update) -> Folded:
            return Folded(state, moves_msat)

    served, fold = Served(kind=Mad), call("fold", UPDATE)
    with pytest.raises(ProviderFault, match="pot: answered fold with moves of more than there is"):
        served.ask(fold)
    assert served.answers.answer_now(fold) is PENDING
    follows = (Foreseen(fold), Foreseen(call("contribute"), (0,)))
    with pytest.raises(ProviderFault, match="pot: answered fold with moves of more than there is"):
        served.ask(call("contribute", state=b"x"), ahead=follows)
    assert len(served.wrong) == 2


@pytest.mark.parametrize("data", [[], [None, None, None], {}, [None, 7], [7, None]])
def test_what_is_no_list_of_answers_is_a_fault(data: object) -> None:
    async def several(_questions: tuple[ProviderQuestion, ...]) -> bytes:
        return envelope.encode(data)

    served = Served()
    served.answers.remove("pot")
    served.answers.add(Pot.spec, served.one, served.wrong.append, several)
    with pytest.raises(ProviderFault, match=r"pot: (\w+ was )?answered with something else"):
        served.ask(call("validate", UPDATE), call("contribute"))
    assert len(served.wrong) == 1


def test_an_envelope_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [call("contribute", state=b"%d" % n) for n in range(3 * rounds.MAX_QUESTIONS)]
    served = Served()
    served.ask(*many, *many)
    assert [len(each) for each in served.envelopes] == [rounds.MAX_QUESTIONS]
    monkeypatch.setattr(rounds, "MAX_BYTES", 10_000)
    large = [call("contribute", state=b"%d" % n * 4_000) for n in range(6)]
    served.ask(*large)
    assert served.envelopes[1] == ["contribute"] * 2
    monkeypatch.setattr(rounds, "MAX_BYTES", 10)
    served.ask(call("contribute", state=b"alone"), large[5])
    assert served.envelopes[2] == ["contribute"]
