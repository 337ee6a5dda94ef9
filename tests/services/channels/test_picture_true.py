"""Is what a picture says true? Of every shape of commitment, by the consensus rules and by what the node itself does.

Each way to spend an output is taken as the picture tells it: by the keys of those whom it names, with what it says they
need, at the very lock. The kernel takes it; a block earlier, or without what is needed, it cannot be done. And what the
node plans for either party, on either commitment, revoked or not, whatever is known, is the first way of the picture.
"""

from collections.abc import Callable, Iterator
from hashlib import new, sha256
from itertools import chain, combinations
from typing import Any, Final

import msgspec
import pytest
from lnpd_sdk.envelope import encode
from lnpd_sdk.script import DataCarrier, Sighash, SignatureSlot
from lnpd_sdk.types import Party, Provider, other
from msgspec.structs import replace

from lnpd.chain.verify import first_failure
from lnpd.channel.queries import Kept
from lnpd.channel.state import Base, Channel, Policy
from lnpd.crypto.secp import public_key
from lnpd.errors import ScriptRefused, WitnessIncomplete
from lnpd.providers.types import pin, with_extensions
from lnpd.rpc.answers import Commitment, CommitmentOutput, SpendingWay
from lnpd.services.channels.picture import drawn
from lnpd.tx.adaptors import completed
from lnpd.tx.claims import Confirmed, plan
from lnpd.tx.funding import compiled_of, funding_output, make_funding
from lnpd.tx.graph import ChannelType, Child, CommitmentSignatures, Graph, Output
from lnpd.tx.mains import filled_mains, with_mains
from lnpd.tx.miniscript import compile_expression
from lnpd.tx.script import public_key_of
from lnpd.tx.signatures import (
    child_digest,
    counterparty_key,
    input_digest,
    presign_child,
    sign_path,
    witness,
)
from lnpd.tx.states import HtlcState, encode_state
from lnpd.tx.sweeps import RBF_SEQUENCE
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.channel.sealed import Sealer
from tests.channel.vault import GatedVault
from tests.cli.render.pictures import PEER, address
from tests.plugins.treebox import Treebox
from tests.plugins.two_parties import PLUGINS, TYPES, built, commitment, load, secrets_of
from tests.tx import simple_taproot
from tests.tx.bolt3 import FUNDING, HTLCS, PREIMAGES, SECRETS

SOLD, THIRD = b"\x5a" * 32, b"\x61" * 32
THIRD_KEY = public_key(THIRD).hex()
DESTINATION = b"\0\x14" + bytes(20)
HEIGHT = 600
KNOWN: Final = {  # all that anybody could know, by name
    **{f"sha256:{sha256(each).hexdigest()}": each for each in PREIMAGES.values()},
    **{f"hash160:{new('ripemd160', sha256(each).digest()).hexdigest()}": each for each in PREIMAGES.values()},
    f"adaptor:{public_key(SOLD).hex()}": SOLD,
}
NAMES: Final = {"us": 0, "them": 1}

recovery: Any = load(PLUGINS / "examples" / "recovery.py")
presigned: Any = load(PLUGINS / "examples" / "presigned.py")
memo: Any = load(PLUGINS / "examples" / "memo.py")
lockbox: Any = load(PLUGINS / "lockbox.py")
note: Any = load(PLUGINS / "note.py")


# --- the shapes


def shape(
    kind: ChannelType, holder: Party, *providers: Provider, state: bytes = b"", htlcs: tuple[int, ...] = (0, 1, 3, 5)
) -> Graph:
    """A holder's commitment of a type with HTLCs both ways, of which one of 1,000 sat is too small for an output."""
    spec = commitment(kind, state, holder, dust_limit_sat=(1_500, 1_500))
    ordered = tuple(sorted((HTLCS[n] for n in htlcs), key=lambda htlc: (htlc.offerer, htlc.id)))
    states = dict(spec.states)
    if "htlc" in states:
        states["htlc"] = encode_state(HtlcState((0, 0), ordered))
    return built(replace(spec, states=tuple(states.items())), *providers)


def extended(provider: Provider, base: str, state: bytes = b"") -> Callable[[Party], Graph]:
    kind = with_extensions(TYPES[base], (pin(provider.spec, 1),))
    return lambda holder: shape(kind, holder, provider, state=state)


def own_scripts(holder: Party) -> Graph:
    """A plugin's type: its funding and its balances have a third way, by a key that both nodes' plugins name."""
    keys = {"recovery_key": public_key(THIRD)}
    kind = with_mains(TYPES["anchors"], filled_mains(recovery.MAIN, keys))
    provider = recovery.Recovery()
    graph = shape(with_extensions(kind, (pin(provider.spec, 1),)), holder, provider)
    expression = replace(recovery.SPEC.script, expression=recovery.FUNDING.replace("recovery_key", THIRD_KEY))
    funding = make_funding(FUNDING.txid, FUNDING.vout, FUNDING.capacity_sat, FUNDING.funding_keys, expression)
    return replace(graph, funding=funding)


def trees(holder: Party) -> Graph:
    kind = simple_taproot.TYPE
    funding = make_funding(FUNDING.txid, FUNDING.vout, FUNDING.capacity_sat, FUNDING.funding_keys, kind.funding)
    spec = commitment(kind, b"", holder, funding=funding)
    ordered = tuple(sorted((HTLCS[n] for n in (1, 3)), key=lambda htlc: (htlc.offerer, htlc.id)))
    state = encode_state(HtlcState((0, 0), ordered))
    spec = replace(spec, states=(*spec.states, ("htlc", state)))
    return built(spec, simple_taproot.SimpleTaproot())


BOX = encode(lockbox.State((lockbox.Box(0, 0, 25_000), lockbox.Box(1, 1, 31_000)), (1, 1)))
VAULT = msgspec.msgpack.encode((40_000, 30_000))
SHAPES: Final[dict[str, Callable[[Party], Graph]]] = {
    "static_remotekey": lambda holder: shape(TYPES["static_remotekey"], holder),
    "anchors": lambda holder: shape(TYPES["anchors"], holder),
    "nothing in flight": lambda holder: shape(TYPES["anchors"], holder, htlcs=()),
    "lockbox": extended(lockbox.Lockbox(), "anchors", BOX),
    "note": extended(note.Note(), "static_remotekey", b"my note"),
    "memo": extended(memo.Memo(), "static_remotekey"),
    "presigned": extended(presigned.Presigned(), "anchors", encode((25_000, 40_000))),
    "gated, for a secret": extended(GatedVault(sold=SOLD), "anchors", VAULT),
    "gated": extended(GatedVault(), "static_remotekey", VAULT),
    "sealed": extended(Sealer("second_stage", "claim"), "static_remotekey"),
    "trees beside": extended(Treebox(), "anchors", encode((25_000, 40_000))),
    "trees alone": trees,
    "own scripts": own_scripts,
}
both_sides: Any = pytest.mark.parametrize(("us", "holder"), [(0, 0), (0, 1), (1, 0), (1, 1)])
all_shapes: Any = pytest.mark.parametrize("name", SHAPES)


def pictured(graph: Graph, us: Party) -> Commitment:
    """As the RPC answers it to a party; whose bytes a claim carries follows from the channel's type."""
    sealer = Sealer("claim").spec if any(any(each.claim_seals) for each in graph.outputs) else None
    kind = with_extensions(TYPES["anchors"], (pin(sealer, 1),)) if sealer else TYPES["anchors"]
    channel = Channel(
        "key", PEER, us, Policy(), id=bytes(32), fundings=(graph.funding,), channel_type=kind,
        numbers=(42, 42), base=Base((0, 0), ()),
    )  # fmt: skip
    return drawn(channel, Kept(graph, CommitmentSignatures(bytes(64))), address)


def party_of(name: str, us: Party) -> Party:
    return us if name == "us" else other(us)


def places(graph: Graph, picture: Commitment) -> Iterator[tuple[CommitmentOutput, Output, bytes, int]]:
    """Each output that is drawn, the node's own of it, the transaction's id, and the child that it is of, or -1."""
    for shown, output in zip(picture.outputs, graph.outputs, strict=True):
        yield shown, output, graph.tx.txid, -1
    for index, (drawn_child, child) in enumerate(zip(picture.children, graph.children, strict=True)):
        for shown, output in zip(drawn_child.outputs, child.outputs, strict=True):
            yield shown, output, child.tx.txid, index


# --- what consensus says


def secrets(way: SpendingWay, graph: Graph, us: Party) -> dict[str, bytes]:
    """Of those whom the picture names, and nobody else's; a revoked state's only where the picture says so."""
    found: dict[str, bytes] = {}
    for name in way.by:
        if name in NAMES:
            found |= secrets_of(party_of(name, us), graph.holder, revoked=way.if_revoked)
        else:
            found |= {name: {THIRD_KEY: THIRD}[name]}
    return found


def spends(
    way: SpendingWay, output: Output, txid: bytes, keys: dict[str, bytes], early: int = 0, late: int = 0
) -> bool:
    """Whether the kernel takes the output by this way; `early` blocks before its lock, `late` below its height."""
    (path,) = [each for each in output.paths if each.name == way.path]
    sequence = way.after_blocks - early if way.after_blocks else RBF_SEQUENCE
    tx = Tx((TxIn(txid, 0, sequence),), (TxOut(output.value_sat, DESTINATION),), way.from_height - late)
    spent = (TxOut(output.value_sat, output.script_pubkey),)
    slots = [slot for slot in path.witness if isinstance(slot, SignatureSlot)]
    signatures = {
        slot.key: sign_path(keys[slot.key], path, input_digest(tx, 0, path, output.witness_script, spent, slot.sighash))
        for slot in slots
    }
    stack = witness(path, output.witness_script, signatures, {name: KNOWN[name] for name in way.needs})
    return first_failure(tx.with_witness(0, stack).serialise(), [(output.value_sat, output.script_pubkey)]) is None


@all_shapes
@both_sides
def test_each_way_is_possible_as_it_is_told_and_not_earlier(name: str, us: Party, holder: Party) -> None:
    graph = SHAPES[name](holder)
    picture, count = pictured(graph, us), 0
    for shown, output, txid, _ in places(graph, picture):
        assert (shown.amount_sat, shown.script) == (output.value_sat, output.script_pubkey.hex())
        for way in (way for way in shown.ways if way.child < 0):
            keys = secrets(way, graph, us)
            assert spends(way, output, txid, keys), way
            assert not way.after_blocks or not spends(way, output, txid, keys, early=1), way
            assert not way.from_height or not spends(way, output, txid, keys, late=1), way
            _needs_all(way, output, txid, graph, us)
            count += 1
        assert isinstance(output.script, DataCarrier) == (not shown.ways)
    assert count >= 2


def _needs_all(way: SpendingWay, output: Output, txid: bytes, graph: Graph, us: Party) -> None:
    """Nobody whom the picture does not name can do it, nor without what it says is needed."""
    for missing in way.needs:
        with pytest.raises(WitnessIncomplete):
            spends(
                replace(way, needs=tuple(n for n in way.needs if n != missing)), output, txid, secrets(way, graph, us)
            )
    for other_party in (name for name in NAMES if way.by and name not in way.by):
        with pytest.raises(KeyError):
            spends(way, output, txid, secrets(replace(way, by=(other_party,), if_revoked=False), graph, us))
    if way.if_revoked:
        with pytest.raises(KeyError):
            spends(way, output, txid, secrets(replace(way, if_revoked=False), graph, us))


@all_shapes
@both_sides
def test_each_child_is_what_its_way_says(name: str, us: Party, holder: Party) -> None:
    graph = SHAPES[name](holder)
    picture = pictured(graph, us)
    taken = [(shown.index, way) for shown in picture.outputs for way in shown.ways if way.child >= 0]
    assert sorted(way.child for _, way in taken) == list(range(len(graph.children)))
    for vout, way in taken:
        child, drawn_child = graph.children[way.child], picture.children[way.child]
        assert (child.vout, drawn_child.vout, drawn_child.kind) == (vout, vout, child.kind)
        sequence = child.tx.inputs[0].sequence
        assert sequence <= 0xFFFF or sequence >= 1 << 31, "it waits for blocks, or for nothing (BIP 68)"
        assert way.after_blocks == drawn_child.after_blocks == (sequence if sequence <= 0xFFFF else 0)
        assert way.from_height == drawn_child.from_height == child.tx.locktime < 500_000_000
        assert [party_of(each, us) for each in way.by] == [holder], "the other one has signed ahead"
        stack = _signed(graph, child, {each: KNOWN[each] for each in way.needs})
        parent = graph.outputs[vout]
        tx = child.tx.with_witness(0, stack)
        assert first_failure(tx.serialise(), [(parent.value_sat, parent.script_pubkey)]) is None
        for missing in way.needs:
            with pytest.raises(WitnessIncomplete):
                _signed(graph, child, {each: KNOWN[each] for each in way.needs if each != missing})


def _signed(graph: Graph, child: Child, late: dict[str, bytes]) -> tuple[bytes, ...]:
    """The holder's signature, and the other one's, made ahead for whatever it sells."""
    holder = graph.holder
    theirs, ours = counterparty_key(graph, child), secrets_of(holder, holder)
    digest = child_digest(graph, child, child.sighash)
    ahead = presign_child(secrets_of(other(holder), holder)[theirs], child, digest)
    signatures = {theirs: completed(public_key_of(theirs, graph.keys), child, digest, ahead, late)}
    for key in (key for key in child.path.keys if key != theirs):
        signatures[key] = sign_path(ours[key], child.path, child_digest(graph, child, Sighash.ALL))
    return witness(child.path, graph.outputs[child.vout].witness_script, signatures, late)


# --- what the node does


def told(
    picture: Commitment, shown: CommitmentOutput, party: Party, us: Party, revoked: bool, known: frozenset[str]
) -> SpendingWay | None:
    """By the picture, the first way that a party has alone."""
    ways = [
        way for way in shown.ways
        if [NAMES.get(each) for each in way.by] == [0 if party == us else 1]
        and (revoked or not way.if_revoked) and known.issuperset(way.needs)
    ]  # fmt: skip
    return min(ways, key=lambda way: (way.after_blocks, way.from_height), default=None)


@all_shapes
@both_sides
def test_what_the_node_takes_is_what_the_picture_says(name: str, us: Party, holder: Party) -> None:
    graph = SHAPES[name](holder)
    picture = pictured(graph, us)
    names = sorted({need for shown, *_ in places(graph, picture) for way in shown.ways for need in way.needs})
    for known in map(frozenset, chain.from_iterable(combinations(names, n) for n in range(len(names) + 1))):
        for party, revoked in ((0, False), (1, False), (other(holder), True)):
            _agrees(graph, picture, party, us, revoked, known)  # type: ignore[arg-type]  # 0 and 1 are the parties


def _agrees(graph: Graph, picture: Commitment, party: Party, us: Party, revoked: bool, known: frozenset[str]) -> None:
    late = {name: KNOWN[name] for name in known}
    for child in range(-1, len(graph.children)):
        confirmed = Confirmed(graph, HEIGHT, bytes(32), child)
        claims = {each.vout: each for each in plan(confirmed, party, "revoked" if revoked else "latest", late).claims}
        outputs = picture.outputs if child < 0 else picture.children[child].outputs
        for shown in outputs:
            way, claim = told(picture, shown, party, us, revoked, known), claims.pop(shown.index, None)
            assert (way is None) == (claim is None), (shown, claim)
            if way is None or claim is None:
                continue
            done = (claim.path.older, claim.path.after, {n for n, _ in claim.late}, claim.stage)
            assert (way.after_blocks, way.from_height, set(way.needs), way.child) == done
            if not any(each.needs for each in shown.ways):
                rivals = [told(picture, shown, other(party), us, revoked and party == graph.holder, known)]
                heights = [max(HEIGHT + each.after_blocks, each.from_height) for each in rivals if each]
                assert claim.rival_height == min(heights, default=0)
            assert bool(claim.seal) == (bool(shown.claim_sealed_by) and way.child < 0)
        assert not claims, "the node takes what is not drawn"


# --- the funding, what is missing, and times


@all_shapes
@both_sides
def test_who_can_spend_the_funding(name: str, us: Party, holder: Party) -> None:
    graph = SHAPES[name](holder)
    funding, compiled = graph.funding, compiled_of(graph.funding)
    for way in pictured(graph, us).funding_ways:
        (path,) = [each for each in compiled.paths if each.name == way.path]
        keys = {f"{who}_funding": SECRETS[f"{who}_funding"] for who in ("opener", "acceptor")}
        if not {"us", "them"} & set(way.by):
            keys = {THIRD_KEY: THIRD}
        if any(key not in keys for key in path.keys):
            assert path.taproot and set(way.by) == {"us", "them"}, "both at once: MuSig2 is another test's"
            continue
        for sequence in (way.after_blocks or RBF_SEQUENCE, *((way.after_blocks - 1,) if way.after_blocks else ())):
            tx = Tx((TxIn(funding.txid, funding.vout, sequence),), (TxOut(1_000, DESTINATION),), way.from_height)
            digest = input_digest(tx, 0, path, compiled.witness_script, (funding_output(funding),))
            signatures = {key: sign_path(keys[key], path, digest) for key in path.keys}
            signed = tx.with_witness(0, witness(path, compiled.witness_script, signatures, {}))
            taken = first_failure(signed.serialise(), [(funding.capacity_sat, compiled.script_pubkey)]) is None
            assert taken == (sequence >= way.after_blocks)


@both_sides
def test_an_htlc_is_drawn_or_named_as_too_small(us: Party, holder: Party) -> None:
    for name in ("static_remotekey", "anchors"):
        graph = SHAPES[name](holder)
        picture = pictured(graph, us)
        drawn_ids = {each.id for each in picture.outputs if each.provider == "htlc"}
        small = {each.id for each in picture.trimmed}
        assert drawn_ids | small == {f"{HTLCS[n].offerer}/{HTLCS[n].id}" for n in (0, 1, 3, 5)}
        assert "1/0" in small and not drawn_ids & small
        assert picture.fee_sat + sum(each.amount_sat for each in picture.outputs) == picture.capacity_sat


TIMES = ("older(4194305)", "older(4259840)", "older(65536)", "after(500000000)", "after(1800000000)")


@pytest.mark.parametrize("lock", TIMES)
@pytest.mark.parametrize("taproot", [False, True])
def test_no_script_waits_for_a_time_so_that_blocks_and_heights_are_all_there_is(lock: str, taproot: bool) -> None:
    from lnpd.tx.names import Names

    with pytest.raises(ScriptRefused, match="is not a"):
        compile_expression(f"and_v(v:pk({THIRD_KEY}),{lock})", Names((), ()), taproot)  # type: ignore[arg-type]
