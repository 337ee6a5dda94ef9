"""Who is asked, how often, and what if the answer changes?"""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from lnpd_sdk import envelope
from lnpd_sdk.questions import PROVIDER_METHODS, ProviderQuestion
from lnpd_sdk.script import DataCarrier
from lnpd_sdk.types import (
    Closable,
    Folded,
    OutputSpec,
    Phase,
    ProviderBase,
    ProviderSpec,
    Reject,
    Transaction,
    Update,
    View,
)

from lnpd.errors import ManifestRefused, ProviderFault
from lnpd.hooks import memory
from lnpd.hooks.answers import PENDING, Answers
from lnpd.tx.graph import ProviderCall

VIEW = View(bytes(32), 0, 1_000_000, 0, 1, 253, (354, 354), (144, 144), (500_000_000, 500_000_000), ())
PHASES = (Phase("contribute", ("holder",)), Phase("fold", ()), Phase("validate", ()), Phase("seal", ()))
SPEC = ProviderSpec("memo", (1, 2), PHASES)


class Memo(ProviderBase):
    spec = SPEC

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        return (OutputSpec("memo", str(view.holder), "memo", 0, DataCarrier(4), trim="never"),)


def served(answers: Answers, provider: ProviderBase | None = None) -> list[str]:
    provider = provider or Memo()
    asked: list[str] = []

    async def ask(question: ProviderQuestion) -> bytes:
        asked.append(question.method)
        arguments = envelope.decode(question.arguments, PROVIDER_METHODS[question.method].arguments)
        return envelope.encode(getattr(provider, question.method)(*arguments))

    answers.add(SPEC, ask)
    return asked


def call(method: str, *arguments: object, format: int = 1) -> ProviderCall:
    return ProviderCall("memo", format, method, arguments)  # type: ignore[arg-type]  # each name is a method


def test_the_same_answer_in_this_process_and_from_another() -> None:
    here, there = Answers(), Answers()
    here.add_core(Memo())
    served(there)
    question = call("contribute", VIEW, b"")
    assert here.answer_now(question) == asyncio.run(there.answer(question)) != ()


def test_only_what_the_answer_depends_on_makes_a_new_question() -> None:
    answers = Answers()
    asked = served(answers)
    busy = msgspec.structs.replace(VIEW, number=9, balances_msat=(1, 2), feerate_per_kw=1000)

    async def main() -> None:
        for view in (VIEW, busy, msgspec.structs.replace(busy, holder=1), VIEW):
            await answers.answer(call("contribute", view, b""))
        await answers.answer(call("contribute", VIEW, b"another state"))

    asyncio.run(main())
    assert asked == ["contribute"] * 3
    assert answers.round_trips == 3
    assert answers.answer_now(call("contribute", busy, b"")) is not PENDING


def test_an_update_that_does_not_concern_it_is_not_shown_to_it() -> None:
    answers = Answers()
    asked = served(answers)
    htlc, own = Update(0, "htlc", "add", 0), Update(0, "memo", "ext", 0)

    async def main() -> None:
        assert await answers.answer(call("fold", VIEW, b"s", htlc)) == Folded(b"s")
        assert await answers.answer(call("validate", VIEW, b"s", htlc)) is None
        assert await answers.answer(call("close", VIEW, b"s")) == Closable()
        assert asked == []
        await answers.answer(call("fold", VIEW, b"s", own))

    asyncio.run(main())
    assert asked == ["fold"]


class Fickle(ProviderBase):
    """Answers the same question differently each time."""

    spec = SPEC

    def __init__(self) -> None:
        self.states: Iterator[bytes] = (bytes((n,)) for n in range(99))

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        return Folded(next(self.states))


def test_a_different_answer_to_the_same_question_is_a_fault_by_name() -> None:
    answers = Answers(ask_twice=True)
    served(answers, Fickle())
    with pytest.raises(ProviderFault, match="memo: answered fold differently than before") as caught:
        asyncio.run(answers.answer(call("fold", VIEW, b"", Update(0, "memo", "ext", 0))))
    assert caught.value.plugin == "memo"


def test_a_second_stage_that_is_sealed_again_in_another_way_is_a_fault_by_name() -> None:
    answers, sealer = Answers(ask_twice=True), Fickle()
    sealer.seal = lambda *_: next(sealer.states)  # type: ignore[method-assign]
    served(answers, sealer)
    shown = Transaction("second_stage", (), parent=Transaction("commitment", (), bytes(32)))
    with pytest.raises(ProviderFault, match="memo: answered seal differently than before"):
        asyncio.run(answers.answer(call("seal", VIEW, b"", shown)))


def test_a_restarted_provider_is_not_asked_again_what_it_answered() -> None:
    answers, fickle = Answers(), Fickle()
    question = call("fold", VIEW, b"", Update(0, "memo", "ext", 0))

    async def main() -> None:
        served(answers, fickle)
        before = await answers.answer(question)
        answers.remove("memo")
        with pytest.raises(ProviderFault):
            await answers.answer(question)
        asked = served(answers, fickle)
        assert await answers.answer(question) == before
        assert asked == []

    asyncio.run(main())


def test_the_same_answer_in_another_encoding_is_the_same() -> None:
    """A plugin in another language may write a map's fields in another order."""
    answers = Answers(ask_twice=True)
    fields = [("type", "folded"), ("state", b"s"), ("moves_msat", (0, 0))]
    turns = iter([dict(fields), dict(reversed(fields))])

    async def ask(_question: ProviderQuestion) -> bytes:
        return envelope.encode(next(turns))

    answers.add(SPEC, ask)
    assert asyncio.run(answers.answer(call("fold", VIEW, b"", Update(0, "memo", "ext", 0)))) == Folded(b"s")


def test_whoever_answers_wrongly_is_reported() -> None:
    wrong: list[str] = []

    async def ask(_question: ProviderQuestion) -> bytes:
        return b""

    answers = Answers()
    answers.add(SPEC, ask, wrong.append)
    with pytest.raises(ProviderFault):
        asyncio.run(answers.answer(call("contribute", VIEW, b"")))
    assert len(wrong) == 1
    assert "memo: contribute was answered with something else" in wrong[0]


def test_states_and_reasons_are_bounded() -> None:
    class Long(Memo):
        def fold(self, view: View, state: bytes, update: Update) -> Folded:
            return Folded(bytes(65_536 + len(state)))

        def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
            return Reject("x" * 10_000)

    answers, update = Answers(), Update(0, "memo", "ext", 0)
    served(answers, Long())
    assert asyncio.run(answers.answer(call("validate", VIEW, b"", update))) == Reject("x" * 497 + "...")
    assert asyncio.run(answers.answer(call("fold", VIEW, b"", update))) == Folded(bytes(65_536))
    with pytest.raises(ProviderFault, match="state of 65537 bytes"):
        asyncio.run(answers.answer(call("fold", VIEW, b"x", update)))


def test_a_core_provider_cannot_be_replaced() -> None:
    answers = Answers()
    answers.add_core(Memo())
    with pytest.raises(ManifestRefused, match="memo is there already"):
        served(answers)


def test_a_memory_is_bounded_in_entries_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_ENTRIES", 5)
    monkeypatch.setattr(memory, "MAX_BYTES", 1000)
    kept = memory.Room().memory("memo")
    for n in range(100):
        key, answer = bytes([n]), bytes([n]) * 300
        kept.keep(key, answer, kept.compare(key, "fold", answer))
    assert [n for n in range(100) if kept.recall(bytes([n])) is not memory.UNKNOWN] == [97, 98, 99]
    for n in (95, 99):
        with pytest.raises(ProviderFault, match="answered fold differently"):
            kept.compare(bytes([n]), "fold", b"other")
    kept.compare(b"\x01", "fold", b"other")  # long forgotten


def test_all_memories_are_bounded_together_and_the_largest_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "NODE_BYTES", 1000)
    room = memory.Room()
    small, large = room.memory("small"), room.memory("large")
    for kept, count in ((small, 2), (large, 20)):
        for n in range(count):
            kept.keep(bytes([n]), n, 100)
    known = [[n for n in range(20) if kept.recall(bytes([n])) is not memory.UNKNOWN] for kept in (small, large)]
    assert known == [[0, 1], list(range(12, 20))]
    assert room.held_bytes == small.held_bytes + large.held_bytes == 1000


def test_what_is_said_of_a_commitment_counts_until_it_is_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much else is asked meanwhile; the next two commitments do not revoke it, the third one does."""
    monkeypatch.setattr(memory, "MAX_ENTRIES", 5)
    kept = memory.Room().memory("memo")

    def ask(key: bytes, number: int, answer: bytes, **changes: object) -> None:
        kept.hold(key, msgspec.structs.replace(VIEW, number=number, **changes))
        kept.compare(key, "fold", answer)

    def much_else() -> None:
        for n in range(100):
            kept.compare(b"else%d" % n, "fold", b"")

    ask(b"q", 7, b"answer")
    ask(b"shared", 7, b"answer")
    ask(b"shared", 9, b"answer")
    for number in (7, 8, 9):
        ask(b"more", number, b"")
        ask(b"another channel's", 10 * number, b"", funding_txid=bytes([number]) * 32)
        much_else()
        with pytest.raises(ProviderFault, match="answered fold differently"):
            kept.compare(b"q", "fold", b"other")
    ask(b"more", 10, b"")
    ask(b"more", 6, b"")  # an old one is asked about again: that holds nothing
    much_else()
    kept.compare(b"q", "fold", b"other")
    with pytest.raises(ProviderFault, match="answered fold differently"):
        kept.compare(b"shared", "fold", b"other")


def test_what_is_recalled_is_held_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_ENTRIES", 2)
    answers, fickle = Answers(), Fickle()
    served(answers, fickle)
    update = Update(0, "memo", "ext", 0)

    async def asked(number: int, state: bytes = b"") -> object:
        return await answers.answer(call("fold", msgspec.structs.replace(VIEW, number=number), state, update))

    async def main() -> None:
        first = await asked(1)
        for number in range(2, 6):  # `fold` of this provider does not depend on the number
            assert await asked(number) == first
        for n in range(10):
            await asked(5, bytes([n + 1]))
        with pytest.raises(ProviderFault, match="answered fold differently"):
            await asked(5)

    asyncio.run(main())


def test_a_memory_of_commitments_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_ENTRIES", 5)
    monkeypatch.setattr(memory, "MAX_HELD", 10)
    monkeypatch.setattr(memory, "MAX_SIDES", 4)
    kept = memory.Room().memory("memo")
    for n in range(200):
        for number in range(5):
            for question in range(20):
                key = b"%d/%d/%d" % (n, number, question)
                kept.hold(key, msgspec.structs.replace(VIEW, number=number, funding_txid=bytes([n]) * 32))
                kept.compare(key, "fold", b"")
    assert len(kept._digests) <= 4 * memory.LIVE * 10 + 5
    assert len(kept._held) <= 4 * memory.LIVE * 10
    assert len(kept._loose) <= 5


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "something else"), (b"\xc1", "something else"), (envelope.encode({"a": 1}), "something else")],
)
def test_nonsense_is_a_fault_by_name(data: bytes, words: str) -> None:
    async def ask(_question: ProviderQuestion) -> bytes:
        return data

    answers = Answers()
    answers.add(SPEC, ask)
    with pytest.raises(ProviderFault, match=words):
        asyncio.run(answers.answer(call("contribute", VIEW, b"")))


def test_a_missing_provider_or_format_is_named() -> None:
    answers = Answers()
    with pytest.raises(ProviderFault, match="no plugin here provides memo"):
        answers.answer_now(call("contribute", VIEW, b""))
    served(answers)
    with pytest.raises(ProviderFault, match="memo does not speak commitment format 3"):
        answers.answer_now(call("contribute", VIEW, b"", format=3))
    assert answers.missing({"memo": 2}) == ""
    answers.remove("memo")
    assert answers.missing({"memo": 2}) != ""


class Crowd:
    """Several providers, whose questions are answered when the test says so."""

    def __init__(self, *names: str) -> None:
        self.answers, self.asked, self.wrong = Answers(), list[str](), list[str]()
        self.free = asyncio.Event()
        for name in names:
            self.answers.add(msgspec.structs.replace(SPEC, name=name), self.ask, self.wrong.append)

    async def ask(self, question: ProviderQuestion) -> bytes:
        self.asked.append(question.provider)
        await self.free.wait()
        if question.provider == "bad":
            raise ProviderFault("bad", "my bug")
        return envelope.encode(())

    @staticmethod
    def calls(*names: str) -> tuple[ProviderCall, ...]:
        """A phase's questions, as the pipeline yields them."""
        found: tuple[ProviderCall, ...] = ()
        for name in reversed(names):
            found = (ProviderCall(name, 1, "contribute", (VIEW, b""), found), *found)
        return found


def test_the_providers_of_a_phase_are_asked_at_once_and_each_once() -> None:
    names = ("one", "two", "three")
    crowd = Crowd(*names)

    async def main() -> None:
        first, *others = crowd.calls(*names)
        asking = asyncio.create_task(crowd.answers.answer(first))
        while len(crowd.asked) < 3:
            await asyncio.sleep(0)
        crowd.free.set()
        assert await asking == ()
        assert [crowd.answers.answer_now(each) for each in others] == [(), ()]

    asyncio.run(main())
    assert crowd.asked == list(names)
    assert crowd.answers.round_trips == 3


def test_one_of_several_that_fails_is_named_and_the_others_answers_are_known() -> None:
    crowd = Crowd("one", "bad", "three")
    crowd.free.set()

    async def main() -> None:
        first, bad, third = crowd.calls("one", "bad", "three")
        with pytest.raises(ProviderFault, match="my bug") as caught:
            await crowd.answers.answer(first)
        assert caught.value.plugin == "bad"
        await asyncio.sleep(0)
        assert crowd.answers.answer_now(third) == ()
        assert crowd.answers.answer_now(bad) is PENDING

    asyncio.run(main())
    assert crowd.wrong == ["bad: my bug"]


def test_one_that_is_away_is_not_asked_before_its_turn() -> None:
    crowd = Crowd("one")
    crowd.free.set()

    async def main() -> None:
        first, away = crowd.calls("one", "away")
        assert await crowd.answers.answer(first) == ()
        with pytest.raises(ProviderFault, match="no plugin here provides away"):
            await crowd.answers.answer(away)

    asyncio.run(main())
