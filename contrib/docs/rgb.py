"""How does a user hold and move RGB assets? (commands, versions and limits are read from the plugin)"""

import sys
from pathlib import Path
from textwrap import fill
from typing import Final

from contrib.docs.markdown import block, code, page, table

PLUGINS: Final = str(Path(__file__).parents[2] / "plugins")
sys.path.append(PLUGINS)  # where the plugin finds the packages beside it

from rgb_channel.state import HIGHEST_PER_KW, HIGHEST_TIMES  # noqa: E402  after the line above
from rgb_engine import binding  # noqa: E402
from rgb_engine.commands import COMMANDS  # noqa: E402
from rgb_engine.judge import BOUNDS, JUDGE_SECONDS  # noqa: E402
from rgb_engine.limits import LIMITS as WALLET_LIMITS  # noqa: E402
from rgb_engine.values import MAX_CONSIGNMENT_BYTES  # noqa: E402
from rgb_engine.wallet import HOLDING_SAT  # noqa: E402
from rgb_node.acceptor import EXPECTED_SECONDS, MAX_EXPECTED, MAX_UNUSED_EACH, STRANGERS  # noqa: E402
from rgb_node.commands import COMMANDS as IN_CHANNELS  # noqa: E402
from rgb_node.commands import EXTENDS  # noqa: E402
from rgb_node.desk import CAPABILITIES  # noqa: E402
from rgb_node.homeward import MOST_FEE_SAT, PATIENCE_BLOCKS, SURE_BLOCKS  # noqa: E402
from rgb_node.limits import LIMITS  # noqa: E402
from rgb_node.payments import LEAST_MSAT  # noqa: E402

# How; over which channel; payments a second; speed and, by the processor's time, thrift beside two nodes without the
# plugin, each with the middle half of the rounds; ms of the processor for one payment, in both nodes and both plugins.
COST: Final = (
    ("in turn", "no plugin", 68, "1", "1", 12.7, "none"),
    ("in turn", "loaded, not used", 73, "1.02 (0.96 to 1.10)", "1.02 (0.96 to 1.17)", 11.6, "none"),
    ("in turn", "an asset's, sat alone", 26, "0.36 (0.33 to 0.41)", "0.35 (0.32 to 0.40)", 27.8, "7.4"),
    ("in turn", "an asset's, tokens", 25, "0.34 (0.30 to 0.39)", "0.32 (0.30 to 0.39)", 27.8, "8.7"),
    ("10 at once", "no plugin", 234, "1", "1", 3.9, "none"),
    ("10 at once", "loaded, not used", 242, "1.00 (0.95 to 1.06)", "1.00 (0.95 to 1.04)", 3.9, "none"),
    ("10 at once", "an asset's, sat alone", 70, "0.33 (0.28 to 0.44)", "0.30 (0.26 to 0.43)", 9.8, "3.5"),
    ("10 at once", "an asset's, tokens", 54, "0.23 (0.21 to 0.28)", "0.20 (0.19 to 0.28)", 13.0, "6.0"),
)


def rgb() -> str:
    """The page."""
    return page(
        "RGB assets",
        """RGB puts assets upon Bitcoin: who owns how much is written in files that travel between people, and outputs
of ordinary transactions are seals that make sure that nothing is spent twice. `plugins/rgb.py` gives a node a wallet of
such assets.
""",
        "**Experimental**, and bounded, as `lnp rgb info` says:\n",
        "".join(fill(f"- {each}", 120, subsequent_indent="  ") + "\n" for each in (*WALLET_LIMITS, *LIMITS)),
        *_needs(),
        *_moving(),
        *_channels(),
        *_keeping(),
        *_cost(),
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
        block(_configuration()),
        f"""Each grant is a line of its own because each is a decision of yours; services.md says what they mean.
Without those beyond `rpc:info,decode` the wallet works, and channels do not. `pay` and `spend` are what may ever be
paid in sat with tokens, and what bringing tokens home may cost the node in a day: {HOLDING_SAT:,} sat go with them to
the wallet of assets, and the rest is fees.
`lnp plugin set rgb electrum ssl://HOST:PORT` names another server while it runs.
""",
        block("""lnp rgb info
lnp rgb address"""),
    )


def _moving() -> tuple[str, ...]:
    """The commands, and a transfer."""
    return (
        "## Commands\n",
        table(
            ("command", "what it does", "example"),
            [(code(_typed(name)), help, code(example)) for name, help, example in (*COMMANDS, *IN_CHANNELS)],
        ),
        """Amounts are in the asset's smallest unit. With `--precision 2` at its issue, 100000 of them are 1,000.00, as
`shown` says in `lnp rgb balance`. An asset goes by its ticker where only one of the wallet's has that, else by its id.
What moves money (`issue`, `send`, `open`, `pay`) asks on a terminal first, and shows what it costs.

`lnp rgb history` lists what moved tokens, with what each changed on chain and in channels; all of them add up to
`lnp rgb balance`. The rows are rgb-lib's transfers and the node's own payments; what is pending or failed changed
nothing.
""",
        "## Issue, send, receive\n",
        block("""lnp rgb issue USDX 100000                     # Alice; a transaction makes outputs that can hold tokens
lnp rgb request --amount 1200                 # Bob; gives Alice what it prints
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


def _typed(name: str) -> str:
    """What a person types for a command."""
    return f"lnp {EXTENDS[name]} --asset" if name in EXTENDS else f"lnp rgb {name}"


def _configuration() -> str:
    """What stands in the node's file."""
    grants = "\n".join(f'    "{each}",' for each in CAPABILITIES)
    return f"""# lnpd.toml
plugins = ["plugins/rgb.py"]
plugin_network = ["rgb"]          # where plugins run in a sandbox

[plugin.rgb]
electrum = "tcp://127.0.0.1:50001"

[grants]
rgb = [
{grants}
]"""


def _channels() -> tuple[str, ...]:
    """Assets in channels."""
    return (
        "## In channels\n",
        block("""lnp rgb accept rgb:mpQCynxH-...               # Bob, who does not have the asset yet
lnp connect BOB@HOST:PORT                     # Alice
lnp open BOB 1000000 --asset USDX:5000 --push-msat 200000000   # Alice
lnp rgb invoice rgb:mpQCynxH-... 1200         # Bob, once the channel is there
lnp rgb pay INVOICE                           # Alice
lnp rgb channels
lnp close CHANNEL                             # either"""),
        f"""The funding output holds sat and tokens. Its transaction is made by the wallet of assets, which pays for it,
and is broadcast only when both nodes have signed their first commitments. Before that Alice sends Bob the consignment
of it, in pieces; Bob's node reads it, has it judged by rgb-lib, and takes the channel only if exactly the amount that
Alice's open_channel named stands on this very output, of an asset that Bob has or accepted by `lnp rgb accept`.

From then on every transaction that the channel can ever have says in an OP_RETURN where its tokens are: commitments,
HTLC transactions, the close, sweeps and penalties, each made when its commitment was signed. So the plugin need not
live when one of them is broadcast; while it is away the channel takes no new updates (`lnp channels` says so), and a
forced close brings the tokens along. HTLC transactions are signed as a whole (SIGHASH_ALL), so that a cheat cannot put
tokens of a revoked state elsewhere. Where an output holds too few sat for the fee of its sweep or penalty, coins of the
node's wallet pay it, 10,000 sat more than half of what it holds at most, if there are tokens on it: leave some there.

An HTLC with tokens holds {LEAST_MSAT // 1000:,} sat at least, since its output must exist at any feerate that the
channel may come to; so does the output of whoever has tokens. That feerate is {HIGHEST_PER_KW:,} sat per 1000 weight
({HIGHEST_PER_KW // 250} sat/vB), or {HIGHEST_TIMES} times the one that the channel opens with, if that is more: then
its HTLCs hold more, too. Above it `update_fee` is refused, and `lnp info` warns once more is due: close together while
the peer is there. What would leave tokens without an output is refused, and both sides know why. A push (`--push-msat`)
gives the other side the sat that it needs to pay something back.

An asset invoice is one of BOLT 11 with the asset and the amount in its metadata, signed. It is paid over one channel
with the payee; nobody can pay it in sat alone, also while the plugin is away. What is to be passed on goes only from a
channel to another one in the same asset.
""",
        _coming_home(),
    )


def _coming_home() -> str:
    """What becomes of a channel's tokens after it."""
    return f"""When a channel has ended, what came home lies in coins that the wallet of the node holds back for this
plugin (`lnp funds` shows them apart). At the next block the plugin sends their tokens on to the wallet of assets, with
{HOLDING_SAT:,} sat; the rest of the sat stays with the node. The consignment is made from what the node has kept. Until
a block has that transaction, the tokens are `coming_home` in `lnp rgb balance`.

A transaction that no block takes for {PATIENCE_BLOCKS} blocks is replaced by one with a fee a quarter higher, or the
node's estimate, up to {MOST_FEE_SAT:,} sat. The wallet of assets is given the consignment of the one that is in a
block; of one that had rivals, when it is {SURE_BLOCKS} blocks deep. A coin that is too small for its fee is joined by
coins of the node's. What is in the way, and at which feerate it goes, `lnp rgb collect` says.
"""


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

The folder `consignments` beside them holds what proves the tokens of each channel, and is in no backup: copy it along
after each opening. A channel itself is in the node's database, of which an older copy is worth nothing: with a restored
`channels.backup` the satoshi come back, and no tokens.
""",
        "## What is done about strangers' files\n",
        f"""A consignment is first read by a parser of this project's own (`plugins/nia`), which knows fungible assets
and nothing else, bounds every length, and checks each step of the history: ids, commitments, seals, sums. Then rgb-lib
compares it with the chain. Where it comes from a peer, both happen once more in a process of its own with a new, empty
wallet: it may die there, and takes {JUDGE_SECONDS} s, {BOUNDS.cpu_seconds} s of a processor and
{BOUNDS.memory_bytes // 2**20:,} MiB of memory at most.

A peer has {EXPECTED_SECONDS:g} seconds to send the consignment of its channel, keeps its place no longer than its
connection, and leaves at most {MAX_UNUSED_EACH} of them without a channel. Of all {MAX_EXPECTED} places those who have
no channel here get one in {STRANGERS}: node ids cost nothing.
""",
    )


def _cost() -> tuple[str, ...]:
    """What a payment costs with the plugin."""
    return (
        "## What it costs\n",
        """A payment over a channel without an asset asks the plugin nothing. In an asset's channel each transaction to
which a signed commitment may lead is sealed when it is signed: the commitment, and for each HTLC in it the HTLC
transaction and three claims. That is 24 seals a payment and node; a commitment asks for them in three steps, since
what follows a transaction names it. `python -m contrib.bench --only assets` (a part of `make bench`) measures it on the
machine at hand: four pairs of nodes take turns within each round, all on one bitcoind. These are the medians of seven
rounds, with the middle half of them, on 2026-11-22, on two shared cores that had much else to do: the ratios mean more
than the rates, and those of the processor's time more than those of the clock. Both nodes are in one process, and share
a core.
""",
        table(
            ("", "channel", "payments a second", "speed", "by processor", "ms, nodes", "ms, plugins"),
            [(how, what, str(rate), *more[:2], f"{more[2]:.1f}", more[3]) for how, what, rate, *more in COST],
        ),
    )
