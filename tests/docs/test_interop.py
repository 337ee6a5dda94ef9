"""Does the page of other people's nodes name the tests that there are, and what Electrum demands?"""

import ast
from pathlib import Path

from contrib.docs.interop import ELECTRUM_FEATURES, FOLDER, LDK, electrum, types_tried
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.peer.greeting import OFFERED, Greeting
from lnpd.wire.features import Features
from lnpd.wire.messages import Init, InitTlvs

ROOT = Path(__file__).parents[2]


def test_every_test_with_ldk_has_its_row_and_every_row_its_test() -> None:
    files = (ROOT / FOLDER).glob("test_ldk*.py")
    found = {
        (path.name, node.name)
        for path in files
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert found == {(row.file, row.test) for row in LDK}
    assert len(LDK) == len(found)


def test_the_types_of_a_row_are_those_of_its_tests_cases() -> None:
    told = {row.test: types_tried(row) for row in LDK}
    assert set(told.values()) == {"static_remotekey, anchors", "anchors"}
    assert told["test_we_pay_us_through_ldk"] == told["test_other_channels"] == "static_remotekey, anchors"
    assert told["test_invoices_of_every_kind"] == "anchors"


def test_we_agree_with_a_peer_that_demands_what_electrum_does() -> None:
    demanded = Init(globalfeatures=b"", features=Features.of(*ELECTRUM_FEATURES).to_bytes(), tlvs=InitTlvs())
    agreement = Greeting(CHAIN_HASHES["regtest"]).agree(demanded)
    assert {*ELECTRUM_FEATURES} <= set(agreement.features.bits())
    assert all(OFFERED.mask >> bit & 3 for bit in ELECTRUM_FEATURES)
    assert not any("not offered" in row for row in electrum())
