"""What is a person asked before money moves? What it moves, to whom, the fee and the total; nothing is done before.

The node says what it would cost (`estimate`); what it would refuse, it refuses here. Scripts are never asked.
"""

import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

import msgspec

from lnpd.cli.arguments import Common
from lnpd.errors import NotConfirmed
from lnpd.rpc.client import Client
from lnpd.rpc.commands import BY_METHOD, Command

NOTHING_DONE: Final = "Not confirmed: nothing was done."
OTHERWISE: Final = "It would be otherwise by now:"


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
    return command.method in QUESTIONS and not common.yes and sys.stdin.isatty()


def confirm(node: Client, command: Command, params: Mapping[str, Any], stream: TextIO) -> None:  # Any: JSON values
    """Shows on a stream what a command would cost, and asks; again, if it would be otherwise once that is answered.
    Raises NotConfirmed, and what the command would be refused with."""
    estimate = BY_METHOD[f"estimate.{command.method}"]
    names = {parameter.name for parameter in estimate.parameters}
    fitting = {name: value for name, value in params.items() if name in names}
    added = {each.name: params[each.name] for each in command.parameters if each.plugin and each.name in params}
    question, told = QUESTIONS[command.method], node.call(estimate.method, fitting, None)
    while True:
        _ask(question, told, stream, added)
        now = node.call(estimate.method, fitting, None)  # feerates and coins change while a person thinks
        if now == told:
            return
        print(OTHERWISE, file=stream)
        told = now


def _ask(
    question: Question, told: Mapping[str, Any], stream: TextIO, added: Mapping[str, Any]
) -> None:  # Any: JSON values
    print("\n".join(lines(question, told, added)), file=stream)
    asks = f"{question.asks} [y/N] "
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


def lines(
    question: Question, told: Mapping[str, Any], added: Mapping[str, Any] | None = None
) -> list[str]:  # Any: JSON values
    """What an estimate says, for a person, with what was `added` for a plugin."""
    from lnpd.cli.render import text  # rarely needed

    amounts = {name: f"{text(name, told[name])} sat" for name in told if name.endswith("_msat")}
    fee = amounts["fee_msat"]
    if told["max_fee_msat"] != told["fee_msat"]:
        fee += f" (at most {amounts['max_fee_msat']})"
    rows = [
        (
            question.amount,
            amounts["amount_msat"] + (f"  {text('', told['description'])}" if told["description"] else ""),
        ),
        *((name, text("", value)) for name, value in (added or {}).items()),
        ("to", text("", told["to"])),
        ("fee", fee),
        (question.total, amounts["total_msat"]),
        ("note", text("", told["note"])),
    ]
    margin = max(len(name) for name, _ in rows)
    return [f"  {name:<{margin}}  {value}" for name, value in rows if value != "-"]
