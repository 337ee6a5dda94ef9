"""Does a picture of a commitment say who contributed each output, and who can spend it when, by the scripts alone?"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.script import (
    DataCarrier,
    InternalKey,
    Leaf,
    Miniscript,
    Sighash,
    SignatureSlot,
    SpendPath,
    Taproot,
    Template,
)

from lnpd.channel.state import Channel, Policy
from lnpd.errors import NoCommitment
from lnpd.rpc.answers import SpendingWay
from lnpd.services.channels.picture import expression, shown
from lnpd.services.channels.ways import funding_ways, sentence
from lnpd.store.store import Store
from lnpd.tx.funding import compile_funding
from lnpd.tx.script import carried, data_carrier
from tests.cli.render import pictures
from tests.tx.bolt3 import FUNDING

REVOKED = "the peer at once, if this state is revoked"
HOME = ("us after 144 blocks", REVOKED)
ANCHORS = [("anchors", "us at once | anyone after 16 blocks"), ("anchors", "the peer at once | anyone after 16 blocks")]


def told(output: dict[str, Any]) -> tuple[str, str]:
    return output["provider"], " | ".join(way["text"] for way in output["ways"])


Told = list[tuple[str, str]]  # of each output, whose it is, and who can spend it
CASES: dict[str, tuple[Callable[[], dict[str, Any]], Told, list[tuple[str, int, Told]]]] = {
    "nothing in it": (
        pictures.plain, [("base", "the peer at once"), ("base", " | ".join(HOME))], [],
    ),
    "ours, with HTLCs and a plugin's box": (
        pictures.boxed,
        [
            *ANCHORS,
            ("htlc", "us with the preimage of 72cd6e84 after 1 block | the peer after 1 block and from height 501"
                     f" | {REVOKED}"),
            ("htlc", "the peer with the preimage of 648aa5c5 after 1 block | us after 1 block and from height 503"
                     f" | {REVOKED}"),
            ("lockbox", " | ".join(HOME)),
            ("base", "the peer after 1 block"),
            ("base", " | ".join(HOME)),
        ],
        [("htlc_success", 2, [("htlc", " | ".join(HOME))]), ("htlc_timeout", 3, [("htlc", " | ".join(HOME))])],
    ),
    "a child that sells a secret": (
        pictures.gated,
        [*ANCHORS, ("vault", f"us with the secret of 029c5530 | {REVOKED}"), ("base", "the peer after 1 block"),
         ("base", " | ".join(HOME))],
        [("exit", 2, [("vault", " | ".join(HOME))])],
    ),
    "a plugin's bytes in another's second stage": (
        pictures.sealed,
        [("htlc", f"us with the preimage of 9f4fb68f | the peer from height 504 | {REVOKED}"),
         ("base", "the peer at once"), ("base", " | ".join(HOME))],
        [("htlc_success", 0, [("sealer", ""), ("htlc", " | ".join(HOME))])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_output_says_whose_it_is_and_who_can_spend_it(case: str) -> None:
    made, outputs, children = CASES[case]
    answer = made()
    assert [told(output) for output in answer["outputs"]] == outputs
    found = [
        (child["kind"], child["vout"], [told(output) for output in child["outputs"]]) for child in answer["children"]
    ]
    assert found == children
    debits = sum(output["ours_msat"] + output["theirs_msat"] for output in answer["outputs"])
    assert debits <= answer["ours_msat"] + answer["theirs_msat"] == 1000 * answer["capacity_sat"]
    assert answer["fee_sat"] + sum(output["amount_sat"] for output in answer["outputs"]) == answer["capacity_sat"]


def test_the_peer_sees_the_same_from_the_other_side() -> None:
    ours, theirs = pictures.boxed(), pictures.boxed(us=1)
    assert (ours["holder"], theirs["holder"], ours["opener"], theirs["opener"]) == ("us", "them", "us", "them")
    assert ours["txid"] == theirs["txid"]
    swapped = {"us": "them", "them": "us"}
    for one, other in zip(ours["outputs"], theirs["outputs"], strict=True):
        assert [[swapped[name] for name in way["by"]] for way in one["ways"]] == [way["by"] for way in other["ways"]]
        assert one["ours_msat"] == other["theirs_msat"]


def test_what_was_trimmed_is_named_with_its_amount() -> None:
    answer = pictures.boxed()
    assert answer["trimmed"] == [{"provider": "htlc", "id": "1/0", "amount_msat": 1_000_000}]
    assert (
        answer["fee_sat"] == 1640 + 1000
    )  # BOLT 3's weight with two HTLCs and a box at 1000 sat/kw, and what was trimmed


def test_a_way_names_the_child_that_it_takes() -> None:
    answer = pictures.boxed()
    through = {output["kind"]: [way["child"] for way in output["ways"]] for output in answer["outputs"]}
    assert through["received_htlc"] == [0, -1, -1]
    assert through["offered_htlc"] == [-1, 1, -1]
    assert [child["may_be_joined"] for child in answer["children"]] == [True, True]
    (child,) = pictures.gated()["children"]
    assert child["gated"] and child["adaptor_point"].startswith("029c5530") and not child["built_in"]
    (child,) = pictures.sealed()["children"]
    assert (child["may_be_joined"], child["fee_sat"], len(child["txid"])) == (False, 875, 64)
    assert len(child["outputs"][0]["data"]) == 64
    assert {output["claim_sealed_by"] for output in pictures.sealed()["outputs"]} == {"sealer"}


SENTENCES = [
    (((), 16, 0, (), False), "anyone after 16 blocks"),
    ((("us",), 0, 0, (), False), "us at once"),
    ((("them",), 1, 0, ("sha256:" + "ab" * 32,), False), "the peer with the preimage of abababab after 1 block"),
    ((("us", "them"), 0, 0, (), False), "us and the peer together"),
    ((("02" + "cd" * 32,), 0, 700_000, (), False), "the key 02cdcdcd from height 700,000"),
    ((("us",), 0, 0, ("adaptor:02" + "ef" * 32,), False), "us with the secret of 02efefef"),
    ((("us",), 0, 0, ("oracle:12345678",), False), "us with oracle 12345678"),
    ((("them",), 0, 0, (), True), REVOKED),
]


@pytest.mark.parametrize(("way", "text"), SENTENCES)
def test_a_sentence(way: tuple[Any, ...], text: str) -> None:
    assert sentence(*way) == text


def test_who_can_spend_a_funding() -> None:
    keys = FUNDING.funding_keys
    third = "02" + "ab" * 32
    both = [SpendingWay("opener_funding+acceptor_funding", ("us", "them"), "us and the peer together")]
    assert list(funding_ways(compile_funding(None, keys).paths, 0)) == both
    joint = SpendPath(InternalKey.MUSIG2_FUNDING, (SignatureSlot(InternalKey.MUSIG2_FUNDING),))
    late = SpendPath("late", (SignatureSlot(third, Sighash.ALL),), older=4032)
    texts = [way.text for way in funding_ways((late, joint), 1)]
    assert texts == ["us and the peer together", "the key 02ababab after 4032 blocks"]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (Template("to_local"), "to_local"),
        (Miniscript("pk(delayed)"), "pk(delayed)"),
        (DataCarrier(32), "data(32)"),
        (Taproot(InternalKey.NUMS, (Leaf(Miniscript("pk(delayed)"), 1), Leaf(Template("revocation_leaf"), 1))),
         "tr(nums,1:pk(delayed),1:revocation_leaf)"),
    ],
)  # fmt: skip
def test_an_expression_on_one_line(script: Any, text: str) -> None:
    assert expression(script) == text


@pytest.mark.parametrize("length", [1, 75, 76, 80])
def test_what_a_carrier_holds(length: int) -> None:
    assert carried(data_carrier(b"\x01" * length)) == b"\x01" * length


def test_a_channel_without_a_commitment_says_so(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "regtest")
    try:
        for fundings in ((), (FUNDING,)):
            channel = Channel("key", bytes(33), 0, Policy(), id=bytes(32), fundings=fundings)
            with pytest.raises(NoCommitment, match="no commitment of the peer yet"):
                asyncio.run(shown(store, channel, True, pictures.address))
    finally:
        store.close_sync()
