"""What has a person to keep, and how does a node come back? (names, options, checks and exit codes are the code's)"""

from collections.abc import Iterable

from contrib.docs.markdown import block, code, line_of, page, table
from lnpd.cli.check import EXITS
from lnpd.cli.exits import LNPD_EXITS
from lnpd.config.table import OPTIONS
from lnpd.rpc.commands import COMMANDS
from lnpd.services.backup.check import OF_A_CHANNEL, OF_THE_REST
from lnpd.services.backup.check_chain import check_chain
from lnpd.services.backup.file import BACKUP_NAME
from lnpd.services.backup.problems import THEN, Then
from lnpd.store.database import DATABASE_NAME

COMMAND_NAMES = ("backup", "backup-database", "check", "rescan")
FIELDS = ("backup_file", "wallet_birth_height")
# What leads to each, for a person; THEN says what follows.
EXAMPLES: dict[Then, str] = {
    "refused": "a snapshot, circuit, payment or message cannot be read; the index of a channel's keys is gone",
    "frozen": "balances or HTLCs are not those of the kept commitments; one of these is gone, or its signatures are",
    "mended": "nothing watches a funding, or its spend was missed",
    "said": "a secret of a revoked commitment is gone; an HTLC belongs to nobody; what waits for an unknown channel",
}


def backup() -> str:
    """The page."""
    return page(
        "Backup and recovery",
        _kept(),
        "## What comes back\n",
        table(("from", "comes back", "is lost"), _COMES_BACK),
        _restored(),
        _copies(),
        _never(),
        _checked(),
        "## The commands\n",
        table(("command", "what it does"), _commands()),
    )


def _kept() -> str:
    return f"""## What to keep

1. **The words** of the seed, on paper: `lnpd init` shows them once. Every key follows from them.
2. **`{BACKUP_NAME}`**, the newest one, on another disk or machine. It lies in the data directory, and `--backup-file`
   keeps it in a second place. It is small, written at each opening and closing of a channel, and sealed under a key of
   the seed: whoever finds it reads nothing. `lnp backup` shows where it is, how old it is, and what it holds.

{_options()}
The passphrase only locks the seed file of one directory: with the words a new one is chosen.
"""


def _restored() -> str:
    lines = block(
        f"lnpd restore /media/usb/{BACKUP_NAME} --directory ~/restored    # asks for the words\n"
        "lnpd --directory ~/restored\n"
        "lnp --directory ~/restored channels --onchain"
    )
    return f"""## A lost directory

{lines}
`lnpd restore` makes a directory of its own and names what only the lost database could claim. Once started, the node
connects to each peer, says that it has lost its data (BOLT 2, `channel_reestablish`), and the peer closes the channel;
what that pays is swept to the wallet. Nothing is broadcast that could be revoked, and no key of these channels is ever
given to another one. A peer that is away is called again as long as the node runs. Where a channel's type seals claims
that sweep carries nothing of the plugin's: what it would write follows from a state that is lost.

The peer's close needs the channel's funding on the chain. Of a channel that others fund (`open_unfunded`) the backup
holds no transaction that leads there: before these are confirmed they are the plugin's to keep and to publish, or the
peer's node has been given them (`keep_ancestors`). Once they are, nothing of it is needed.

Beside that the chain is searched for everything that peers' closes paid to the seed. `lnp info` says while that goes
on; after a restart it goes on where it was. Without a file `lnpd restore` does this alone, from the words: peers are
then unknown, and what they close by themselves is found.
"""


def _copies() -> str:
    return f"""## A copy of the database

`lnp backup-database FILE` copies `{DATABASE_NAME}` while the node runs, to be looked at, or for a report. A copy of a
file that is open, made otherwise, may be torn. To move a node: stop it, move the whole directory, start it there, and
never again where it was.

An old copy is no backup of channels: each payment makes it older, and the commitment that it takes for the newest may
be revoked; whoever broadcasts a revoked one loses the whole channel to the peer. lnpd that is started from one
broadcasts none until the peer has shown that it knows of nothing newer (or an HTLC cannot wait), and otherwise leaves
the close to the peer.
"""


def _never() -> str:
    return f"""## Never

- Never start an old copy of `{DATABASE_NAME}` where you have a newer one, or `{BACKUP_NAME}`.
- Never run two nodes of one seed: restored, copied or moved, only one of them may be started, ever.
- Never say `lnp close --force --not-restored` of a node that was started from a copy.
- Never restore into a directory with a database: it knows more than any backup, even if it does not start.
"""


def _checked() -> str:
    lines = block(
        "lnpd check                                                       # a node that will not start\n"
        "lnpd check /media/usb/copy --bitcoind=http://127.0.0.1:18443     # a copy, against the chain"
    )
    return f"""## Is what is stored sound?

A node looks at each start; `lnp check` asks it while it runs. `lnpd check` looks into the database of a node that does
not run, or into a copy (`lnpd check FILE`); the file stays as it is, and no seed or passphrase is needed. With
`--chain`, `--bitcoind` or `--electrum` it asks the chain, too.

{lines}
{table(("exit code", "of `lnpd check`"), ((str(each), LNPD_EXITS[each][0]) for each in EXITS))}
What is looked at:

{"".join(f"- {line}{chr(10)}" for line in _checks())}
What a start does about it:

{table(("", "what", "then"), ((name, EXAMPLES[name], THEN[name]) for name in THEN))}
A problem means a damaged disk, memory or file, or a defect of lnpd: each line says what to do. Keep the directory as it
is before you try anything, and report it.
"""


_COMES_BACK = (
    ("the directory itself", "everything", "nothing"),
    (
        f"the words and `{BACKUP_NAME}`",
        "the wallet's coins; our balance in each channel, once its peer has closed it, or from our own close if that "
        "is on the chain",
        "HTLCs that were in flight, outputs of extensions, invoices, the list of payments",
    ),
    (
        "the words alone",
        "the wallet's coins; what peers' closes paid to any of the seed's 1000 payment basepoints, whenever they close",
        "the same, and what our own closes left to claim; peers are not asked to close",
    ),
    (f"`{BACKUP_NAME}` alone", "nothing", "everything: it is sealed under the seed"),
)


def _options() -> str:
    return table(("option", "meaning"), ((code(f"{o.flag} {o.metavar}"), o.help) for o in OPTIONS if o.field in FIELDS))


def _checks() -> Iterable[str]:
    yield from (line_of(part) for part in (*OF_A_CHANNEL, *OF_THE_REST))
    yield line_of(check_chain).partition(" running:")[0]


def _commands() -> Iterable[tuple[str, str]]:
    return ((code(f"lnp {each.name}"), each.help) for each in COMMANDS if each.name in COMMAND_NAMES)
