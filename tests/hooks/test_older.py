"""Does a plugin that was made for an older version of the contract understand what it is asked?"""

import asyncio

import msgspec
import pytest
from lnpd_sdk import envelope
from lnpd_sdk.envelope import CONTRACT_VERSION, BadFrame
from lnpd_sdk.questions import ProviderQuestion
from lnpd_sdk.types import OutputSpec, Phase, ProviderSpec, SealedOutput, Transaction, View
from msgspec.structs import replace

from lnpd.hooks.answers import PENDING, Answers
from lnpd.hooks.older import PARTIES_SINCE, transaction_for
from lnpd.tx.graph import ProviderCall

VIEW = View(bytes(32), 0, 1_000_000, 0, 1, 253, (354, 354), (144, 144), (500_000_000, 500_000_000), ())
OUTPUTS = (SealedOutput(0, b"carrier"), SealedOutput(5, b"a", party=0), SealedOutput(6, b"b", party=1))
CLOSE = Transaction("close", OUTPUTS)
SPEC = ProviderSpec("old", (1,), (Phase("seal"),), seal_length=4, seals=("close",))


class OldOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """SealedOutput, as version 2 has it."""

    value_sat: int
    script_pubkey: bytes
    spec: OutputSpec | None = None


class OldTransaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Transaction, made of those."""

    purpose: str
    outputs: tuple[OldOutput, ...]
    txid: bytes = b""
    parent: "OldTransaction | None" = None
    vout: int = 0
    claimant: int | None = None


OLD = tuple[View, bytes, OldTransaction]


def asked(contract: int, transaction: Transaction = CLOSE) -> msgspec.Raw:
    """What a plugin of this version is asked, as it travels; the answer is taken for that to the question as it is."""
    answers, seen = Answers(), list[msgspec.Raw]()

    async def ask(question: ProviderQuestion) -> bytes:
        seen.append(question.arguments)
        return envelope.encode(b"four")

    answers.add(SPEC, ask, contract=contract)
    call = ProviderCall("old", 1, "seal", (VIEW, b"", transaction))
    assert answers.answer_now(call) is PENDING
    assert asyncio.run(answers.answer(call)) == answers.answer_now(call) == b"four"
    return seen[0]


def test_an_older_plugin_is_not_told_whose_an_output_of_a_close_is() -> None:
    _, _, close = envelope.decode(asked(PARTIES_SINCE - 1), OLD)
    assert [each.value_sat for each in close.outputs] == [0, 5, 6]
    told = asked(CONTRACT_VERSION)
    assert envelope.decode(told, tuple[View, bytes, Transaction])[2] == CLOSE
    with pytest.raises(BadFrame, match="unknown field `party`"):
        envelope.decode(told, OLD)


def test_of_other_transactions_it_is_told_all() -> None:
    commitment = Transaction("commitment", (SealedOutput(0, b"carrier"),), bytes(32))
    claim = Transaction("claim", (SealedOutput(0, b"carrier"),), parent=commitment, claimant=1)
    assert transaction_for(1, claim) is claim
    assert envelope.decode(asked(1, claim), OLD)[2].claimant == 1
    assert transaction_for(1, CLOSE).outputs == tuple(replace(each, party=None) for each in OUTPUTS)


def test_a_declaration_says_nothing_new_that_an_older_node_would_refuse() -> None:
    told = envelope.decode(envelope.encode(replace(SPEC, seals=(), seal_length=0)), dict)
    assert told.keys() == {"name", "formats", "phases"}
