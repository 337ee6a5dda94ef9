"""Who can spend an output of a commitment, when, and with what? All from the paths of its compiled script.

No name of a path, a kind or a provider counts: a key says who signs, a slot what is needed, a lock when, and a child of
the commitment where a path leads that needs both sides.
"""

from collections.abc import Mapping, Sequence

from lnpd_sdk.script import InternalKey, Key, SpendPath
from lnpd_sdk.types import CommitmentKeys, Party, other

from lnpd.rpc.answers import SpendingWay
from lnpd.tx.adaptors import PREFIX, late_names
from lnpd.tx.claims import locked
from lnpd.tx.funding import FUNDING_KEYS
from lnpd.tx.graph import Child, Graph, Output
from lnpd.tx.rules import is_counterpartys

PREIMAGES = ("sha256:", "hash256:", "ripemd160:", "hash160:")
SHOWN_DIGITS = 8
NAMES: Mapping[str, tuple[str, str]] = {"us": ("us", "we"), "them": ("the peer", "the peer")}

Children = Sequence[tuple[int, Child]]


def ways(graph: Graph, output: Output, us: Party, children: Children = ()) -> tuple[SpendingWay, ...]:
    """Every way to spend an output of a commitment, or of its child; `children` are those that spend it. What comes
    soonest is first, and what a revoked state allows last."""
    found = []
    for path in output.paths:
        signers = _signers(path, graph.keys, graph.holder, us)
        through = [(index, child) for index, child in children if child.path.name == path.name]
        if through and len(signers) > 1:
            holder = _name(graph.holder, us)
            found += [_way(locked(child), (holder,), late_names(child), index) for index, child in through]
        else:
            found.append(_way(path, signers, path.late))
    return tuple(sorted(found, key=lambda way: (way.if_revoked, way.from_height, way.after_blocks)))


def funding_ways(paths: Sequence[SpendPath], us: Party) -> tuple[SpendingWay, ...]:
    """Every way to spend a funding, whose keys are named after the parties."""
    named = {name: _name(party, us) for party, name in zip((0, 1), FUNDING_KEYS, strict=True)}  # type: ignore[arg-type]  # the parties
    both = {InternalKey.MUSIG2_FUNDING: tuple(sorted(named.values(), reverse=True))}
    found = []
    for path in paths:
        signers = (name for key in path.keys for name in both.get(key, (named.get(key, key),)))  # type: ignore[call-overload]  # a key in hex is none of these
        found.append(_way(path, tuple(sorted(set(signers), reverse=True)), path.late))
    return tuple(sorted(found, key=lambda way: (way.from_height, way.after_blocks)))


def _way(path: SpendPath, by: tuple[str, ...], needs: tuple[str, ...], child: int = -1) -> SpendingWay:
    revoked = Key.REVOCATION in path.keys
    text = sentence(by, path.older, path.after, needs, revoked)
    return SpendingWay(path.name, by, text, path.older, path.after, needs, revoked, child)


def _signers(path: SpendPath, keys: CommitmentKeys, holder: Party, us: Party) -> tuple[str, ...]:
    """Who has to sign, ourselves first: a key that no side is known to have stands for itself."""
    named = []
    for key in path.keys:
        if key in frozenset(Key):
            named.append(_name(other(holder) if is_counterpartys(key, keys) else holder, us))
        else:
            named.append(str(key))
    return tuple(sorted(set(named), key=lambda name: ("us", "them", name).index(name)))


def _name(party: Party, us: Party) -> str:
    return "us" if party == us else "them"


# For a person


def sentence(by: Sequence[str], after_blocks: int, from_height: int, needs: Sequence[str], revoked: bool) -> str:
    """One way in words: "the peer with the preimage of 3f2a91b0, after 1 block"."""
    with_what = " and ".join(_needed(name) for name in needs)
    when = [
        *([f"after {after_blocks} block{'s' if after_blocks > 1 else ''}"] if after_blocks else []),
        *([f"from height {from_height:,}"] if from_height else []),
    ]
    timing = " and ".join(when) or ("" if needs else "together" if len(by) > 1 else "at once")
    return " ".join(part for part in (who(by), with_what, timing) if part) + (", if this state is revoked" * revoked)


def who(by: Sequence[str]) -> str:
    """Those who sign."""
    return (
        " and ".join(NAMES[name][0] if name in NAMES else f"the key {name[:SHOWN_DIGITS]}" for name in by) or "anyone"
    )


def _needed(name: str) -> str:
    kind, _, digits = name.partition(":")
    if name.startswith(PREIMAGES):
        return f"with the preimage of {digits[:SHOWN_DIGITS]}"
    return (
        f"with the secret of {digits[:SHOWN_DIGITS]}"
        if name.startswith(PREFIX)
        else f"with {kind} {digits[:SHOWN_DIGITS]}"
    )
