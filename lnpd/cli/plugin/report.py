"""What did `lnp plugin check` find, and how is it told to a person or a program?"""

import re
from collections import Counter
from typing import Any, Final

import msgspec

SHOWN: Final = 20  # findings of one check that are told in full


_HASH: Final = re.compile(r"[0-9a-f]{40,}")
_FIGURES: Final = re.compile(r"\d+")  # what differs in these only is the same


class Finding(msgspec.Struct, frozen=True):
    """Something wrong: in which check, with which function or output, and what; how often it was seen, and the shortest
    of the inputs with which it was."""

    check: str
    where: str
    text: str
    count: int = 1
    given: str = ""


class Report:
    """What was tried, what was found, and what could not be tried."""

    def __init__(self, plugin: str = "", version: str = "") -> None:
        self.plugin, self.version = plugin, version
        self.tried: Counter[str] = Counter()
        self.not_tried: list[str] = []
        self.notes: dict[str, str] = {}
        self._found: dict[tuple[str, str, str], Finding] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Each once, in the order in which they were found."""
        return tuple(self._found.values())

    def wrong(self, check: str, where: str, text: object, given: str = "") -> None:
        """Takes note of something wrong, which was `given`; what differs in figures only is the same."""
        sentence = " ".join(str(text).split())
        key = (check, where, _FIGURES.sub("#", sentence))
        known = self._found.get(key)
        if known is None:
            self._found[key] = Finding(check, where, sentence, given=given)
        elif given and len(given) < len(known.given or given + " "):  # a figure in the sentence belongs to the input
            self._found[key] = Finding(check, where, sentence, known.count + 1, given)
        else:
            self._found[key] = msgspec.structs.replace(known, count=known.count + 1)

    def leave_out(self, text: str) -> None:
        """Takes note of what could not be tried."""
        shown = _HASH.sub("<hash>", text)
        if shown not in self.not_tried:
            self.not_tried.append(shown)

    def advise(self, text: str) -> None:
        """Takes note of what is not wrong, and better otherwise."""
        self.notes.setdefault(_FIGURES.sub("#", text), " ".join(text.split()))

    def text(self) -> str:
        """For a person."""
        lines = [f"{self.plugin} {self.version}".strip()] if self.plugin else []
        for check in CHECKS:
            wrong = [each for each in self.findings if each.check == check]
            if wrong or self.tried[check]:
                lines.append(f"  {'WRONG' if wrong else 'ok':<6}{check:<12}{CHECKS[check].format(n=self.tried[check])}")
            for each in wrong[:SHOWN]:
                lines.append(f"          {each.where}: {each.text}{_times(each.count)}")
                lines += [f"            given {each.given}"] if each.given else []
            lines += [f"          and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
        lines += [f"  note  {text}" for text in self.notes.values()]
        lines += [f"  left  {text}" for text in self.not_tried]
        count = len(self.findings)
        nothing = "nothing wrong in what was tried" if self.not_tried else "nothing wrong"
        lines.append({0: nothing, 1: "1 thing is wrong"}.get(count, f"{count} things are wrong"))
        return "\n".join(lines)

    def json(self) -> dict[str, Any]:  # Any: a JSON object
        """For a program."""
        return {
            "plugin": self.plugin,
            "version": self.version,
            "ok": not self.findings,
            "findings": [msgspec.to_builtins(each) for each in self.findings],
            "tried": dict(self.tried),
            "notes": list(self.notes.values()),
            "not_tried": self.not_tried,
        }


# What is checked, in this order, and what was tried of it.
CHECKS: Final[dict[str, str]] = {
    "manifest": "as a node checks it",
    "answers": "{n} questions, each asked three times in two processes, under the guard",
    "view": "{n} questions with other values of view fields that a phase does not declare",
    "rules": "{n} commitments built by the pipeline, with every rule of money",
    "proposals": "{n} updates judged as proposals",
    "paths": "{n} ways to spend an output, run by Bitcoin Core's interpreter",
    "commuting": "{n} pairs of updates that cross on the wire, in either order",
}


def _times(count: int) -> str:
    return f" ({count} times)" if count > 1 else ""
