"""What is a person asked before money moves? What it moves, to whom, the fee and the total; nothing is done before.

The node, or the plugin whose command it is, says what it would cost; what it would refuse, it refuses here. What was
confirmed bounds what is done: the most that was told as a fee goes with the command. Scripts are never asked.
"""

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, TextIO

import msgspec
from lnpd_sdk.moves import Cost, msat_per

from lnpd.cli.arguments import Common
from lnpd.cli.safe import clean
from lnpd.errors import NotConfirmed, PluginRefused
from lnpd.rpc.client import Client
from lnpd.rpc.commands import BY_METHOD, Command
from lnpd.rpc.described import from_description

NOTHING_DONE: Final = "Not confirmed: nothing was done."
OTHERWISE: Final = "It would be otherwise by now:"
SHOWN_CHARACTERS: Final = 200  # of an argument
MOST_TOLD: Final = 400  # columns of a stranger's text
LEAST: Final = 24  # columns beside the names, however narrow the terminal is

Params = Mapping[str, Any]  # Any: JSON values
Row = tuple[str, str]


class Question(msgspec.Struct, frozen=True):
    """How a command is asked about: what its amount is called, its total, and the question."""

    amount: str
    total: str
    asks: str


QUESTIONS: Final[dict[str, Question]] = {
    "pay": Question("amount", "total", "Pay it?"),
    "send": Question("amount", "total", "Send it?"),
    "open": Question("channel", "total", "Open the channel?"),
    "close": Question("ours", "comes back", "Close the channel?"),
}


def is_asked(command: Command, common: Common) -> bool:
    """Whether a person is asked: there is one who types, and did not say --yes, wherever the answer goes."""
    return command.moves is not None and not common.yes and sys.stdin.isatty()


def confirm(node: Client, command: Command, params: Params, stream: TextIO) -> dict[str, Any]:
    """Shows on a stream what a command would cost, and asks; again, if it would be otherwise once that is answered.
    The parameters with what was confirmed as their bound. Raises NotConfirmed, and what the command would be refused
    with."""
    assert command.moves is not None
    estimate = _row_of(node, command.moves.estimate)
    names = {parameter.name for parameter in estimate.parameters} if estimate else ()
    fitting = {name: value for name, value in params.items() if name in names}
    question = QUESTIONS.get(command.method) or Question("amount", "total", f"Let {command.plugin} do it?")
    before = _arguments(command, params) if command.plugin else []
    told = _told(node, command, estimate, params, fitting)
    while True:
        _ask(question.asks, lines(question, told, before), stream)
        now = _told(node, command, estimate, params, fitting)  # feerates and coins change while a person thinks
        if now == told:
            return {**params, **_bound(command, told)}
        print(OTHERWISE, file=stream)
        told = now


def _row_of(node: Client, method: str) -> Command | None:
    """The command that says what another one would cost."""
    if not method or method in BY_METHOD:
        return BY_METHOD.get(method)
    return next(from_description(row) for row in node.call("help", {}, None) if row["name"] == method)


def _told(node: Client, command: Command, estimate: Command | None, params: Params, fitting: Params) -> dict[str, Any]:
    """What a command would cost, in the fields of `answers.Estimate`; of a plugin's, those that are known."""
    assert command.moves is not None
    given = params.get(command.moves.amount)
    amount = {} if given is None else {"amount_msat": msat_per(command.moves.amount) * given}
    if estimate is None:
        return amount
    answer: dict[str, Any] = node.call(estimate.method, dict(fitting), None)
    if not command.plugin:
        return answer
    try:
        cost = msgspec.convert(answer, Cost)
    except msgspec.ValidationError as error:
        raise PluginRefused(f"{clean(estimate.name)} does not say what it would cost: {clean(str(error))}.") from None
    told = {**msgspec.structs.asdict(cost), **amount}
    most_msat, bound = cost.fee_msat if cost.max_fee_msat is None else cost.max_fee_msat, command.moves.max_fee
    allowed_msat = params[bound] * msat_per(bound) if bound in params else most_msat  # which no plugin raises
    told["max_fee_msat"] = min(most_msat, allowed_msat)
    return {**told, "total_msat": told["amount_msat"] + cost.fee_msat}


def _bound(command: Command, told: Mapping[str, Any]) -> dict[str, int]:  # Any: JSON values
    """The most that was agreed to, as the parameter that the command has for it."""
    name = command.moves.max_fee if command.moves else ""
    return {name: told["max_fee_msat"] // msat_per(name)} if name and "max_fee_msat" in told else {}


def _arguments(command: Command, params: Params) -> list[Row]:
    from lnpd.cli.render import shorten, text, unit  # rarely needed

    given = [(name, f"{text(name, value)} {unit(name)}".strip()) for name, value in params.items()]
    return [
        ("plugin", clean(command.plugin)),
        ("command", clean(command.name)),
        *((clean(name), shorten(value, SHOWN_CHARACTERS)) for name, value in given),
    ]


def _ask(question: str, shown: list[str], stream: TextIO) -> None:
    print("\n".join(shown), file=stream)
    asks = f"{question} [y/N] "
    try:
        if stream is not sys.stdout:
            print(asks, end="", file=stream, flush=True)
            asks = ""  # else it is among what is printed
        answer = input(asks)
    except EOFError:
        answer = ""
    except KeyboardInterrupt:
        print("\nNothing was done.", file=stream)
        raise
    if answer.strip().lower() not in ("y", "yes"):
        raise NotConfirmed(NOTHING_DONE)


def lines(question: Question, told: Mapping[str, Any], before: Sequence[Row] = ()) -> list[str]:  # Any: JSON values
    """What an estimate says, for a person, after the rows `before`."""
    from lnpd.cli.render import shorten, text  # rarely needed

    amounts = {name: f"{text(name, told[name])} sat" for name in told if name.endswith("_msat")}
    fee = amounts.get("fee_msat", "")
    if fee and told["max_fee_msat"] != told["fee_msat"]:
        fee += f" (at most {amounts['max_fee_msat']})"
    about = text("", told.get("description", ""))
    rows = [
        *before,
        (question.amount, amounts.get("amount_msat", "") + ("" if about == "-" else f"  {about}")),
        ("to", text("", told.get("to", ""))),
        ("fee", fee),
        (question.total, amounts.get("total_msat", "")),
        ("note", text("", told.get("note", ""))),
    ]
    return _in_columns([(name, shorten(value, MOST_TOLD)) for name, value in rows if value not in ("", "-")])


def _in_columns(rows: Sequence[Row]) -> list[str]:
    """Rows with a margin on the left that is theirs alone: what a stranger wrote looks like no row of its own."""
    from lnpd.cli.render.values import folded  # rarely needed

    margin = max(len(name) for name, _ in rows)
    room = max(shutil.get_terminal_size().columns - margin - 4, LEAST)
    return [
        f"  {'' if number else name:<{margin}}  {part}"
        for name, value in rows
        for number, part in enumerate(folded(value, room))
    ]
