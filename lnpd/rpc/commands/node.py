"""Which commands are there about the node as a whole? Rows of the one table."""

from typing import Any, Final

from lnpd import errors
from lnpd.rpc import answers
from lnpd.rpc.commands.table import NODE, Command, Parameter, optional

NODE_COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "info",
        NODE,
        "Show the node: its id, network, height, addresses, warnings.",
        answers.Info,
        (
            optional("features", "boolean", "with each feature's name, odd or even, and where it is said", False),
            optional("limits", "boolean", "with each limit that peers are held to, and which preset it is of", False),
        ),
        examples=("lnp info", "lnp info --features --json", "lnp info --limits"),
    ),
    Command("help", NODE, "List the node's commands, those of its plugins included.", tuple[dict[str, Any], ...]),
    Command(
        "events",
        NODE,
        "Follow what happens, each event with its sequence number.",
        answers.Event,
        (optional("since", "integer", "begin after this sequence number (default: from now on)"),),
        streaming=True,
        examples=("lnp events --since 0",),
    ),
    Command(
        "log",
        NODE,
        "Show the last lines of the node's log, or follow it.",
        answers.Log,
        (
            optional("lines", "count", "how many lines (default 20)", 20),
            optional("level", "log_level", "lines of this level and above (what the node logs, `log_level` says)"),
            optional("of", "names", "lines of this subsystem alone, such as peers (repeatable)", ()),
            optional("since", "integer", "lines later than this number, which an answer's `last` is"),
            optional("follow", "boolean", "wait for the next line, at most 10 s; lnp goes on until Ctrl-C", False),
        ),
        examples=("lnp log", "lnp log --follow --level warning", "lnp log --of peers --of channels --lines 100"),
        refused=(errors.ParameterRefused,),
    ),
    Command(
        "doctor",
        NODE,
        "Look for what is wrong with the node, its machine and its channels, and name the command that mends it.",
        tuple[answers.Finding, ...],
        examples=("lnp doctor", "lnp doctor --json"),
    ),
    Command(
        "history",
        NODE,
        "List what happened, oldest first, and end: `events` goes on.",
        tuple[answers.Event, ...],
        (
            optional("since", "integer", "begin after this sequence number (default: with the oldest that is kept)", 0),
            optional("limit", "count", "at most so many (default 100)", 100),
        ),
        examples=("lnp history --since 7", "lnp history --limit 1000 --json"),
        hidden=("data",),
    ),
    Command("stop", NODE, "Stop the node once its channels' waiting steps are done.", answers.Done, mutating=True),
    Command("backup", NODE, "Show where the backup of the channels is, its age, and what it holds.", answers.Backup),
    Command(
        "backup-database",
        NODE,
        "Copy the database while the node runs.",
        answers.DatabaseCopy,
        (Parameter("file", "path", "where to, with its whole path; a file of that name is replaced"),),
        mutating=True,
        call="backup_database",
        examples=("lnp backup-database /media/usb/lnpd.sqlite3",),
        refused=(errors.DatabaseFailed,),
    ),
    Command(
        "check",
        NODE,
        "Check whether what is stored is consistent, and what the chain says: balances, HTLCs, kept commitments, "
        "revocation secrets, fundings.",
        answers.StoreCheck,
    ),
)
