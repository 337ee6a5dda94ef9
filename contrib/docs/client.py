"""How does a program in Python ask a node, here or from another machine? (a page; a test runs each example on it)"""

import inspect
import re
from typing import Final

from contrib.docs.markdown import block, code, page, table
from lnpd.config.table import OPTIONS
from lnpd.rpc.client import Client
from lnpd.rpc.client_async import AsyncClient
from lnpd.rpc.commands import COMMANDS
from lnpd.rpc.following import Following
from lnpd.rpc.generate import method_name
from lnpd.rpc.methods import Methods
from lnpd.services.rpc import far
from lnpd.services.rpc.requests import LINE_BYTES, MAX_CALLS

DIRECTORY: Final = "~/.lnpd/regtest"
ADDRESS: Final = "tcp://node.example.org:9911"
KEY_FILE: Final = "~/phone.key"
SERVER_KEY: Final = "6bcf" * 16

PLAIN: Final = f'''
from lnpd import errors
from lnpd.rpc import Client

with Client("{DIRECTORY}") as node:
    print(node.info().height)
    invoice = node.invoice("a coffee", amount_msat=21_000).invoice
    try:
        print(node.pay(invoice, timeout_seconds=30).preimage)
    except errors.PaymentPending:
        print("it goes on: to ask again waits for it")
    except errors.RefusedByNode as refused:
        print(refused.name, refused)
'''
ASYNC: Final = f'''
import asyncio

from lnpd.rpc import AsyncClient


async def main() -> None:
    async with AsyncClient("{DIRECTORY}") as node:
        info, peers = await asyncio.gather(node.info(), node.peers())
        print(info.alias, [peer.node_id for peer in peers])


asyncio.run(main())
'''
EVENTS: Final = f'''
from lnpd.rpc import Client

with Client("{DIRECTORY}") as node, node.events(since=0) as events:
    for event in events:
        print(event.sequence, event.topic, event.payload)
        break
'''
PLUGINS: Final = f'''
from lnpd.rpc import Client

with Client("{DIRECTORY}") as node:
    channel = node.channels()[0].channel_id
    print(node.call("lockbox-put", {{"channel": channel, "amount_sat": 20_000}}))
'''
REMOTE: Final = f'''
from pathlib import Path

from lnpd.rpc import Client, Remote

server_key = bytes.fromhex("{SERVER_KEY}")
key_file = Path("{KEY_FILE}").expanduser()

with Client(Remote("{ADDRESS}", server_key, key_file)) as node:
    print(node.info().alias)
'''
FROM_ELSEWHERE: Final = f"""
there$ lnp key {KEY_FILE}
9fa1...

here$  lnp key {DIRECTORY}/rpc-key
6bcf...
here$  lnpd --rpc-listen 0.0.0.0:9911 --rpc-client phone=9fa1...

there$ lnp --remote {ADDRESS} --server-key 6bcf... --key-file {KEY_FILE} info
there$ export LNPD_REMOTE={ADDRESS} LNPD_SERVER_KEY=6bcf... LNPD_KEY_FILE={KEY_FILE}
there$ lnp info
"""
EXAMPLES: Final = (PLAIN, ASYNC, EVENTS, PLUGINS, REMOTE)


def _python(example: str) -> str:
    return f"```python\n{example.strip()}\n```\n"


def _text(thing: object) -> str:
    return f"{inspect.getdoc(thing)}\n"


def _methods() -> str:
    rows = []
    for command in COMMANDS:
        if not command.streaming:
            function = getattr(Methods, method_name(command))
            shown = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()")
            refused = ", ".join(kind.__name__ for kind in command.refused)
            shown = re.sub(r"[a-z_.]+\.(?=[A-Z])", "", shown)  # the modules
            rows.append((code(f"{function.__name__}{shown}"), command.help, refused))
    return table(("method", "what it does", "refused as"), rows)


def _options() -> str:
    rows = [(code(f"{row.flag} {row.metavar}"), row.help) for row in OPTIONS if row.field.startswith("rpc_")]
    return table(("option", "meaning"), rows)


def client() -> str:
    """The page."""
    hidden = ", ".join(f"`{name}` of `{row.name}`" for row in COMMANDS for name in row.hidden)
    secret = ", ".join(code(row.name) for row in COMMANDS if row.secret)
    return page(
        "The Python client",
        _python(PLAIN),
        _text(Client),
        _python(ASYNC),
        _text(AsyncClient),
        "## Events\n",
        _python(EVENTS),
        _text(Client.events),
        _text(Following),
        "`next(timeout_seconds)` waits for one event; `close()` ends it, in another thread too.\n",
        "## Commands of plugins\n",
        _python(PLUGINS),
        _text(Client.call),
        "## From another machine\n",
        block(FROM_ELSEWHERE),
        _python(REMOTE),
        _options(),
        f"""The connection is ZeroMQ's, encrypted with CURVE. The node lets in the keys that its user pinned; the client
believes the one that it was given. Whose key is unknown gets KeyNotKnown. A key file that others may read is refused.

A key of `--rpc-reader` is refused what changes something, all commands of plugins, and {secret} (OnlyReads); it is not
shown {hidden}.

Requests are the lines of the unix socket, one in each message, at the port of `--rpc-listen`. Events are published at
the next port, so both must be reachable. What is published may get lost, for the queue of a slow subscriber is short:
each message names the event before it, and the client asks for what is missing (`history`). It says every
{far.BEAT_SECONDS:g} seconds how far the log goes.

A key may have {far.CONNECTIONS_OF_ONE} connections at each port, beyond which its oldest is closed, and {MAX_CALLS}
questions at once. A request has at most {LINE_BYTES >> 20} MiB, an answer {far.MAX_FRAME_BYTES >> 20} MiB.
""",
        "## Every method\n",
        "Answers are classes of `lnpd.rpc.answers`; commands.md shows their fields. Each method may also raise what the"
        " class says above.\n",
        _methods(),
    )
