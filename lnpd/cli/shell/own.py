"""Which commands has the shell itself? They ask nothing of the node; rows as those of the one table."""

from typing import Final

from lnpd.rpc.commands import Command, Parameter

SHELL: Final = "Shell"
ON_OFF: Final = ("on", "off")
LEAVING: Final = ("exit", "quit")


def _choice(name: str, help: str) -> Command:
    return Command(name, SHELL, help, None, (Parameter("how", "text", "on or off", False, bare=True),))


OWN: Final[tuple[Command, ...]] = (
    Command(
        "help",
        SHELL,
        "List the commands, or say more about one, with examples.",
        None,
        (Parameter("command", "text", "a command's name", False, bare=True),),
        examples=("help pay", "help plugin start"),
    ),
    _choice("set confirm", "Whether you are asked before money moves (on at first)."),
    _choice("set events", "Whether events are shown above the prompt as they happen (on at first)."),
    Command("events on", SHELL, "Show events above the prompt as they happen."),
    Command("events off", SHELL, "Show no events; the bar goes on."),
    Command("status", SHELL, "Say in words what the bar below shows, with each alert in full."),
    Command("clear", SHELL, "Clear the screen (also Ctrl-L)."),
    Command("history", SHELL, "List the last lines that were typed."),
    Command("exit", SHELL, "Leave the shell (also quit, Ctrl-D)."),
)
OWN_NAMES: Final = frozenset(command.name for command in OWN)

# Keys, as the page about the shell lists them.
KEYS: Final[tuple[tuple[str, str], ...]] = (
    ("Tab", "complete a command, an option, an id, a path; once more goes through what fits"),
    ("Right, Ctrl-E", "take the rest of an earlier line, which is shown in grey"),
    ("Up, Down", "earlier lines, and later ones"),
    ("Ctrl-R", "search the earlier lines; once more for the one before"),
    ("Ctrl-A, Ctrl-E", "to the beginning, to the end of the line"),
    ("Ctrl-W, Ctrl-U", "delete the word, the line before the cursor"),
    ("Ctrl-L", "clear the screen"),
    ("Ctrl-C", "give up the line; while a command waits: no longer wait for it"),
    ("Ctrl-D", "leave, on an empty line"),
)
