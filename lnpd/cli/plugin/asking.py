"""Does a plugin answer a question as it did before, and as another process of it does?"""

import asyncio
from collections.abc import Awaitable, Generator, Iterable
from typing import Any, TypeVar

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame
from lnpd_sdk.questions import PROVIDER_METHODS, ProviderQuestion

from lnpd.cli.plugin.report import Report
from lnpd.cli.plugin.shown import cut, shown
from lnpd.cli.plugin.world import changed
from lnpd.errors import PluginLate, ProviderFault
from lnpd.hooks.answers import Answers
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.services.plugins.calls import Plugin
from lnpd.tx.graph import ProviderCall

T = TypeVar("T")


class GaveUp(Exception):
    """A plugin's process ended or hangs: no question has an answer any more."""


class Asker:
    """Asks two processes of one plugin, the first one twice, and takes note of what is wrong with the answers.

    The host's own code (`Answers`) decides what is asked at all, and whether an answer can be used.
    """

    def __init__(self, report: Report, first: Plugin, second: Plugin) -> None:
        self._report, self._processes = report, (first, first, second)
        self._answers = Answers()
        for core in CORE_PROVIDERS.values():
            self._answers.add_core(core)
        assert first.manifest is not None
        self.specs = {spec.name: spec for spec in first.manifest.providers}
        for spec in self.specs.values():
            self._answers.add(spec, self._ask)

    async def answer(self, call: ProviderCall) -> object:
        """The answer. ProviderFault if it cannot be used, which is in the report; GaveUp."""
        try:
            return await self._answers.answer(call)
        except ProviderFault as fault:
            words = str(fault).removeprefix(f"{call.provider}: ").removeprefix(f"{call.method} failed: ")
            self._report.wrong("answers", f"{call.provider}.{call.method}", words, shown(call.arguments))
            raise

    async def probe(self, call: ProviderCall) -> object:
        """The answer, None if it cannot be used."""
        try:
            return await self.answer(call)
        except ProviderFault:
            return None

    async def build(self, calls: Generator[ProviderCall, object, T]) -> T:
        """The result of a generator of calls; raises what it raises."""
        reply: Any = None  # Any: each call has its own answer
        try:
            while True:
                reply = await self.answer(calls.send(reply))
        except StopIteration as finished:
            result: T = finished.value
            return result

    async def undeclared(self, call: ProviderCall) -> None:
        """Whether the answer depends on a field of the view that the phase does not declare."""
        phases = {phase.name: phase for phase in self.specs[call.provider].phases}
        declared = phases[call.method].view_fields if call.method in phases else None
        if declared is None:
            return
        view: Any = call.arguments[0]
        known = await self._asked(self._processes[0], _question(call))
        for field in type(view).__struct_fields__:
            if field in declared or getattr(view, field) is None:
                continue
            other = msgspec.structs.replace(call, arguments=(changed(view, field), *call.arguments[1:]))
            self._report.tried["view"] += 1
            try:
                same = await self._asked(self._processes[0], _question(other)) == known
            except ProviderFault:
                same = False
            if not same:
                where = f"{call.provider}.{call.method}"
                said = f"its answer depends on view.{field}, which its Phase does not name"
                given = f"view.{field} {getattr(view, field)!r}, and {getattr(other.arguments[0], field)!r}"
                self._report.wrong("view", where, said, cut(given))

    async def _ask(self, question: ProviderQuestion) -> bytes:
        self._report.tried["answers"] += 1
        answers = await _all(self._asked(process, question) for process in self._processes)
        for other, how in zip(answers[1:], ("when it was asked again", "in another process"), strict=True):
            if _canonical(question, other) != _canonical(question, answers[0]):
                where = f"{question.provider}.{question.method}"
                self._report.wrong("answers", where, f"it answers differently {how}", _given(question))
        return answers[0]

    async def _asked(self, process: Plugin, question: ProviderQuestion) -> bytes:
        try:
            return await process.ask(question)
        except ProviderFault as fault:
            if isinstance(fault.__context__, PluginLate) or process.status != "ready":
                self._report.wrong("answers", f"{question.provider}.{question.method}", fault, _given(question))
                raise GaveUp(f"{question.method} has no answer") from None
            raise


async def _all(asked: Iterable[Awaitable[bytes]]) -> list[bytes]:
    """What is asked at once; the first failure in their order, once all have ended."""
    tasks = [asyncio.ensure_future(each) for each in asked]
    await asyncio.wait(tasks)
    failed = [error for task in tasks if (error := task.exception()) is not None]
    if failed:
        raise failed[0]
    return [task.result() for task in tasks]


def _question(call: ProviderCall) -> ProviderQuestion:
    return ProviderQuestion(call.provider, call.format, call.method, envelope.raw(call.arguments))


def _given(question: ProviderQuestion) -> str:
    return shown(envelope.decode(question.arguments, PROVIDER_METHODS[question.method].arguments))


def _canonical(question: ProviderQuestion, data: bytes) -> object:
    """What an answer says, however it was encoded; as it is if it cannot be read."""
    try:
        return envelope.encode(envelope.decode(data, PROVIDER_METHODS[question.method].answer))
    except BadFrame:
        return data
