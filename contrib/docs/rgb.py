"""How does a user hold and move RGB assets? (commands, versions and limits are read from the plugin)"""

import sys
from pathlib import Path
from typing import Final

from contrib.docs.markdown import block, code, page, table

PLUGINS: Final = str(Path(__file__).parents[2] / "plugins")
sys.path.append(PLUGINS)  # where the plugin finds the packages beside it

from rgb_engine import binding  # noqa: E402  after the line above
from rgb_engine.commands import COMMANDS, EXPERIMENTAL  # noqa: E402
from rgb_engine.values import MAX_CONSIGNMENT_BYTES  # noqa: E402


def rgb() -> str:
    """The page."""
    return page(
        "RGB assets",
        """RGB puts assets upon Bitcoin: who owns how much is written in files that travel between people, and outputs
of ordinary transactions are seals that make sure that nothing is spent twice. `plugins/rgb.py` gives a node a wallet of
such assets.
""",
        f"""**Experimental.** {EXPERIMENTAL}
""",
        *_needs(),
        *_moving(),
        *_keeping(),
    )


def _needs() -> tuple[str, ...]:
    """Library, server and satoshi."""
    return (
        "## What it needs\n",
        f"""- rgb-lib {binding.VERSION}, the wallet library of RGB 0.11.1: `pip install './lnpd[rgb]'`. It is native
  code, with wheels for Linux (glibc 2.34 and later, x86-64 and ARM) and macOS. Without it the plugin runs, and says so.
- An Electrum server of yours, for rgb-lib speaks to nothing else here: ElectrumX, electrs or Fulcrum beside your
  bitcoind. It need not be the node's own source of blocks, but has to be of the same network. It learns which outputs
  are the wallet's, and can hide transactions from it.
- Satoshi of the wallet's own. Its keys are not the node's: a token must never be spent by accident, and no other wallet
  knows which outputs hold some.
""",
        block("""lnpd --plugin plugins/rgb.py --grant rgb=rpc:info --option rgb.electrum=tcp://127.0.0.1:50001
lnp rgb info
lnp rgb address"""),
        """The grant lets it ask the node for its network and feerate. Where plugins run in a sandbox it needs the
network, too: `--plugin-network rgb`. `lnp plugin set rgb electrum ssl://HOST:PORT` names another server while it runs.
""",
    )


def _moving() -> tuple[str, ...]:
    """The commands, and a transfer."""
    return (
        "## Commands\n",
        table(
            ("command", "what it does", "example"),
            [(code(f"lnp rgb {name}"), help, code(example)) for name, help, example in COMMANDS],
        ),
        """Amounts are in the asset's smallest unit. With `--precision 2` at its issue, 100000 of them are 1,000.00.
""",
        "## Issue, send, receive\n",
        block("""lnp rgb issue USDX 100000                     # Alice; a transaction makes outputs that can hold tokens
lnp rgb invoice --amount 1200                 # Bob; gives Alice what it prints
lnp rgb send 'INVOICE' --asset USDX           # Alice; broadcasts, and names a file
lnp rgb receive FILE                          # Bob, with that file
lnp rgb balance                               # both; settled once the transaction is in a block"""),
        f"""The file is the consignment: the asset's whole history up to Bob's output, which nobody can look up
elsewhere. Without it Bob has nothing, so Alice keeps hers until Bob says that it came: `lnp rgb consignment TXID`
writes it again. It is of at most {MAX_CONSIGNMENT_BYTES // 1024 // 1024} MiB. An invoice can be paid once; one that
a wrong consignment named is used up, and a new one is needed.

An invoice is for a new output, which the payer makes (and pays 1,000 sat for), or with `--blinded` for one that the
wallet has, which the payer does not see.
""",
    )


def _keeping() -> tuple[str, ...]:
    """The backup, and what is done about strangers' files."""
    return (
        "## Backup\n",
        """`lnp rgb backup` writes the wallet, encrypted, to `rgb.backup` in the plugin's folder, `plugins/rgb` below
the node's directory, beside the file `words`, which holds the twelve words of its keys in the clear. Keep both
elsewhere, apart from each other. The words alone bring back satoshi, and no tokens; the node's own seed brings back
neither.

A backup is as old as its last transfer: what came later is not in it, and what went later must not be spent again. So
make one after each transfer. To come back, put both files into the plugin's folder before its first start there.
""",
        "## What is done about strangers' files\n",
        """A consignment is first read by a parser of this project's own (`plugins/nia`), which knows fungible assets
and nothing else, bounds every length, and checks each step of the history: ids, commitments, seals, sums. Then rgb-lib
compares it with the chain. Where it comes from a peer, both happen in a process of its own with a new, empty wallet:
it may die there, and takes a minute at most.
""",
    )
