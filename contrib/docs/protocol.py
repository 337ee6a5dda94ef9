"""What travels between a node and a plugin, for authors in any language? (a page, and a JSON schema of every value)"""

import json
from typing import Any, Final

import msgspec
from lnpd_sdk.client import ENDPOINT_VARIABLE
from lnpd_sdk.envelope import CONTRACT_VERSION, MAX_FRAME_BYTES, Answer, Call, Fault, Notice
from lnpd_sdk.manifest import Manifest
from lnpd_sdk.questions import PROVIDER_METHODS, QUESTIONS, Hello, Welcome

from contrib.docs.markdown import block, code, line_of, page, table
from lnpd.hooks import kinds
from lnpd.services.plugins.offers.table import OFFERS

FRAMES: Final = {"call": Call, "answer": Answer, "fault": Fault, "notice": Notice}
BYTES: Final = {"type": "string", "contentEncoding": "binary"}  # no JSON has bytes: msgpack's bin
BEGINNING: Final = (
    (code("hello"), line_of(Hello)),
    (code("register"), "Declares everything that the plugin adds, once."),
)
Json = Any  # what JSON can hold


class _Schemas:
    """The schema of each type that is asked for; what they share goes to `components`."""

    def __init__(self) -> None:
        self.components: dict[str, Json] = {}

    def of(self, kind: Json) -> Json:
        (found,), components = msgspec.json.schema_components(
            [kind], schema_hook=_anything, ref_template="#/$defs/{name}"
        )
        self.components |= {name: _plain(each) for name, each in components.items()}
        return _plain(found)


def _anything(kind: type) -> Json:
    """`object` is what JSON and bytes can express."""
    assert kind is object, f"{kind} has no schema"
    return {"description": "What msgpack can hold."}


def _plain(schema: Json) -> Json:
    """As it is in msgpack, and without the words that the pages have."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("contentEncoding") == "base64":
        return BYTES | {name: value for name, value in schema.items() if name == "default"}
    return {name: _plain(value) for name, value in schema.items() if name != "title"}


def schema() -> str:
    """The JSON schema: every frame, question, answer, service and hook."""
    schemas = _Schemas()
    of = schemas.of
    document = {
        "title": f"lnpd's plugins, version {CONTRACT_VERSION} of the contract",
        "description": "Values as msgpack carries them; contentEncoding binary is its bin. See protocol.md.",
        "frames": {name: of(kind) for name, kind in FRAMES.items()},
        "node_asks": {
            name: {"params": of(each.arguments), "result": of(each.answer)} for name, each in QUESTIONS.items()
        },
        "providers": {
            name: {"arguments": of(each.arguments), "answer": of(each.answer)}
            for name, each in PROVIDER_METHODS.items()
        },
        "hooks": {
            name: {"fields": {field: of(kind) for field, kind in each.fields.items()}, "answer": of(each.answer)}
            for name, each in kinds.KINDS.items()
        },
        "plugin_asks": {
            "hello": {"params": of(Hello), "result": of(Welcome)},
            "register": {"params": of(Manifest), "result": of(None)},
        }
        | {name: {"params": of(offer.params), "result": of(offer.result)} for name, offer in OFFERS.items()},
    }
    return json.dumps(document | {"$defs": dict(sorted(schemas.components.items()))}, indent=1) + "\n"


def protocol() -> str:
    """The page."""
    frames = [(code(name), line_of(kind), code(_fields(kind))) for name, kind in FRAMES.items()]
    asked = [(code(name), each.text) for name, each in QUESTIONS.items()]
    services = [(code(name), offer.text) for name, offer in OFFERS.items()]
    return page(
        "The protocol of plugins",
        f"""A plugin is a program that the node starts. It speaks msgpack over one ZeroMQ socket, so it can be in any
language that has both; the SDK for Python does nothing else. [protocol.json](protocol.json) is the JSON schema of every
value below, made from the node's own types: bytes are msgpack's bin. `contrib/examples/javascript` has a plugin in
JavaScript: `npm ci` in that folder first, then `lnpd --plugin=contrib/examples/javascript/scribe.mjs --grant
scribe=updates:0 --grant scribe=messages`.

1. The node gives the endpoint in the variable `{ENDPOINT_VARIABLE}`, and a token as the first line of standard input.
   The token is the identity (ZMQ_IDENTITY, routing id) of the plugin's DEALER socket, which connects to the endpoint:
   whoever else connects is not heard.
2. The plugin calls `hello`, which settles the version of the contract, then `register` with its manifest. The answer is
   nil, or a fault that says what is wrong with it. Then the node asks `init`, with the values of its options.
3. From then on the node asks, and the plugin may ask too. A frame is one ZeroMQ message of one part, with one map, of
   at most {MAX_FRAME_BYTES:,} bytes. Each side numbers its own calls from 1; an answer or a fault carries the number.
4. A call carries a trace. What the plugin asks while it answers a call carries the trace of that call: so the node
   knows who waits for whom, and asks nobody about what it causes itself.
5. It ends when the node sends the notice `stop`, or when standard input ends: then the node has died.

Unknown fields of a frame are ignored. Unknown fields of a value that shapes a commitment are refused, on both sides:
to a plugin that was made for an older version of the contract the node says nothing that came later.
""",
        "## Frames\n",
        table(("type", "", "fields"), frames),
        block(
            '{"type": "call", "id": 7, "method": "hook", "trace": "5f0c...", "params": {"name": ..., "params": {...}}}'
        ),
        "## What the node asks\n",
        "A question that a plugin does not know it answers with a fault.\n",
        table(("method", ""), asked),
        "The methods of providers are in [providers.md](providers.md), hooks in [hooks.md](hooks.md).\n",
        "## What a plugin asks\n",
        table(("method", ""), [*BEGINNING, *services]),
        "What each needs granted is in [services.md](services.md).\n",
    )


def _fields(kind: type) -> str:
    return ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
