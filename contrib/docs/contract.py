"""What may a plugin declare, what is it asked, and what may it ask? (hooks, providers, services, the SDK's types)"""

import inspect
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, get_args, get_type_hints

import lnpd_sdk.envelope
import lnpd_sdk.hearing
import lnpd_sdk.hooks
import lnpd_sdk.life
import lnpd_sdk.manifest
import lnpd_sdk.moves
import lnpd_sdk.node
import lnpd_sdk.plugin
import lnpd_sdk.questions
import lnpd_sdk.script
import lnpd_sdk.services
import lnpd_sdk.sessions
import lnpd_sdk.trace
import lnpd_sdk.types
from lnpd_sdk.life import MAX_HANDOVER_BYTES
from lnpd_sdk.node import Node
from lnpd_sdk.types import Phase, Provider, ProviderBase

from contrib.docs.markdown import (
    aliases,
    block,
    classes,
    code,
    fields_table,
    line_of,
    methods,
    page,
    prose,
    signature,
    table,
)
from lnpd.hooks import answers, kinds
from lnpd.hooks.capabilities import CAPABILITIES
from lnpd.services.plugins.keeper import ORPHAN_SECONDS
from lnpd.services.plugins.life import INIT_SECONDS, LIMITS
from lnpd.services.plugins.offers.offer import Offer
from lnpd.services.plugins.offers.table import FAMILIES
from lnpd.services.plugins.output import BYTES, LINES, WITHIN_SECONDS
from lnpd.services.plugins.process import DRAIN_SECONDS, START_SECONDS, STOP_SECONDS
from lnpd.services.plugins.results import MAX_BYTES, MAX_DEPTH
from lnpd.services.plugins.surroundings import Terms

SDK: tuple[ModuleType, ...] = (
    lnpd_sdk.types,
    lnpd_sdk.script,
    lnpd_sdk.manifest,
    lnpd_sdk.moves,
    lnpd_sdk.hooks,
    lnpd_sdk.plugin,
    lnpd_sdk.life,
    lnpd_sdk.hearing,
    lnpd_sdk.sessions,
    lnpd_sdk.node,
    *(import_module(row.name) for row in iter_modules(lnpd_sdk.services.__path__, "lnpd_sdk.services.")),
    lnpd_sdk.trace,
    lnpd_sdk.questions,
    lnpd_sdk.envelope,
)

TERMS = Terms()
REMOTE = """## On another machine

`python -m lnpd_sdk.keys FILE` (or `lnpd-plugin-key FILE`) makes a key pair where the plugin runs, and prints the public
key. `lnpd --plugin-listen tcp://ADDRESS:PORT --remote-plugin NAME=KEY` lets its owner in, under that name and no other;
the node's log says the node's own public key, which the file plugin-key in its directory keeps. The plugin is started
with `LNPD_ENDPOINT=tcp://ADDRESS:PORT LNPD_KEY_FILE=FILE LNPD_NODE_KEY=KEY`, and its code is the same. It connects
again and again; what is wrong costs its connection, and a pause.
"""


def hooks() -> str:
    """Every hook."""
    parts = [
        """A plugin takes part in a hook by `@plugin.hook("NAME")`. Its function is given the fields that it names, and
with `**fields` all others; a plugin that names one which the hook has not is refused, when it starts. A late answer, an
exception, or an answer of another type is no answer and is counted: then the default happens, which is also what
happens when nobody takes part.

- gather: everyone is asked at once.
- chain: asked one after the other until somebody answers something else than None.

`@plugin.hook("NAME", field=value)` asks only where the field has that value, `Filter("field", ...)` only where it is
`one_of` several, `at_least` or `at_most` a number, or begins with a `prefix`. Plugins are asked in the order of the
command line, but for what they say by `before=("OTHER",)` and `after=("OTHER",)`; one that closes a circle is refused.
`lnp plugin explain NAME` shows the order and why it is so.

A hook that moves money, or changes terms, needs `--grant PLUGIN=hook:NAME`; without it the plugin is not asked. An
answer can make terms stricter, never looser, and is checked as if a stranger had sent it.

A plugin is never asked about what it caused itself while it waits for the answer: it is left out, but of hooks
that say so. Each call carries a trace id, which what it causes carries too, and which the node's log shows.
"""
    ]
    for name, kind in kinds.KINDS.items():
        rows = [(code(field), code(_shown(kind.fields[field]))) for field in kind.fields]
        answer = f"Answer: `{_shown(kind.answer)}`.\n" if kind.answer is not type(None) else ""
        guarded = f" Needs `hook:{name}` granted." if kind.guarded else ""
        guarded += " Asks also a plugin that waits for what causes it." if kind.also_asks_waiters else ""
        parts += [f"## {name}\n", f"{kind.kind}, {kind.deadline_seconds:g} s.{guarded}\n", f"{kind.text}\n"]
        parts += [table(("field", "type"), rows), answer, f"Without an answer: {kind.default}\n"]
        parts.append(block(kind.example))
    return page("Hooks", *parts)


def _shown(kind: object) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("lnpd_sdk.hooks.", "")


HOLDING = """\
With each commitment of a type that seals, the node keeps what its sealers were shown, revoked ones included.
`Node.kept_commitment` tells it: the same `seal` then gives the same bytes for the commitment, its second stages and
the claims of both parties, or for a mutual close; `Node.channels(closed=True)` says which transaction closed what.

A provider whose tokens stand at the outputs of such transactions `holds` what comes home. Each channel that pins it
has one script of the wallet, marked before anybody is shown it. Its mutual close and all its claims pay there:
another destination of `lnp close` is refused, and `--upfront-shutdown` promises that script. The coins there are no
ordinary ones: no funding, payment, PSBT or fee takes them, they count for no reserve, and `lnp funds` shows them
apart, with the plugin or without it, after restarts, forks, and a restore from a backup of the channels. The plugin
lists them by `Node.held_coins`, moves them by `sign_psbt` or `send_psbt` within its `spend:<sat>`, and by
`Node.release_held` gives up those with nothing of its own in them. Where it is gone for good, the user has `lnp
coins release`. Such a claim is never batched, and its fee comes out of what it takes. What is not held: what a
wallet that is restored from its words alone finds, and the change of a channel's funding. A provider that begins to
hold does so for channels that open later.
"""


def providers() -> str:
    """The phases of a provider."""
    names = get_args(get_type_hints(Phase)["name"])
    order = ", ".join(name for name in names if name not in ("validate", "fold", "gate", "close"))
    parts = [
        prose(Provider),
        f"""`validate` and `fold` are asked for each update, `gate` of a commitment that came with signatures of gated
children, `close` before a mutual close. The pipeline asks in this order: {order}. Each answer has
{answers.DEADLINE_SECONDS:.0f} s.

What the counterparty signs ahead is said by `descend` alone: the node's signer signs each child of the commitment, as
part of the whole, by the one key of the counterparty that its path names. The signature travels in commitment_signed,
or, of a gated child, in auxiliary_signatures before it; it is kept with the commitment, and a forced close, a penalty
and a sweep ask no provider for anything. For an adaptor point it is a pre-signature, which the late datum
`adaptor:<point in hex>` completes; who gave it learns the secret once the mempool or the chain shows the child
(`secret_sold`).

A provider says by `Phase(name, view_fields)` what it takes part in. An answer is remembered, and asked for again only
when the state, another argument, or one of these fields of the view has changed.

What is asked of an update, of the HTLC updates that wait behind it, and of the commitments that they lead to, is
foreseen and asked in one envelope (`providers`), with questions to all of the plugin's providers; its functions do not
notice. A payment is two round trips for each node if a provider only contributes, a hundred payments at once are about
fifteen. A plugin made for version 1 of the contract is asked one thing at a time. What is asked ahead may never come
to pass: of an update that another rule then refuses, a provider has been asked for nothing.
""",
    ]
    for name in names:
        default = line_of(getattr(ProviderBase, name))
        function = getattr(Provider, name)
        parts += [f"## {name}\n", block(signature(function)), prose(function)]
        parts.append(f"Without the phase: {default[:1].lower()}{default[1:]}\n")
    parts += ["## What was sealed, and what comes home\n", HOLDING]
    parts += ["## What a provider declares\n", prose(lnpd_sdk.types.ProviderSpec)]
    parts.append(fields_table(lnpd_sdk.types.ProviderSpec))
    return page("Providers", *parts)


def services() -> str:
    """What a plugin may ask of its node, and what it needs for it."""
    rows_of_capabilities = [(code(each.form), each.text) for each in CAPABILITIES.values()]
    parts = [
        prose(Node),
        *(_family(name, offers) for name, offers in FAMILIES.items()),
        f"""## Capabilities

A manifest asks for them, the user gives them with `--grant PLUGIN=CAPABILITY`; in effect is what was both asked for and
granted. Without the grant the node refuses, and says which would allow it. PLUGIN is the plugin's name, or its path
with a slash in it: a name is what a plugin gives itself. `lnp plugin grants PLUGIN` shows what is in effect, and how
much of a limit is used.

A name, with its grants, is the plugin's whose file is named so, else its that had it last; also while that one does not
start. A method, a provider or a message is whoever's comes first on the command line, however long it takes to start;
a second plugin that claims it is refused, and both are named. It stays claimed while its owner is away.

{table(("capability", "what it allows"), rows_of_capabilities)}
{_process()}""",
    ]
    return page("What a plugin may ask of its node", *parts)


def asks() -> dict[str, Callable[..., Any]]:  # Any: they are only read
    """The methods of Node by name, of whichever family."""
    return {name: function for cls in reversed(Node.__mro__[:-1]) for name, function in methods(cls)}


def _family(name: str, offers: tuple[Offer, ...]) -> str:
    """Its services: how each is called, what it needs, and an example."""
    parts = [f"## {name[:1].upper()}{name[1:]}\n"]
    for offer in offers:
        function = asks()[offer.name]
        need = f"Needs `{CAPABILITIES[offer.capability].form}`." if offer.capability else "Needs no grant."
        early = "" if offer.early else " Not before the node is complete (NodeStarting)."
        parts += [f"### {offer.name}\n", block(signature(function)), prose(function), f"{need}{early}\n"]
        parts.append(block(offer.example))
    return "\n".join(parts)


def _process() -> str:
    """How a plugin's process lives, and what it may send."""
    return f"""## Its process

The node starts it with an endpoint in `LNPD_ENDPOINT` and a token as the first line of its standard input. What it
prints goes to the node's log, line by line: {LINES} lines and {BYTES:,} bytes in {WITHIN_SECONDS:g} s, and what is more
is counted. It calls `hello` and `register` within {START_SECONDS:g} s, and is asked `init` first, with its options,
which has {INIT_SECONDS:g} s; nothing else is asked before that. One that does not stop when asked is killed after
{STOP_SECONDS:g} s. One that dies is started again with growing pauses; `lnp plugin list` shows why, and how often.
After five ends in ten minutes it stays down until `lnp plugin start`.

`lnp plugin reload` starts a new process beside the old one. What is asked from then on waits; what runs has
{DRAIN_SECONDS:g} s to end; `handover` gives the new one's `init` at most {MAX_HANDOVER_BYTES:,} bytes of state. The old
one goes on if the new one does not come up, wants what is another's, or would drop or reshape a format that a live
channel pins.

It begins in a folder of its own, DIRECTORY/plugins/NAME, by its file's name; temporary files belong there too. Each of
its processes has {TERMS.memory_mib} MiB of memory of its own and {TERMS.files} open files (`--plugin-memory`,
`--plugin-files`, `--plugin-processes`), and leaves no core dump. Where bubblewrap is installed (`--plugin-sandbox`) it
can write in that folder only, sees nothing else of the node's directory, and has no network, unless
`--plugin-network NAME`.

When the node ends, standard input ends, and {ORPHAN_SECONDS:g} s later the process is killed. All that it started ends
with it, on Linux also what left its session; elsewhere only its process group. What cannot be held: a process of the
same user may kill the one that watches over it (lnpd/services/plugins/keeper.py), and what it started in other sessions
then lives on.

{REMOTE}
## What it may send

Answers as they are asked for. Of its own accord {LIMITS.running:,} calls at once, {LIMITS.call_bytes:,} bytes each and
{LIMITS.running_bytes:,} in all, and with the answers to them {LIMITS.unasked_bytes:,} bytes a second. More is a fault:
the process is ended and started again. An RPC method's result is JSON, at most {MAX_BYTES:,} bytes and {MAX_DEPTH}
deep; bytes in it become hex.
"""


def sdk() -> str:
    """The types of lnpd-sdk."""
    parts = ["Amounts carry their unit in the name. Every value is immutable; change makes a new one.\n"]
    for module in SDK:
        parts += [f"## {module.__name__}\n", prose(module)]
        if named := aliases(module):
            parts.append(block("\n".join(named)))
        for cls in classes(module):
            parts += [f"### {cls.__name__}\n", prose(cls), fields_table(cls)]
            rows = [(code(signature(function)), line_of(function)) for _, function in methods(cls)]
            if rows and cls is not ProviderBase:
                parts.append(table(("method", ""), rows))
        functions = [f for n, f in vars(module).items() if inspect.isfunction(f) and f.__module__ == module.__name__]
        public = [(code(signature(f)), line_of(f)) for f in functions if not f.__name__.startswith("_")]
        if public:
            parts.append(table(("function", ""), public))
    return page("lnpd-sdk", *parts)
