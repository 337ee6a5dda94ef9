"""Whatever single field of a commitment is altered: is it refused by name, or is what gets signed the same?"""

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from lnpd_sdk.types import ACCEPTOR, OPENER

from lnpd.errors import LnpdError, SignerRefused
from lnpd.services.signer.refusals import Rule
from lnpd.services.signer.service import KeySigner
from lnpd.tx.graph import Graph
from tests.services.signer.signers import keys_from, run_now
from tests.services.signer.world import ME, World

# Nothing that is signed depends on these: names for people, and what the signer derives itself from the scripts.
UNSIGNED = {
    "outputs/#/provider",
    "outputs/#/id",
    "outputs/#/kind",
    "outputs/#/paths",
    "outputs/#/script",  # a template's parameters that it does not use
    "outputs/#/cltv_expiry",
    "outputs/#/debits_msat",
    "outputs/#/claim_seals",  # a claim can carry no more by them than 0 sat in an OP_RETURN of the agreed length
    "children/#/provider",
    "children/#/id",
    "children/#/kind",
    "children/#/outputs",
    "children",  # the first child once more
    "digests",
    "digests/#/#",
    "feerate_per_kw",
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something can be altered."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(below, (*path, key))


def as_plain(value: Any) -> Any:
    """Values as dictionaries and lists, with the fields that encodings leave out."""
    if isinstance(value, msgspec.Struct):
        tag = type(value).__struct_config__.tag
        fields = {key: as_plain(below) for key, below in msgspec.structs.asdict(value).items()}
        return fields | ({"type": tag} if tag else {})
    return [as_plain(below) for below in value] if isinstance(value, tuple) else value


def alterations(value: Any) -> tuple[Any, ...]:
    """What stands there instead."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return value + 1, value - 1, value + (1 << 33), -value
    if isinstance(value, bytes):
        return bytes(len(value)), value[:-1], value + b"\1"
    if isinstance(value, str):
        return value + "x", ""
    if isinstance(value, list):
        return value[:-1], value + value[:1], []
    return ()


def altered(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """The graph with one field altered, and the field's name."""
    plain = as_plain(graph)
    for path in places(plain):
        holder = plain
        for key in path[:-1]:
            holder = holder[key]
        name = "/".join(key if isinstance(key, str) else "#" for key in path)
        for other in alterations(holder[path[-1]]):
            changed = copy.deepcopy(plain)
            holder_of = changed
            for key in path[:-1]:
                holder_of = holder_of[key]
            holder_of[path[-1]] = other
            try:
                wrong = msgspec.convert(changed, Graph)
            except msgspec.ValidationError:
                continue  # no such graph can be given to a signer
            if wrong != graph:
                yield name, wrong


def test_an_altered_commitment_is_refused_or_signed_as_if_it_were_not() -> None:
    async def story() -> Counter[str]:
        world = await World.made()
        graph, revealed = await world.next(), world.pair.secret(ACCEPTOR, 0)
        rows = world.pair.rows(OPENER)
        world.pair.keep(OPENER, await world.signer.prepare_commitment(ME, graph, revealed))
        good = await world.signer.sign_commitment(ME, graph)
        outcomes: Counter[str] = Counter()
        keys = keys_from(1)
        for name, wrong in altered(graph):
            signer = KeySigner(keys, rows)
            await signer.resume_channel(ME, 1, 1)
            try:
                await signer.prepare_commitment(ME, wrong, revealed)
                signed = await signer.sign_commitment(ME, wrong)
            except LnpdError as refused:
                assert isinstance(refused, SignerRefused), (name, refused)
                outcomes[refused.rule] += 1
                continue
            outcomes["signed"] += 1
            assert any(name == free or name.startswith(f"{free}/") for free in UNSIGNED), name
            assert signed.commitment == good.commitment, name
            assert set(signed.children) <= set(good.children), name
        return outcomes

    outcomes = run_now(story())
    print(outcomes)
    assert sum(outcomes.values()) > 800
    assert outcomes["signed"] < sum(outcomes.values()) * 2 // 3
    assert {Rule.WRONG_KEYS, Rule.WRONG_SCRIPT, Rule.WRONG_AMOUNTS, Rule.WRONG_CHILD, Rule.RULE_3} <= outcomes.keys()
