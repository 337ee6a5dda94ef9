"""How is a node configured? The file, the environment, the limits, and which options may not be together."""

from contrib.docs.markdown import block, code, page, table
from lnpd.channel import feerates
from lnpd.channel.presets import LIMITS, PRESETS
from lnpd.cli.exits import INTERRUPTED
from lnpd.config import LOG_LEVELS, LOG_SUBSYSTEMS, RULES, file, places
from lnpd.config.given import VARIABLE_PREFIX
from lnpd.config.sources import FLAGS
from lnpd.config.table import OPTIONS, Option
from lnpd.services.logs.ring import MAX_LINES
from lnpd.services.logs.secrets import SHORTEST

EXAMPLE = """include = ["fees.toml"]           # read first: this file goes over it
alias = "alice"
plugins = ["./hello.py"]          # a path is seen from the folder of its file

[regtest]                         # on this network alone, over the common keys
listen = ["127.0.0.1:9735"]

[bitcoin]
experimental_mainnet = true
passphrase_file = "~/.lnpd-passphrase"

[grants]
lockbox = ["updates:50000"]

[plugin.hello]                    # the options of a plugin
greeting = "good morning"
"""


def configuration() -> str:
    """Where values come from, the limits and their presets, and what options may not be together."""
    heads, margin = ("option", "unit", *PRESETS, "meaning"), feerates.FLOOR_MARGIN_PERCENT - 100
    rows = []
    for row in LIMITS:
        values = (f"{getattr(limits, row.field):,}" for limits in PRESETS.values())
        rows.append((code(row.flag), row.unit.lower(), *values, row.meaning))
    return page(
        "Configuration",
        """What each option means is in commands.md.
""",
        _file(),
        _keys(),
        _logs(),
        """## Limits

`--limits PRESET` says what peers may do in channels; a limit's own option goes before the preset's value. `lnp info
--limits` shows what is in effect. They bind channels that open from then on; the feerates bind all channels from the
next start on. On mainnet the largest channel and the sum of all have caps of their own.
""",
        table(heads, rows),
        f"""## The feerate of channels that we opened

Who opened a channel pays for its commitments. lnpd moves their feerate by itself (update_fee), at each new block and
when the peer is back, within `--min-feerate-per-kw` and `--max-feerate-per-kw`. All in satoshi per 1000 weight:

- Without anchors it follows the estimate for {feerates.SOON_BLOCKS} blocks.
- With anchors too, but from {feerates.ANCHORS_LEAST_PER_KW:,} to {feerates.ANCHORS_MOST_PER_KW:,}, or {margin} % more
  than the estimate for {feerates.FLOOR_BLOCKS:,} blocks if that is higher: a child of our anchor pays the rest.
- It is moved once it is {feerates.RISE_PERCENT} % too low, {feerates.FALL_PERCENT} % too high, or below the longest
  estimate.
- From one block to the next it rises to its {feerates.RISE_FACTOR}-fold at most: an estimate may be wrong once.
- It rises as far as what is ours in the channel pays for it, beside the reserve, a buffer for a further rise and
  {feerates.BUFFERED_HTLCS} more payments; and no further than the limit for payments that are too small for an output.

`lnp channels` shows it; `lnp info` warns of a channel that cannot pay what is due.
""",
        "## Refused\n\nThese combinations are refused, with the sentence beside them.\n",
        "\n".join(f"- {sentence}" for _, sentence in RULES) + "\n",
    )


def _file() -> str:
    return f"""## File, environment, arguments

    default  <  file  <  section of the network in the file  <  environment  <  argument  <  `lnp config set`

The file is {places.WHERE_FILE}. `--config PATH` or the variable {places.VARIABLE} names another one, or
`{places.NO_FILE}`. It is TOML:

{block(EXAMPLE)}
- A key is the option's name with `_` for `-`; the table below has all. Values are written as in arguments, numbers
  without quotes too; a flag is true or false; what may be given several times is a list.
- `[grants]`, `[remote_plugins]` and `[plugin.NAME]` are tables: each entry counts by itself, wherever it is said.
- `include` names further files, at most {file.MAX_FILES}, {file.MAX_DEPTH} deep. Later ones go over earlier ones, the
  file itself over all; a network's section, of whichever file, over the common keys.
- What is not known is refused by file and line, with the nearest name; a wrong value too, in the sections of other
  networks as well. A file that everybody may write is refused, and one with a password that others may read.
- A variable is {VARIABLE_PREFIX} and the key in capitals. A list's words are separated as in a shell, a table's entry
  is NAME=VALUE (`LNPD_PLUGIN="hello.greeting=hi"`), a flag is one of
  {", ".join(FLAGS)}. One that is nearly ours is refused, others are left alone.
- --developer and the --dev options are arguments only. No key holds a passphrase: `passphrase_file` names a file.

`lnp config` shows what is in effect in a running node, and who said it; `lnp config set KEY VALUE` changes what the
table marks, at once. It is kept when the node is started again and goes over whatever else says it, until
`lnp config unset KEY`. What relaying costs is told to the peers; limits bind the channels that open from then on. The
options of plugins are there as `plugin.NAME.OPTION`.

`lnpd --check-config` prints what would be in effect, and who said it; `lnpd init`, `restore` and `check` read the same
sources, `lnpd regtest` arguments only. `lnp` looks for the node where `lnpd` would have it.

What a plugin's options are, only the plugin knows: a wrong one keeps it from starting, and the log names it, its file
and its line.

The data directory is {places.WHERE_DATA}.
"""


def _logs() -> str:
    example = '{"time":"2026-11-22T03:30:00.125Z","level":"info","subsystem":"peers","message":"..."}'
    return f"""## Logs

The log goes to standard error (`--log-quiet`: not there), with `--log-file FILE` to a file too, which rotates at
`--log-file-mib` and of which `--log-files` are kept. A name alone is in the data directory. Its levels are
{", ".join(LOG_LEVELS)}: `--log-level` for all, `--log-level-of SUBSYSTEM=LEVEL` for one of
{", ".join(LOG_SUBSYSTEMS)};
`lnp config set log_levels.peers debug` changes one at run time.

`lnp log` shows the last lines, which the node keeps in memory ({MAX_LINES:,} at most), whatever else is configured;
`lnp log --follow` goes on, over a rotation of the file too, until Ctrl-C ends it with the exit code {INTERRUPTED}.
`--level` and `--of` choose among what the node logs. Who reads slowly keeps nobody waiting, and is told how many lines
were gone.

With `--log-format json` a line is one object; `trace` is the id of the chain of calls in which it was said, `exception`
a traceback:

    {example}

Passphrases, seeds, keys that are given, and bitcoind's password are masked in every line, also in what a plugin or a
peer says: `(hidden)`. A secret of fewer than {SHORTEST} characters is none.
"""


def _keys() -> str:
    rows = [
        (code(row.flag), code(row.key), code(row.variable), _kind(row), "yes" if row.dynamic else "")
        for row in OPTIONS
        if row.said
    ]
    return table(("option", "key", "variable", "value", "at run time"), rows)


def _kind(row: Option) -> str:
    if row.depth:
        return "table of tables" if row.depth == 2 else "table of lists" if row.lists else "table"
    return "true or false" if not row.metavar else f"list of {row.metavar}" if row.repeatable else row.metavar
