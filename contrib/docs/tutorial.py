"""How does an author come from nothing to an output of their own in commitment transactions? (a page)

All code on it is that of `lnp plugin new`, which a test runs; what `lnp plugin check` says of each mistake is a row of
MISTAKES, and a test makes each of them.
"""

import ast
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Final, NamedTuple

from contrib.docs.markdown import code, line_of, methods, page, signature, table
from lnpd.cli.plugin.new import named
from lnpd.testing.pair import Pair, Side

NAME: Final = "jar"
SCAFFOLD: Final = files("lnpd_sdk") / "scaffold"


class Mistake(NamedTuple):
    """What stands in the file, what somebody writes in its place, and what `lnp plugin check` then says, and why."""

    written: str
    instead: str
    found: str
    why: str


MISTAKES: Final = (
    Mistake(
        "older({delay})",
        "older(1)",
        "HolderDelayTooShort: jar aside (aside): the path delayed+older(1) waits 1 blocks, less than the holder's 144.",
        "Whoever broadcasts a commitment has to wait, so that the other one can punish a revoked one.",
    ),
    Mistake(
        "or_d(pk(revocation),and_v(v:pk(delayed),older({delay})))",
        "and_v(v:pk(delayed),older({delay}))",
        "NoRevocationPath: jar aside (aside): no undelayed path needs this commitment's revocation key alone.",
        "Without it nobody could punish a revoked commitment.",
    ),
    Mistake(
        "if update.proposer != OPENER or len(update.body) != 8:",
        "if len(update.body) != 8:",
        "DebitsOtherParty: jar ext takes 25000000 msat from the party that did not propose it.",
        "An update takes from its proposer only, whatever a plugin says.",
    ),
    Mistake(
        '"aside", amount_sat, script',
        '"aside", amount_sat + 1, script',
        "25001 sat against debits of 25000000 and 0 msat.",
        "What is in an output is paid for.",
    ),
    Mistake(
        "max(view.dust_limit_sat)",
        "1",
        "DustProposed: jar aside (aside): 1 sat are too small for one of the commitments.",
        "Such a transaction would not be relayed.",
    ),
    Mistake(
        'Phase("contribute", ("holder", "to_self_delay"))',
        'Phase("contribute", ("holder",))',
        "jar.contribute: its answer depends on view.to_self_delay, which its Phase does not name",
        "An answer is remembered by what it depends on: a wrong one would be remembered too.",
    ),
    Mistake(
        "amount_sat, delay = amount_of(state), view.to_self_delay[view.holder]",
        'amount_sat, delay = amount_of(state), len(open("delay").read())',
        "NotPure: Jar.contribute uses a file (io.open) in jar.py",
        "Two nodes have two files, and two clocks: they would sign two transactions.",
    ),
)

# The words between the code
BEGIN: Final = """What you need is Python 3.11 or later, and an evening. What you get is a plugin with a command, a
hook, and an output that both nodes put into both commitment transactions, and a test in which a thief is punished for
it.

## 1. Begin

    git clone REPOSITORY lnpd
    python3 -m venv env && . env/bin/activate
    pip install ./lnpd/sdk "./lnpd[regtest]" pytest
    lnp plugin new jar
    cd jar && pytest

The SDK (`lnpd-sdk`) is all that a plugin needs to run; lnpd is there for its tests. `lnp plugin new` wrote four
files: the plugin, its test, a pyproject.toml and a README. The test takes some seconds, for it starts two whole nodes
with a chain of their own, and a process of your plugin for each.

## 2. What it is to do

The opener of a channel puts an amount aside. On the opener's own commitment it is the opener's again after the delay,
and at once the peer's if that commitment was revoked; on the peer's commitment it is the opener's.
"""
PROVIDER: Final = """It proposes an update. An update is bytes: what they mean is the provider's business. It travels
to the peer's node, which asks its own copy of the plugin, and from then on it is part of the channel's state like an
HTLC.

The user has to grant it (`--grant jar=updates:1000000`): without the grant a plugin moves nothing, and beyond it
nothing more, whatever it proposes.

## 3. The provider

A provider is a class of pure functions. Both nodes ask them the same questions, again after any crash, and have to
get the same answers; so they may look at nothing but their arguments. `spec` says which of them are asked, and which
fields of the view each answer depends on:
"""
SCRIPTS: Final = """A script is never raw bytes but an expression over named keys. The node compiles it, finds every
way to spend it, and refuses one by which money could be stolen. It also sweeps and punishes by it, without asking
you: your plugin may be dead by then. `debits_msat` says whose balance pays for the output.

`close` says whether the channel may close by agreement:
"""
MORE: Final = """`pair.bob` has what `pair.alice` has.

An output that both pay for debits both, each by its own updates: in `fold`, `update.proposer` says whose amount is set,
and `debits_msat=(1000 * opener_sat, 1000 * acceptor_sat)` in `contribute` takes both. Updates of the two may cross on
the wire: keep the amounts apart, so that the order does not matter.
"""
TRY: Final = """## 5. Make mistakes

    lnp plugin check jar.py

asks each function again and again, in two processes, with views and updates that are likely, unlikely and hostile;
builds commitments of the answers by the node's own rules; and runs each way to spend an output through Bitcoin Core's
interpreter. It calls no hook, command, or receiver of messages or events: what is wrong there shows when a node runs
the plugin (`errors` in `lnp plugin explain HOOK`).

`check` is quiet about the plugin as it is. Write one of these, and it is not:

{mistakes}

## 6. Try it by hand

    lnp plugin run jar.py

runs two nodes with a channel of your type, and a shell: `jar-fill CHANNEL 25000`, `bob channels`, `help`. Change the
file and save it: both nodes load it again, and the channel goes on.

## 7. Use it

    lnpd --plugin=jar.py --grant jar=updates:1000000
    lnp open PEER 1000000 --channel-type jar/anchors
    lnp jar-fill CHANNEL 25000
    lnp channels

Two nodes on one chain, to begin with, each line that stays in a terminal of its own:

    lnpd regtest                                                   # stays; it prints the endpoint for --chain
    lnpd init --plain-seed --directory a && lnpd init --plain-seed --directory b
    lnpd --directory a --plain-seed --chain ipc://PATH --plugin=jar.py --grant jar=updates:50000 --listen 127.0.0.1:9735
    lnpd --directory b --plain-seed --chain ipc://PATH --plugin=jar.py --grant jar=updates:50000 --listen 127.0.0.1:9736
    lnp --directory a fund 2000000
    lnp --directory a connect NODE_ID@127.0.0.1:9736               # the id is what b said when it was ready
    lnp --directory a open NODE_ID 1000000 --channel-type jar/anchors
    lnp --directory a mine 6                                       # before that no plugin can change the channel
    lnp --directory a jar-fill CHANNEL 25000

What the acceptor puts into an output has to be the acceptor's first: pay it, or open with `--push-msat`.

The peer needs the plugin too, for it has to agree to every byte; a node without it refuses the type politely.

## 8. Go on

- [providers.md](providers.md): what a provider is asked, phase by phase. [rules.md](rules.md): what is refused.
- [hooks.md](hooks.md): what else a plugin may take part in. [services.md](services.md): what it may ask of its node.
- [messages.md](messages.md): wire messages of its own. [sdk.md](sdk.md): every type.
- `plugins/examples` has small ones for many purposes, `plugins/lockbox.py` one with money of both sides.
"""


def source(name: str) -> str:
    """A file of a new plugin, as it is written."""
    return named((SCAFFOLD / name).read_text(), NAME)


def _part(text: str, *names: str) -> str:
    """The functions, methods or classes of these names, as they stand in a file, without what is inside a class."""
    nodes = {node.name: node for node in ast.walk(ast.parse(text)) if hasattr(node, "name") and hasattr(node, "body")}
    parts = []
    for name in names:
        node = nodes[name]
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        inner = [each.lineno for each in node.body if isinstance(each, ast.FunctionDef)]
        last = min(inner) - 1 if isinstance(node, ast.ClassDef) and inner else node.end_lineno
        parts.append("\n".join(text.splitlines()[first - 1 : last]).rstrip())
    return "```python\n" + "\n\n".join(parts) + "\n```\n"


def _verbs() -> Iterator[tuple[str, Callable[..., object]]]:
    """The verbs of `pair`, and of its two nodes, each with how a test names its owner."""
    for owner, cls in (("pair", Pair), ("pair.alice", Side)):
        yield from ((owner, function) for _, function in methods(cls))


def _mistakes() -> str:
    return "\n".join(f"- `{each.instead}` for `{each.written}`: `{each.found}`. {each.why}" for each in MISTAKES)


def tutorial() -> str:
    """The page."""
    test = source("test_jar.py").strip()
    verbs = [(code(f"{owner}.{signature(each)}"), line_of(each)) for owner, each in _verbs()]
    return page(
        "From nothing to an output of your own",
        BEGIN,
        *_provider(source("jar.py")),
        "## 4. The test\n",
        "`pair` is two nodes with your plugin in both; each of its verbs returns when it has happened.\n",
        f"```python\n{test}\n```\n",
        "Between two verbs nothing happens: the nodes run while one does. These are all of them:\n",
        table(("verb", ""), verbs),
        MORE,
        TRY.format(mistakes=_mistakes()),
    )


def _provider(text: str) -> tuple[str, ...]:
    """Its functions, one after the other."""
    return (
        "A plugin is an object, and decorators that declare. This is its command:\n",
        _part(text, "fill"),
        PROVIDER,
        _part(text, "Jar"),
        "`validate` is asked of each update, ours and the peer's, whose bytes may be anything:\n",
        _part(text, "validate"),
        "`fold` gives the state after it. A state is bytes too, empty in a new channel:\n",
        _part(text, "fold"),
        "`contribute` gives the outputs of a commitment, whose holder is the party that can broadcast it:\n",
        _part(text, "contribute"),
        SCRIPTS,
        _part(text, "close"),
    )
