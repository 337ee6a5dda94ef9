"""Is what a person confirms what is then done? The cost is looked at again once the question is answered."""

import asyncio
import builtins
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from lnpd_sdk.manifest import Parameter, RpcMethod
from lnpd_sdk.moves import Moves
from msgspec import to_builtins

from lnpd.cli.arguments import COMMON, Common
from lnpd.cli.confirm import LEAST, OTHERWISE, QUESTIONS, confirm, is_asked
from lnpd.cli.qr import FLAG
from lnpd.cli.render.values import cells
from lnpd.errors import NotConfirmed, PluginRefused
from lnpd.hooks.extending import OF_EVERY_COMMAND
from lnpd.rpc.client import Client
from lnpd.rpc.commands import BY_METHOD, COMMANDS
from lnpd.rpc.described import described, extended, from_description, in_place_of, of_plugin, understood
from lnpd.services.rpc import dispatch
from tests.services.rpc.small_node import SmallNode

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


class InPlace(SmallNode):
    """A node with a plugin whose method is called where an asset is named."""

    def __init__(self, moves: Moves | None, extends: str) -> None:
        super().__init__()
        asset, amount = Parameter("asset", "text", "which"), Parameter("amount_sat", "integer", "how much")
        takes = RpcMethod("rgb open", "Takes an asset.", (amount, asset), extends=extends, moves=moves)
        self.methods = ("rgb", takes), ("rgb", RpcMethod("rgb cost", "What that costs.", (amount,)))

    def plugin_methods(self) -> tuple[tuple[str, RpcMethod], ...]:
        return self.methods

    async def call_plugin(self, method: str, params: dict[str, Any]) -> object:
        assert (method, params) == ("rgb cost", {"amount_sat": 5_000})
        return {"amount_msat": 5_000_000, "fee_msat": 700_000, "note": "and 40 tokens"}

    def call(self, method: str, params: dict[str, Any], timeout_seconds: float | None) -> Any:
        return to_builtins(asyncio.run(dispatch.call(self, method, params)))


@pytest.mark.parametrize("extends", ["open", "invoice"])
@pytest.mark.parametrize("moves", [Moves("amount_sat", "", "rgb cost"), None])
def test_where_a_plugin_is_called_in_its_place_that_says_the_cost(
    moves: Moves | None, extends: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builtins, "input", answering("y"))
    node, given = InPlace(moves, extends), {"amount_sat": 5_000, "asset": "USDX:40"}
    _, more = understood(node.call("help", {}, None))
    command = in_place_of(extended(BY_METHOD[extends], more), given)
    assert (command.moves is None) == (moves is None and BY_METHOD[extends].moves is None)
    if command.moves is None:
        return
    assert confirm(cast(Client, node), command, given, sys.stdout) == given
    shown = capsys.readouterr().out
    assert re.search(r"plugin +rgb\n +command +rgb open\n +amount_sat +5,000 sat\n +asset +USDX:40\n", shown)
    assert ("fee         700 sat" in shown and "and 40 tokens" in shown) == (moves is not None)


def test_what_costs_the_same_is_asked_once_and_bounds_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "input", answering("y"))
    given = confirm(cast(Client, Asked(141, 141)), BY_METHOD["send"], PARAMS, sys.stdout)
    assert given == {**PARAMS, "max_fee_sat": 141}


def test_each_command_that_is_asked_about_says_its_cost_and_takes_it_as_a_bound() -> None:
    moving = {command.method: command.moves for command in COMMANDS if command.moves}
    assert moving.keys() == QUESTIONS.keys()
    for method, moves in moving.items():
        bounds = {parameter.name for parameter in BY_METHOD[method].parameters}
        assert moves.max_fee in bounds and moves.max_fee in {p.name for p in BY_METHOD[moves.estimate].parameters}


class WithPlugin:
    """A node with a plugin that moves money; its estimates are told one after the other."""

    def __init__(self, moves: Moves, *costs: object) -> None:
        amounts = tuple(Parameter(name, "integer", "") for name in ("amount_msat", "max_fee_sat"))
        of = {"given": (Parameter("node_id", "text", ""), *amounts), "asked": (amounts[0],)}
        rows = (RpcMethod("ray-send", "", of["given"], moves=moves), RpcMethod("ray-cost", "", of["asked"]))
        self.command, self._estimate = (of_plugin("ray", row) for row in rows)
        self._costs = iter(costs)

    def call(self, method: str, params: dict[str, Any], timeout_seconds: float | None) -> Any:
        if method == "help":
            return to_builtins([described(self.command), described(self._estimate)])
        assert (method, params) == ("ray-cost", {"amount_msat": 21_000})
        return next(self._costs)

    def confirm(self, **more: int) -> dict[str, Any]:
        (found,) = [row for row in self.call("help", {}, None) if row["name"] == "ray-send"]
        params = {"node_id": "02ee\x1b[2J" + "7" * 300, "amount_msat": 21_000, **more}
        return confirm(cast(Client, self), from_description(found), params, sys.stdout)


PRICED = Moves("amount_msat", "max_fee_sat", "ray-cost")


def test_a_plugins_command_is_asked_about_as_the_nodes_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builtins, "input", answering("y", "y"))
    cheap = {"amount_msat": 21_000, "fee_msat": 3_000, "max_fee_msat": 5_500, "to": "rita\x1b"}
    node = WithPlugin(PRICED, cheap, {**cheap, "max_fee_msat": 9_000}, {**cheap, "max_fee_msat": 9_000})
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert is_asked(node.command, Common(Path("d"))) and not is_asked(node.command, Common(Path("d"), yes=True))
    given = node.confirm()
    assert given["max_fee_sat"] == 9 and given["amount_msat"] == 21_000
    shown = capsys.readouterr().out
    first = (
        "plugin       ray",
        "command      ray-send",
        "node_id      02ee",
        "amount_msat  21 sat",
        "to           rita",
    )
    assert all(row in shown for row in (*first, "fee          3 sat (at most 5.5 sat)", "total        24 sat"))
    assert shown.index("5.5 sat") < shown.index(OTHERWISE) < shown.index("at most 9 sat")
    assert "\x1b" not in shown and max(map(len, shown.splitlines())) < 230


def test_a_plugin_raises_no_bound_that_a_person_gave(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builtins, "input", answering("y"))
    dear = {"amount_msat": 21_000, "fee_msat": 3_000, "max_fee_msat": 900_000_000}
    assert WithPlugin(PRICED, dear, dear).confirm(max_fee_sat=5)["max_fee_sat"] == 5
    assert "3 sat (at most 5 sat)" in capsys.readouterr().out


LINES = "bob" + " " * 500 + "fee  0 sat", "1\n  fee  0 sat", "\u2800" * 300 + "fee  0 sat", "\N{HANGUL FILLER}" * 200


@pytest.mark.parametrize("text", [*LINES, "x" * 100_000])
@pytest.mark.parametrize("columns", [20, 80, 200])
def test_nothing_that_a_plugin_says_looks_like_a_row(
    text: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(builtins, "input", answering("y"))
    cost = {"amount_msat": 21_000, "fee_msat": 3_000, "to": text, "note": text}
    assert WithPlugin(PRICED, cost, cost).confirm()["max_fee_sat"] == 3
    shown = capsys.readouterr().out.splitlines()
    margin = shown[0].index("ray")
    rows = [line[:margin].strip() for line in shown]
    told = ["plugin", "command", "node_id", "amount_msat", "amount", "to", "fee", "total", "note"]
    assert list(filter(None, rows)) == told
    assert len(rows) < 90 and all(cells(line) <= max(columns, margin + LEAST + 1) for line in shown)


def test_a_plugins_command_without_a_price_shows_what_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builtins, "input", answering("n", "y"))
    node = WithPlugin(Moves("amount_msat"))
    with pytest.raises(NotConfirmed):
        node.confirm()
    shown = capsys.readouterr().out
    assert "amount       21 sat" in shown and "fee" not in shown and "total" not in shown
    assert node.confirm().keys() == {"node_id", "amount_msat"}


@pytest.mark.parametrize("answer", [None, {}, {"amount_msat": 1, "fee_msat": -1}, {"amount_msat": 1, "fee_msat": "0"}])
def test_a_plugin_that_says_no_price_is_not_asked_about(answer: object) -> None:
    with pytest.raises(PluginRefused, match="ray-cost does not say what it would cost"):
        WithPlugin(PRICED, answer).confirm()


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
