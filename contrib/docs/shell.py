"""What does the shell do, key by key and command by command? (`lnp` without a command)"""

from contrib.docs.markdown import block, code, page, table
from lnpd.cli.confirm import QUESTIONS
from lnpd.cli.keyboard import KEYBOARD
from lnpd.cli.progress import WORKS
from lnpd.cli.shell.colours import AMOUNT, COMMAND, ID, OPTION, WRONG
from lnpd.cli.shell.completion import LEAST_DIGITS
from lnpd.cli.shell.feed import AT_ONCE
from lnpd.cli.shell.history import HISTORY_NAME, MOST_LINES
from lnpd.cli.shell.knowledge import HEARTBEAT_SECONDS
from lnpd.cli.shell.own import KEYS, OWN
from lnpd.cli.shell.session import STYLE

SCREEN = """\
alice> open 02a14abf 0.01btc
  channel  1,000,000 sat
  to       02a14abf8cb151f1b8d712904bd1e8ea1dc7315ad9cca6bdd754a722a4fdea6093
  fee      1,525 sat
  total    1,001,525 sat
Open the channel? [y/N] y
channel id  1fec8d773f352f3d6d0265181d9ecc00349f6aa71ab728da16bb79ee71d5429e
...
03:18:25  channel opening: channel id 1fec8d773f35
alice>
 block 105  1 peer  1 channel  1,000,000 + 8,998,475 sat  opening 1fec8d, 3 blocks
"""

REST = f"""## Lines that are remembered

They are in `{HISTORY_NAME}` in the data directory, for its user alone, {MOST_LINES:,} at most. A line that begins with
a space is not kept, and one with a word like password, secret, seed or token is not either.

## Scripts

`lnp < evening.lnp` does each line; `#` begins a comment. It stops at the first that fails, names the line, and ends
with the exit code that `lnp` has for it. Nothing is asked.

## Without colours, without a moving cursor

`--plain`, `TERM=dumb`, or an output that is no terminal: lines in, lines out, as screen readers want it. Events are
told before the next prompt; `status` stands for the bar. `NO_COLOR` takes the colours away, and leaves the rest."""


def shell() -> str:
    """The page."""
    shades = {name: rule.split()[0].removeprefix("ansi") for name, rule in STYLE.style_rules if rule}
    colours = ", ".join(f"{name} {shades[name]}" for name in (COMMAND, OPTION, ID, AMOUNT))
    own = [(code(row.name), row.help) for row in (*OWN, *KEYBOARD)]
    return page(
        "The shell",
        "`lnp` without a command asks for one line after the other. A line is a command as after `lnp`, which may stand"
        " before it.\n",
        block(SCREEN.rstrip()),
        "## Keys\n",
        table(("key", "does"), KEYS),
        "## Commands beside the node's\n",
        table(("command", "does"), own),
        "`watch` and `wait` are commands of `lnp` too: `lnp watch channels`.\n",
        f"""## What is shown

- **While you type**: {colours}; what is wrong is {shades[WRONG]}, as soon as nothing
  that begins so could be right. Tab completes commands, those of plugins that run included, options, peers, channels,
  open invoices, providers, plugins and paths, each with what it is. An id becomes its first {LEAST_DIGITS} digits, or
  as many as it takes.
- **The bar below**: the block (and how far the chain is read, if it is not), peers, channels, what is in channels and
  on chain, plugins, openings and closes with the blocks that they wait for, alerts; `status` says it in words. It is
  drawn again when something happened. Beside that `info` is asked each {HEARTBEAT_SECONDS:g} s.
- **Events** are lines above the prompt; what is typed stays as it is. Of many at once {AT_ONCE} lines are shown.
- **Before money moves** ({", ".join(map(code, QUESTIONS))}) the shell says to whom, with fee and total, and asks;
  before a plugin's command that moves some, with the plugin, its arguments and what it says of the cost. What was
  confirmed bounds what is done: if the fee is higher by then, the command is refused.
  `--yes` leaves the question out, `set confirm off` all of them. `lnp` asks too, whoever gets its answer (on standard
  error, where that is no terminal); nothing is asked where the input is no terminal. What was not confirmed was not
  begun. `lnp estimate` says the same, and asks nothing.
- **While a command waits** a line says so. Ctrl-C ends the waiting alone:
""",
        table(("command", "after Ctrl-C"), [(code(name), row.goes_on) for name, row in WORKS.items()]),
        REST,
    )
