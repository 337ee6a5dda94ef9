"""Are BOLT 3's scripts, byte for byte, those of the published commitments, and is every path in the table?"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk.script import DataCarrier, Key, Template

from lnpd.errors import ScriptRefused
from lnpd.tx.script import TEMPLATES, compile_script, data_carrier, public_key_of, push_number, script_code
from tests.tx.bolt3 import KEYS
from tests.vectors import load

HASH = bytes(range(32))


def test_to_local() -> None:
    compiled = compile_script(Template("to_local"), KEYS, 144)
    assert compiled.witness_script.hex() == (
        "63210212a140cd0c6539d07cd08dfe09984dec3251ea808b892efeac3ede9402bf2b1967029000b2752103fd5960528dc15201495"
        "2efdb702a88f71e3c1653b2314431701ec77e57fde83c68ac"
    )
    assert [(path.name, path.older) for path in compiled.paths] == [("revocation", 0), ("delayed", 144)]


def test_published_scripts() -> None:
    vectors = load("bolt3-commitments.json")
    htlcs = {each["id"]: each for each in vectors["htlcs"]}
    outputs: list[dict[str, Any]] = [
        output | {"anchors": case["option_anchors"]}
        for case in vectors["cases"] + vectors["anchor_cases"]
        for output in case["outputs"]
        if "wscript" in output
    ]
    for output in outputs:
        kind = output["kind"]
        name = f"{kind}_anchors" if output["anchors"] and kind != "to_local" else kind
        htlc = htlcs.get(output.get("htlc"), {"payment_hash": "", "expiry": 0})
        template = Template(name, bytes.fromhex(htlc["payment_hash"]), htlc["expiry"])
        assert compile_script(template, KEYS, 144).witness_script.hex() == output["wscript"], output
    print(f"bolt3-commitments.json: {len(outputs)} witness scripts")
    assert len(outputs) == 61


def test_every_template_lists_its_paths() -> None:
    paths = {
        name: [path.name for path in compile_script(Template(name, HASH, 500), KEYS, 144).paths] for name in TEMPLATES
    }
    offered, received = ["revocation", "timeout", "preimage"], ["revocation", "success", "expired"]
    assert paths == {
        "to_local": ["revocation", "delayed"],
        "to_remote": ["payment"],
        "to_remote_anchors": ["payment"],
        "offered_htlc": offered,
        "offered_htlc_anchors": offered,
        "received_htlc": received,
        "received_htlc_anchors": received,
        "anchor": ["owner", "anyone"],
    }


REFUSED = {
    "unknown": Template("to_nobody"),
    "no hash": Template("offered_htlc"),
    "long hash": Template("received_htlc", bytes(33), 500),
    "no expiry": Template("received_htlc", HASH),
    "a time": Template("received_htlc", HASH, 500_000_000),
    "empty carrier": DataCarrier(0),
    "large carrier": DataCarrier(81),
}


@pytest.mark.parametrize("script", REFUSED.values(), ids=REFUSED)
def test_refused(script: Template | DataCarrier) -> None:
    with pytest.raises(ScriptRefused):
        compile_script(script, KEYS, 144)


@pytest.mark.parametrize("delay", [0, -1, 65536])
def test_delays(delay: int) -> None:
    with pytest.raises(ScriptRefused):
        compile_script(Template("to_local"), KEYS, delay)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        *((0, "00"), (1, "51"), (16, "60"), (17, "0111"), (127, "017f"), (128, "028000"), (144, "029000")),
        *((502, "02f601"), (32767, "02ff7f"), (32768, "03008000"), (65535, "03ffff00"), (8388608, "0400008000")),
        (499999999, "04ff64cd1d"),
    ],
)
def test_numbers(number: int, expected: str) -> None:
    assert push_number(number).hex() == expected


@given(st.integers(17, 2**31 - 1))
def test_numbers_are_minimal(number: int) -> None:
    encoded = push_number(number)[1:]
    assert int.from_bytes(encoded, "little", signed=True) == number
    assert int.from_bytes(encoded[:-1], "little", signed=True) != number


@pytest.mark.parametrize(("length", "start"), [(1, "6a01"), (75, "6a4b"), (76, "6a4c4c"), (80, "6a4c50")])
def test_data_carriers(length: int, start: str) -> None:
    script = compile_script(DataCarrier(length), KEYS, 144).script_pubkey
    assert script == bytes.fromhex(start) + bytes(length) == data_carrier(bytes(length))


def test_keys_by_name_or_point() -> None:
    assert public_key_of("revocation", KEYS) == public_key_of(Key.REVOCATION, KEYS) == KEYS.revocation
    assert public_key_of(KEYS.delayed.hex(), KEYS) == KEYS.delayed
    with pytest.raises(ScriptRefused):
        public_key_of("somebody", KEYS)


def test_script_code_of_a_key_hash() -> None:
    compiled = compile_script(Template("to_remote"), KEYS, 144)
    assert compiled.script_pubkey.hex() == "0014cc1b07838e387deacd0e5232e1e8b49f4c29e484"
    code = script_code(compiled.script_pubkey, b"").hex()
    assert code == "76a914cc1b07838e387deacd0e5232e1e8b49f4c29e48488ac"
