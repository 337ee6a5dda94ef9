"""Is the schema of the plugins' protocol whole, and do real values fit it?"""

import json
from typing import Any

from lnpd_sdk.manifest import Manifest
from lnpd_sdk.plugin import ANSWERS
from lnpd_sdk.questions import PROVIDER_METHODS, QUESTIONS

from contrib.docs.protocol import FRAMES, schema
from lnpd.hooks.kinds import KINDS
from lnpd.services.plugins.offers.table import OFFERS

Json = Any  # what JSON can hold
DOCUMENT: Json = json.loads(schema())


def references(value: Json) -> set[str]:
    if isinstance(value, list):
        return {name for each in value for name in references(each)}
    if not isinstance(value, dict):
        return set()
    here = {value["$ref"]} if "$ref" in value else set()
    return here | {name for each in value.values() for name in references(each)}


def test_everything_that_travels_has_its_schema() -> None:
    assert DOCUMENT["frames"].keys() == FRAMES.keys()
    assert DOCUMENT["node_asks"].keys() == QUESTIONS.keys()
    assert DOCUMENT["providers"].keys() == PROVIDER_METHODS.keys()
    assert DOCUMENT["hooks"].keys() == KINDS.keys()
    assert DOCUMENT["plugin_asks"].keys() == {"hello", "register", *OFFERS}


def test_the_sdk_answers_every_question() -> None:
    assert ANSWERS.keys() == QUESTIONS.keys()


def test_every_reference_leads_somewhere() -> None:
    assert references(DOCUMENT) == {f"#/$defs/{name}" for name in DOCUMENT["$defs"]}


def test_a_manifest_is_described_field_by_field() -> None:
    described = DOCUMENT["$defs"]["Manifest"]
    assert described["properties"].keys() == set(Manifest.__struct_fields__)
    assert set(described["required"]) == {"name", "version"}
    assert DOCUMENT["$defs"]["PeerMessage"]["properties"]["node_id"] == {"type": "string"}
    assert DOCUMENT["$defs"]["Update"]["properties"]["body"] == {
        "type": "string",
        "contentEncoding": "binary",
        "default": "",
    }
    assert DOCUMENT["$defs"]["Reject"]["properties"]["type"] == {"enum": ["reject"]}
