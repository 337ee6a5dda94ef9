"""Is what a person confirms what is then done? The cost is looked at again once the question is answered."""

import builtins
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from lnpd.cli.arguments import COMMON, Common
from lnpd.cli.confirm import OTHERWISE, confirm, is_asked
from lnpd.cli.qr import FLAG
from lnpd.errors import NotConfirmed
from lnpd.hooks.extending import OF_EVERY_COMMAND
from lnpd.rpc.client import Client
from lnpd.rpc.commands import BY_METHOD, Parameter
from lnpd.rpc.described import extended

PARAMS = {"address": "bcrt1q", "amount_sat": 5_000, "feerate_per_kw": None}


class Asked:
    """A node whose estimates are told one after the other; it does nothing else."""

    def __init__(self, *fees_sat: int) -> None:
        self._fees_sat: Iterator[int] = iter(fees_sat)

    def call(self, method: str, params: dict[str, Any], timeout_seconds: float | None) -> dict[str, Any]:
        assert (method, params["amount_sat"]) == ("estimate.send", 5_000)
        fee_msat = 1000 * next(self._fees_sat)
        amounts = {"amount_msat": 5_000_000, "fee_msat": fee_msat, "max_fee_msat": fee_msat}
        return {**amounts, "total_msat": 5_000_000 + fee_msat, "to": "bcrt1q", "description": "", "note": ""}


def answering(*answers: str) -> Callable[[str], str]:
    left = iter(answers)
    return lambda _question: next(left)


def test_what_costs_more_by_then_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builtins, "input", answering("y", "n"))
    with pytest.raises(NotConfirmed):
        confirm(cast(Client, Asked(141, 14_100)), BY_METHOD["send"], PARAMS, sys.stdout)
    shown = capsys.readouterr().out
    assert shown.index("5,141 sat") < shown.index(OTHERWISE) < shown.index("19,100 sat")


def test_what_a_plugin_adds_is_shown_beside_the_cost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builtins, "input", answering("y"))
    command = extended(BY_METHOD["send"], {"send": [Parameter("asset", "text", "which", False, plugin="rgb")]})
    confirm(cast(Client, Asked(141, 141)), command, {**PARAMS, "asset": "USDX:5000"}, sys.stdout)
    assert re.search(r"asset +USDX:5000\n +to ", capsys.readouterr().out)


def test_what_costs_the_same_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "input", answering("y"))
    confirm(cast(Client, Asked(141, 141)), BY_METHOD["send"], PARAMS, sys.stdout)


@pytest.mark.parametrize("end", [KeyboardInterrupt, EOFError])
def test_an_end_at_the_question_is_no_yes(monkeypatch: pytest.MonkeyPatch, end: type[BaseException]) -> None:
    def ended(_question: str) -> str:
        raise end

    monkeypatch.setattr(builtins, "input", ended)
    with pytest.raises(KeyboardInterrupt if end is KeyboardInterrupt else NotConfirmed):
        confirm(cast(Client, Asked(141, 141)), BY_METHOD["send"], PARAMS, sys.stdout)


def test_a_person_is_asked_wherever_the_answer_goes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert not sys.stdout.isatty()
    common = Common(Path("d"))
    assert is_asked(BY_METHOD["pay"], common) and is_asked(BY_METHOD["pay"], Common(Path("d"), json=True))
    assert not is_asked(BY_METHOD["pay"], Common(Path("d"), yes=True)) and not is_asked(BY_METHOD["funds"], common)
    monkeypatch.setattr(builtins, "input", answering("y"))
    confirm(cast(Client, Asked(141, 141)), BY_METHOD["send"], PARAMS, sys.stderr)
    shown = capsys.readouterr()
    assert "5,141 sat" in shown.err and "Send it? [y/N]" in shown.err and not shown.out
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert not is_asked(BY_METHOD["pay"], common)


def test_no_plugin_may_add_what_every_command_says() -> None:
    flags = {flag for flag, _, _ in COMMON} | {FLAG, "--help"}
    assert {flag.removeprefix("--").replace("-", "_") for flag in flags} == OF_EVERY_COMMAND
