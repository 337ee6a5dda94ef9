"""Are mutated messages what they are meant to be, and would a failure of a node be noticed?"""

import asyncio
import logging
from pathlib import Path
from random import Random

import pytest

from lnpd.errors import LnpdError
from lnpd.services.channels.service import Channels
from lnpd.wire.catalogue import CORE
from lnpd.wire.message import decode, encode
from lnpd.wire.messages import CommitmentSigned, UpdateFee
from tests.fuzz import mutations, witness
from tests.fuzz.mutations import invented, mutated, spans
from tests.fuzz.runs import run

FEE = encode(UpdateFee(channel_id=bytes(32), feerate_per_kw=253))
SIGNED = encode(CommitmentSigned(channel_id=bytes(32), signature=bytes(64), htlc_signature=(b"\1" * 64, b"\2" * 64)))


def test_fields_are_found_where_they_are() -> None:
    assert [(s.field.name, s.begin, s.end) for s in spans(FEE)[0]] == [
        ("channel_id", 2, 34),
        ("feerate_per_kw", 34, 38),
    ]
    found, end = spans(SIGNED)
    assert [(s.field.name, s.end - s.begin, s.counts) for s in found] == [
        ("channel_id", 32, False), ("signature", 64, False), ("num_htlcs", 2, True), ("htlc_signature", 128, False),
    ]  # fmt: skip
    assert end == len(SIGNED)


def test_a_number_goes_to_its_ends_and_the_rest_stays() -> None:
    chance = Random(1)
    sent = {mutations.at_a_boundary(chance, FEE)[0] for _ in range(500)}
    rates = {int.from_bytes(each[34:38], "big") for each in sent if each[:34] == FEE[:34]}
    assert {0, 1, 252, 254, (1 << 32) - 1} <= rates


def test_every_row_is_invented_and_most_of_it_is_understood() -> None:
    chance, understood = Random(2), set()
    for row in CORE.numbers.values():
        for _ in range(50):
            data = invented(chance, row, (bytes(32),))
            for each in (data, *mutated(chance, data)):
                assert len(each) <= 65535
                try:
                    decode(each)
                    understood.add(int.from_bytes(each[:2], "big"))
                except LnpdError:
                    pass
    assert len(understood & set(CORE.numbers)) > len(CORE.numbers) * 3 // 4


def test_a_failure_that_is_logged_is_found() -> None:
    with witness.no_failures():
        logging.getLogger("lnpd.peers").warning("a named one is none", exc_info=LnpdError("a broken rule"))
    with pytest.raises(AssertionError, match="it broke"), witness.no_failures():
        logging.getLogger("lnpd.peers").error("it broke")
    with pytest.raises(AssertionError, match="unnamed"), witness.no_failures():
        logging.getLogger("lnpd.peers").warning("unnamed", exc_info=KeyError("a defect"))


def test_growth_is_found() -> None:
    growth, held = witness.Growth(3), []
    growth.count()
    growth.check()
    held.append(bytearray(2 * witness.MOST_GROWTH_BYTES))
    held[0][:] = b"\1" * len(held[0])
    with pytest.raises(AssertionError, match="more than after the first third"):
        growth.check()


def test_a_defect_of_a_node_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pbk")  # the embedded chain
    true = Channels.messages

    async def careless(self: Channels, node_id: bytes, link: object, batch: list[object]) -> None:
        for message in batch:
            if isinstance(message, UpdateFee):
                raise ZeroDivisionError("a feerate of 0")
        await true(self, node_id, link, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Channels, "messages", careless)
    with pytest.raises(AssertionError, match="could not be handled"):
        asyncio.run(run(tmp_path, "messages", ("planted",), 300))
