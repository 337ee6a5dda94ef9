"""Is a late datum kept if it is what it says, is one learned of the chain, and does it open its provider's alone?"""

from hashlib import new, sha256
from typing import Any

import pytest
from lnpd_sdk.script import Key, Sighash
from lnpd_sdk.types import PARTIES, Party
from msgspec.structs import replace

from lnpd.channel import actions, events, witnesses
from lnpd.channel.queries import commitment_key
from lnpd.channel.state import Channel, OnChain
from lnpd.channel.witnesses import MAX_WITNESSES, supplied
from lnpd.crypto.keys import derive_secret
from lnpd.crypto.secp import sign
from lnpd.errors import CommandRefused
from lnpd.tx.adaptors import completed
from lnpd.tx.script import public_key_of
from lnpd.tx.signatures import child_digest
from lnpd.tx.transaction import Tx
from tests.channel.harness import GATED, SOLD, SUPPLIED, WITH_GATE, Node, Pair, opened
from tests.channel.vault import NAME, body
from tests.tx.children import signed_child

DATA = b"\x21" * 32
HASHES = {
    "sha256": sha256(DATA).digest(),
    "hash256": sha256(sha256(DATA).digest()).digest(),
    "ripemd160": new("ripemd160", DATA).digest(),
    "hash160": new("ripemd160", sha256(DATA).digest()).digest(),
}


def gated() -> Pair:
    return opened(WITH_GATE, Pair(*(Node(party, providers=GATED) for party in PARTIES)))


def boxed(*parties: Party) -> Pair:
    pair = gated()
    for party in parties:
        pair.command(party, events.Propose(NAME, body("put", 20_000)))
    pair.settle()
    return pair


def on_chain(pair: Pair, party: Party) -> Node:
    """The commitment of this party is in a block."""
    node = pair.nodes[party]
    pair.command(party, events.ForceClose())
    tx = node.broadcast[-1]
    node.run(events.OutputSpent(tx.inputs[0].txid, tx.inputs[0].vout, tx, 600))
    return node


def box(channel: Channel, party: Party) -> Any:
    assert isinstance(channel.phase, OnChain)
    (found,) = [r for r in channel.phase.resolutions if (r.provider, r.id, r.child) == (NAME, str(party), -1)]
    return found


@pytest.mark.parametrize("kind", HASHES)
def test_each_kind_of_hash(kind: str) -> None:
    pair = gated()
    name = f"{kind}:{HASHES[kind].hex()}"
    pair.command(0, events.PutWitness(NAME, name, DATA))
    pair.command(0, events.PutWitness(NAME, name, DATA))
    assert supplied(pair.nodes[0].channel, NAME) == {name: DATA} and len(pair.nodes[0].channel.witnesses) == 1
    assert supplied(pair.nodes[0].channel, "other") == {}
    with pytest.raises(CommandRefused, match="not what"):
        pair.command(0, events.PutWitness(NAME, name, bytes(32)))


REFUSED = {
    "another provider": events.PutWitness("other", SUPPLIED.name, SOLD),
    "another point": events.PutWitness(NAME, SUPPLIED.name, DATA),
    "no secret": events.PutWitness(NAME, SUPPLIED.name, bytes(32)),
    "too long": events.PutWitness(NAME, f"sha256:{sha256(DATA * 2).hexdigest()}", DATA * 2),
    "no name": events.PutWitness(NAME, "", DATA),
    "another kind": events.PutWitness(NAME, f"md5:{DATA.hex()}", DATA),
    "a very long name": events.PutWitness(NAME, "x" * 100_000, DATA),
}


@pytest.mark.parametrize("command", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(command: events.PutWitness) -> None:
    node = gated().nodes[0]
    with pytest.raises(CommandRefused) as refused:
        node.run(command)
    assert node.channel.witnesses == () and len(str(refused.value)) < 200


def test_too_many_leave_room_by_what_no_commitment_waits_for() -> None:
    """A channel that lives long settles more of them than it keeps; what a commitment waits for stays."""
    pair = boxed(0)
    pair.command(0, SUPPLIED)
    for number in range(2 * MAX_WITNESSES):
        data = number.to_bytes(32, "big")
        name = f"sha256:{sha256(data).hexdigest()}"
        pair.command(0, events.PutWitness(NAME, name, data))
        known = supplied(pair.nodes[0].channel, NAME)
        assert known[SUPPLIED.name] == SOLD and known[name] == data and len(known) <= MAX_WITNESSES


def test_there_is_an_end_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witnesses, "MAX_WITNESSES", 1)
    pair = boxed(0)
    pair.command(0, SUPPLIED)
    with pytest.raises(CommandRefused, match="at most 1 late data"):
        pair.command(0, events.PutWitness(NAME, f"sha256:{sha256(DATA).hexdigest()}", DATA))
    assert supplied(pair.nodes[0].channel, NAME) == {SUPPLIED.name: SOLD}


@pytest.mark.parametrize("first", [True, False], ids=["known before", "known after"])
def test_it_opens_a_child_on_the_chain(first: bool) -> None:
    pair = boxed(0)
    if first:
        pair.command(0, SUPPLIED)
    node = on_chain(pair, 0)
    if not first:
        assert (box(node.channel, 0).status, box(node.channel, 0).stage) == ("unclaimed", -1)
        node.run(SUPPLIED)
    assert (box(node.channel, 0).status, box(node.channel, 0).stage >= 0) == ("claiming", True)
    claims = [c for a in node.did if isinstance(a, actions.Claim) for c in a.claims if c.output.provider == NAME]
    assert [claim.late for claim in claims] == [((SUPPLIED.name, SOLD),)]


def test_a_child_without_an_adaptor_needs_none() -> None:
    node = on_chain(boxed(1), 1)
    assert box(node.channel, 1).status == "claiming"


def completed_child(pair: Pair) -> Tx:
    """Node 0's child of its commitment, as only the secret completes it."""
    node = pair.nodes[0]
    key = commitment_key(node.channel.fundings[0].txid, 0, node.channel.numbers[0])
    kept = node.kept(key)
    assert kept is not None and kept.signatures is not None
    (child,), (ahead,), graph = kept.graph.children, kept.signatures.children, kept.graph
    theirs = public_key_of(Key.COUNTERPARTY_HTLC, graph.keys)
    secret = derive_secret(node.signer.secrets["htlc"], graph.keys.per_commitment_point)
    digest = child_digest(graph, child, child.sighash)
    signatures = {
        Key.HOLDER_HTLC: sign(secret, child_digest(graph, child, Sighash.ALL)),
        Key.COUNTERPARTY_HTLC: completed(theirs, child, digest, ahead, {SUPPLIED.name: SOLD}),
    }
    return signed_child(graph, child, signatures)


def shown_to(pair: Pair, revoked: bool = False) -> tuple[Node, events.OutputSpent, Tx]:
    """Node 1 sees a commitment of node 0's in a block; its child comes next."""
    child, node = completed_child(pair), pair.nodes[0]
    kept = node.kept(commitment_key(node.channel.fundings[0].txid, 0, node.channel.numbers[0]))
    assert kept is not None and kept.signatures is not None
    tx = node.signer.broadcast(kept.graph, kept.signatures)
    if revoked:
        pair.command(0, events.Propose(NAME, body("take", 20_000)))
        pair.settle()
    funding = tx.inputs[0]
    pair.nodes[1].run(events.OutputSpent(funding.txid, funding.vout, tx, 600))
    spent = child.inputs[0]
    return pair.nodes[1], events.OutputSpent(spent.txid, spent.vout, child, 601), tx


def sold(node: Node) -> list[actions.SecretSold]:
    tells = (each.message for each in node.did if isinstance(each, actions.Tell))
    return [each for each in tells if isinstance(each, actions.SecretSold)]


TOLD = [actions.SecretSold(NAME, SUPPLIED.name, SOLD)]


@pytest.mark.parametrize("revoked", [False, True], ids=["the latest", "a revoked one"])
def test_a_child_that_the_peer_completes_tells_its_secret_once(revoked: bool) -> None:
    """Whatever the chain does, and however often the node is started."""
    node, seen, commitment = shown_to(boxed(0), revoked)
    assert box(node.channel, 0).status == ("claiming" if revoked else "unclaimed") and sold(node) == []
    node.run(seen)
    assert supplied(node.channel, NAME) == {SUPPLIED.name: SOLD} and sold(node) == TOLD
    node.restart()
    node.run(replace(seen, depth=6))
    node.run(events.OutputUnspent(seen.txid, seen.vout))
    node.run(replace(seen, height=603))
    funding = commitment.inputs[0]
    node.run(events.OutputUnspent(seen.txid, seen.vout))
    node.run(events.OutputUnspent(funding.txid, funding.vout))
    node.run(events.OutputSpent(funding.txid, funding.vout, commitment, 605))
    node.run(replace(seen, height=606))
    assert supplied(node.channel, NAME) == {SUPPLIED.name: SOLD} and sold(node) == TOLD


def test_a_child_that_waits_tells_its_secret_too() -> None:
    node, spent, _ = shown_to(boxed(0))
    node.run(events.SpendSeen(spent.txid, spent.vout, spent.transaction))
    assert supplied(node.channel, NAME) == {SUPPLIED.name: SOLD} and sold(node) == TOLD
    assert box(node.channel, 0).status == "unclaimed"
    node.run(spent)
    assert sold(node) == TOLD


def test_what_a_plugin_knew_is_not_told_to_it() -> None:
    pair = boxed(0)
    pair.command(1, SUPPLIED)
    node, seen, _ = shown_to(pair)
    node.run(seen)
    assert sold(node) == []


def test_another_spend_tells_nothing() -> None:
    """A penalty has a signature, too; and a signer that is wrong is not believed."""
    node, seen, _ = shown_to(boxed(0))
    (spent,) = seen.transaction.inputs
    stack = (spent.witness[1], spent.witness[1], b"\x30" * 71, b"", spent.witness[-1])
    node.run(replace(seen, transaction=seen.transaction.with_witness(0, stack)))
    assert node.channel.witnesses == () and sold(node) == []
    node.signer.sold = lambda *_: DATA  # type: ignore[method-assign]
    node.run(replace(seen, depth=6))
    assert node.channel.witnesses == () and sold(node) == []


def test_there_is_room_for_what_the_chain_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witnesses, "MAX_WITNESSES", 0)
    node, seen, _ = shown_to(boxed(0))
    node.run(seen)
    assert sold(node) == TOLD
    with pytest.raises(CommandRefused, match="at most 0 late data"):
        node.run(events.PutWitness(NAME, f"sha256:{sha256(DATA).hexdigest()}", DATA))
    assert supplied(node.channel, NAME) == {SUPPLIED.name: SOLD}, "its commitment is on the chain"


def test_it_survives_a_restart_and_a_break() -> None:
    pair = boxed(0)
    pair.command(0, SUPPLIED)
    pair.restart(0)
    pair.reconnect()
    pair.settle()
    assert supplied(pair.nodes[0].channel, NAME) == {SUPPLIED.name: SOLD}
