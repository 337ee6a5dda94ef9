"""What was a plugin asked, what did it answer, and does it answer the same today? Golden files, a JSON object a line.

    {"method": "provider", "name": "lockbox.fold", "same": true, "params": {...}, "answer": {...}}

Bytes are {"$bytes": hex}. `same` says that the answer follows from the question: always for a provider, for a hook or
an RPC method if whoever recorded said so; the others are there to be read, and are not asked again. A refusal stands as
`fault` in the place of `answer`.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame, CallFailed
from lnpd_sdk.questions import PROVIDER_METHODS, ProviderQuestion, continued
from msgspec.structs import replace

from lnpd.errors import ParameterRefused, PluginFault
from lnpd.services.plugins.alone import alone
from lnpd.services.plugins.calls import Plugin

ASKED: Final = frozenset(
    {"provider", "providers", "hook", "rpc", "peer_message"}
)  # what keeps a process going is not told
REPLAY_SECONDS: Final = 10.0
BYTES: Final = "$bytes"


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A question and its answer, or its refusal."""

    method: str
    name: str
    params: Any  # a JSON value
    same: bool = False
    answer: Any = None  # a JSON value
    fault: str = ""


class Difference(msgspec.Struct, frozen=True):
    """A question of a golden file, by its line, that is answered differently now."""

    line: int
    name: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.name}: it was {self.was}, and is {self.now}"


class Recorder:
    """Writes down what a plugin is asked from now on, a provider's question once. `same` names the hooks and RPC
    methods whose answers follow from their questions."""

    def __init__(self, plugin: Plugin, path: Path, same: Collection[str] = ()) -> None:
        self._plugin, self._ask, self._same = plugin, plugin.call, frozenset(same)
        self._known: set[bytes] = set()
        self._file = path.open("wb")
        plugin.call = self._call  # type: ignore[method-assign]  # what runs is not told of it

    def close(self) -> None:
        """The plugin is asked as before."""
        self._plugin.call = self._ask  # type: ignore[method-assign]
        self._file.close()

    async def _call(self, method: str, params: object, deadline_seconds: float) -> bytes:
        try:
            data = await self._ask(method, params, deadline_seconds)
        except CallFailed as refused:
            self._write(method, params, None, refused.named)
            raise
        self._write(method, params, data, "")
        return data

    def _write(self, method: str, params: object, answer: bytes | None, fault: str) -> None:
        if method not in ASKED or self._file.closed:
            return
        if method == "providers":
            for question, each in singly(params, answer):
                self._write("provider", question, each, fault)
            return
        asked = envelope.decode(envelope.encode(params), object)
        name = f"{asked['provider']}.{asked['method']}" if method == "provider" else asked["name"]
        told = None if answer is None else shown(envelope.decode(answer, object))
        same = method == "provider" or name in self._same
        line = msgspec.json.encode(Line(method, name, shown(asked), same, told, fault))
        if method != "provider" or line not in self._known:
            self._known.add(line)
            self._file.write(line + b"\n")
            self._file.flush()


def singly(params: object, answer: bytes | None) -> Iterator[tuple[ProviderQuestion, bytes | None]]:
    """Several questions and their answers, as if each had been asked by itself: as far as they were answered, the first
    one if none was."""
    questions: tuple[ProviderQuestion, ...] = envelope.decode(envelope.encode(params), tuple[ProviderQuestion, ...])
    if answer is None:
        yield questions[0], None
        return
    answers: list[msgspec.Raw] = envelope.decode(answer, list[msgspec.Raw])
    for question, data in zip(questions, answers, strict=False):
        if question.after is not None:
            before = questions[question.after]
            folded = envelope.decode(answers[question.after], PROVIDER_METHODS[before.method].answer)
            arguments = envelope.decode(question.arguments, PROVIDER_METHODS[question.method].arguments)
            question = replace(question, arguments=envelope.raw(continued(arguments, folded)), after=None)
        yield question, bytes(data)


async def replayed(plugin: Path, golden: Path) -> tuple[int, tuple[Difference, ...]]:
    """Asks a plugin's process all that has to be answered the same: how many questions, and what differs.

    Raises ParameterRefused for what is no golden file, and as `alone` does.
    """
    lines = read(golden)
    found, count = [], 0
    async with alone(plugin) as process:
        for number, line in enumerate(lines, 1):
            if line.same:
                count += 1
                was = line.fault or _text(line.answer)
                if (now := await _answer(process, line)) != was:
                    found.append(Difference(number, line.name, was, now))
    return count, tuple(found)


def read(golden: Path) -> tuple[Line, ...]:
    """The lines of a golden file. ParameterRefused names the first that is none."""
    try:
        rows = golden.read_bytes().splitlines()
    except OSError as error:
        raise ParameterRefused(f"{golden} cannot be read: {error.strerror}.") from None
    found = []
    for number, row in enumerate(rows, 1):
        try:
            found.append(msgspec.json.decode(row, type=Line))
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ParameterRefused(f"{golden}, line {number}, is no question with its answer: {error}.") from None
    return tuple(found)


async def _answer(process: Plugin, line: Line) -> str:
    try:
        data = await process.call(line.method, unshown(line.params), REPLAY_SECONDS)
        return _text(shown(envelope.decode(data, object)))
    except CallFailed as refused:
        return refused.named
    except (BadFrame, PluginFault) as fault:
        return str(fault)


def _text(value: Any) -> str:  # Any: a JSON value
    """Equal for equal values, in whichever order a map was written."""
    return msgspec.json.encode(value, order="deterministic").decode()


def shown(value: Any) -> Any:  # Any: what msgpack holds; a JSON value
    """A value of msgpack as JSON."""
    match value:
        case bytes():
            return {BYTES: value.hex()}
        case list():
            return [shown(each) for each in value]
        case dict():
            return {str(name): shown(each) for name, each in value.items()}
    return value


def unshown(value: Any) -> Any:  # Any: a JSON value; what msgpack holds
    """The value that `shown` made this of. ParameterRefused for hex that is none."""
    match value:
        case {"$bytes": str(digits), **more} if not more:
            try:
                return bytes.fromhex(digits)
            except ValueError:
                raise ParameterRefused(f"{digits[:40]!r} is not hex.") from None
        case list():
            return [unshown(each) for each in value]
        case dict():
            return {name: unshown(each) for name, each in value.items()}
    return value
