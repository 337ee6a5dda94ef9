"""What does a miniscript (in P2WSH, or in a leaf of taproot) compile to, and what is every way to satisfy it?

The library embit parses, types and assembles; its parsed tree is walked here. An enumerated way needs a smallest set
of signatures, late data and locks: whoever can spend the script at all can do so with one of them, because a
dissatisfaction never needs any of these (property `d` of miniscript), and what needs more than another is dropped.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from itertools import combinations
from math import comb
from typing import Any, Final, NamedTuple  # Any: embit ships no types

from embit.descriptor.miniscript import Miniscript as Node
from embit.hashes import hash160, ripemd160
from lnpd_sdk.nearest import nearest
from lnpd_sdk.script import BytesSlot, LateSlot, SignatureSlot, Slot, SpendPath

from lnpd.crypto.secp import check_point
from lnpd.errors import InvalidPoint, ScriptRefused
from lnpd.tx.names import Names

MAX_EXPRESSION: Final = 2000  # characters
MAX_DEPTH: Final = 40
MAX_VERIFIES: Final = 8  # embit assembles what is under a v: up to three times
MAX_PATHS: Final = 64
MAX_SCRIPT: Final = 3600  # bytes: standardness of P2WSH, as the next two
MAX_WITNESS_ITEMS: Final = 99
MAX_OPCODES: Final = 201  # consensus, of P2WSH
MAX_BLOCKS: Final = 0xFFFF
FIRST_TIMESTAMP: Final = 500_000_000

_WORD: Final = re.compile(r"[a-z0-9_]+")
_ARGUMENT: Final = re.compile(r"[(,]([a-z0-9_]+)(?=[,)])")
_NUMBER_OR_HEX: Final = re.compile(r"[0-9]+|(?:[0-9a-f]{2})+")
_LETTERS: Final = re.compile(r"[a-z0-9_:(),]*")
_EMPTY: Final[Slot] = BytesSlot(b"")
_ONE: Final[Slot] = BytesSlot(b"\x01")
_REFUSED_FRAGMENTS: Final = {  # by whether it is a leaf of taproot
    False: frozenset({"sortedmulti", "multi_a", "sortedmulti_a"}),
    True: frozenset({"sortedmulti", "multi", "sortedmulti_a"}),
}

Slots = tuple[Slot, ...]


class Way(NamedTuple):
    """One satisfaction: the witness, bottom first, and the locks that it waits for."""

    witness: Slots = ()
    older: int = 0
    after: int = 0


class Ways(NamedTuple):
    """All satisfactions of a fragment, and one dissatisfaction that needs nothing, if there is one."""

    satisfied: tuple[Way, ...]
    dissatisfied: Slots | None = None


@lru_cache(maxsize=512)
def compile_expression(expression: str, names: Names, taproot: bool = False) -> tuple[bytes, tuple[SpendPath, ...]]:
    """The witness script, or with `taproot` the leaf's script, and every way to spend it, at most 64.

    Raises ScriptRefused: malformed, ill-typed, time-based locks, unknown key forms, or beyond a bound.
    """
    tree = _parse(_with_points(_checked(expression), names), taproot)
    _check_sound(tree)
    script = bytes(tree.compile())
    _check_size(tree, script)
    satisfied = _enumerate(tree, names).satisfied
    if any(len(way.witness) > MAX_WITNESS_ITEMS for way in satisfied):
        raise ScriptRefused(f"A way to spend {expression[:100]} needs more than {MAX_WITNESS_ITEMS} witness items.")
    return script, _named_paths(satisfied)


def _with_points(expression: str, names: Names) -> str:
    points = dict(names.points)
    for word in _ARGUMENT.findall(expression):
        if word not in points and not _NUMBER_OR_HEX.fullmatch(word):
            raise ScriptRefused(f"There is no key {word[:40]!r} here{nearest(word, points) or _listed(points)}")
    return _WORD.sub(lambda match: points[match[0]].hex() if match[0] in points else match[0], expression)


def _listed(points: Mapping[str, bytes]) -> str:
    return f"; there are {', '.join(points)}" if points else ""


def _checked(expression: str) -> str:
    if len(expression) > MAX_EXPRESSION:
        raise ScriptRefused(f"A miniscript has at most {MAX_EXPRESSION} characters, not {len(expression)}.")
    if not _LETTERS.fullmatch(expression):
        raise ScriptRefused("A miniscript holds lower-case fragments, key names, hex, and numbers, without spaces.")
    return expression


def _parse(expression: str, taproot: bool) -> Any:
    stream = BytesIO(expression.encode())
    try:
        tree = Node.read_from(stream, taproot=taproot)
        tree.verify()
    except Exception as error:  # embit raises errors of many kinds for bad input
        raise ScriptRefused(f"{expression[:100]} is not a well-typed miniscript: {error}") from None
    if stream.read(1) or tree.type != "B":
        raise ScriptRefused(f"{expression[:100]} is not one miniscript of type B.")
    return tree


# Soundness, beyond embit's own checks


def _children(node: Any) -> list[Any]:
    return [argument for argument in node.args if isinstance(argument, Node)]


def _fragment(node: Any) -> str:
    """`or_d`, `older`; a wrapper is its letter and a colon."""
    return f"{node.op}:" if hasattr(node, "op") else str(node.NAME)


def _check_sound(node: Any, depth: int = 0, verifies: int = 0) -> None:
    fragment = _fragment(node)
    verifies += fragment == "v:"
    if depth > MAX_DEPTH or verifies > MAX_VERIFIES:
        raise ScriptRefused(f"A miniscript is nested at most {MAX_DEPTH} deep, and v: at most {MAX_VERIFIES} deep.")
    if fragment in _REFUSED_FRAGMENTS[node.taproot]:
        raise ScriptRefused(f"{fragment} has no place in {'a leaf of taproot' if node.taproot else 'P2WSH'}.")
    if fragment == "older" and not 1 <= node.arg.num <= MAX_BLOCKS:
        raise ScriptRefused(f"older({node.arg.num}) is not a number of blocks from 1 to {MAX_BLOCKS} (BIP 68).")
    if fragment == "after" and not 1 <= node.arg.num < FIRST_TIMESTAMP:
        raise ScriptRefused(f"after({node.arg.num}) is not a block height.")
    if fragment in ("andor", "and_n") and not {"d", "u"} <= set(node.args[0].properties):
        raise ScriptRefused(f"The first argument of {fragment} must be dissatisfiable and leave exactly 1.")
    if fragment == "t:" and node.arg.type != "V":
        raise ScriptRefused("The argument of t: must be of type V.")
    if fragment in ("multi", "multi_a") and len(node.args) > 21:
        raise ScriptRefused(f"{fragment} takes at most 20 keys.")
    for key in _keys(node):
        _point(key)
    for child in _children(node):
        _check_sound(child, depth + 1, verifies)


def _keys(node: Any) -> list[Any]:
    return [argument for argument in node.args if hasattr(argument, "sec")]


def _point(key: Any) -> bytes:
    """A key argument's point: plain and compressed, never an extended key, a secret, or a bare hash."""
    point = bytes(key.sec()) if hasattr(key.key, "sec") and not (key.is_private or key.is_extended) else b""
    try:
        return check_point(point)
    except InvalidPoint:
        raise ScriptRefused("A key is a name or a compressed point in hex, not a hash, a secret or extended.") from None


def _check_size(tree: Any, script: bytes) -> None:
    if len(script) > MAX_SCRIPT:
        raise ScriptRefused(f"A witness script has at most {MAX_SCRIPT} bytes, not {len(script)}.")
    opcodes = _count_opcodes(script) + _count_multi_keys(tree)
    if opcodes > MAX_OPCODES and not tree.taproot:
        raise ScriptRefused(f"A script has at most {MAX_OPCODES} operations, not {opcodes}.")


def _count_opcodes(script: bytes) -> int:
    position = count = 0
    while position < len(script):
        opcode = script[position]
        position += 1 + (opcode if opcode < 0x4C else 0)
        count += opcode > 0x60
    return count


def _count_multi_keys(node: Any) -> int:
    own = len(node.args) - 1 if _fragment(node) == "multi" else 0
    return own + sum(map(_count_multi_keys, _children(node)))


# Enumeration: one row for each fragment, as miniscript's table of satisfactions has it


def _enumerate(node: Any, names: Names) -> Ways:
    fragment = _fragment(node)
    if fragment in _LEAVES:
        return _LEAVES[fragment](node, names)
    below = [_enumerate(child, names) for child in _children(node)]
    if fragment == "thresh":
        return _thresh(node.args[0].num, below)
    found = _NODES[fragment](*below)
    return Ways(_smallest(found.satisfied), found.dissatisfied)


def _smallest(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """Without the ways that need all that another one needs."""
    kept: list[tuple[Way, frozenset[str]]] = []
    for way in ways:
        needs = frozenset(_needs(way))
        if any(_within(other, other_needs, way, needs) for other, other_needs in kept):
            continue
        kept = [entry for entry in kept if not _within(way, needs, *entry)]
        kept.append((way, needs))
        if len(kept) > MAX_PATHS:
            raise ScriptRefused(f"A miniscript has more than {MAX_PATHS} ways to be spent.")
    return tuple(way for way, _ in kept)


def _needs(way: Way) -> list[str]:
    """What someone must bring: keys first, then late data, each in the order of the witness."""
    keys = [slot.key for slot in way.witness if isinstance(slot, SignatureSlot)]
    return keys + [slot.name for slot in way.witness if isinstance(slot, LateSlot)]


def _within(small: Way, small_needs: frozenset[str], large: Way, large_needs: frozenset[str]) -> bool:
    return small_needs <= large_needs and small.older <= large.older and small.after <= large.after


def _named_paths(ways: tuple[Way, ...]) -> tuple[SpendPath, ...]:
    """A path is named after what it needs: `revocation`, `delayed+older(144)`."""
    paths = []
    for way in ways:
        locks = [f"{lock}({blocks})" for lock, blocks in (("older", way.older), ("after", way.after)) if blocks]
        name = "+".join(_needs(way) + locks) or "anyone"
        paths.append(SpendPath(name, way.witness, way.older, way.after))
    return tuple(paths)


def _signature(key: Any, names: Names) -> SignatureSlot:
    return SignatureSlot(names.name_of(_point(key), key.taproot))


def _key(node: Any, names: Names) -> Ways:
    return Ways((Way((_signature(node.arg, names),)),), (_EMPTY,))


def _key_hash(node: Any, names: Names) -> Ways:
    point = _point(node.arg)
    shown: Slot = BytesSlot(point[1:] if node.taproot else point)
    return Ways((Way((_signature(node.arg, names), shown)),), (_EMPTY, shown))


def _chosen_keys(node: Any, names: Names) -> tuple[int, list[Slot]]:
    """How many keys of a multi sign, and each one's signature."""
    needed: int = node.args[0].num
    signatures: list[Slot] = [_signature(key, names) for key in node.args[1:]]
    if comb(len(signatures), needed) > MAX_PATHS:
        raise ScriptRefused(f"A miniscript has more than {MAX_PATHS} ways to be spent.")
    return needed, signatures


def _multi(node: Any, names: Names) -> Ways:
    needed, signatures = _chosen_keys(node, names)
    ways = tuple(Way((_EMPTY, *chosen)) for chosen in combinations(signatures, needed))
    return Ways(_smallest(ways), (_EMPTY,) * (needed + 1))


def _multi_a(node: Any, names: Names) -> Ways:
    """Each key looks at an element of its own, the first key at the topmost; who does not sign leaves it empty."""
    needed, signatures = _chosen_keys(node, names)
    places = range(len(signatures))
    ways = tuple(
        Way(tuple(signatures[place] if place in chosen else _EMPTY for place in reversed(places)))
        for chosen in combinations(places, needed)
    )
    return Ways(_smallest(ways), (_EMPTY,) * len(signatures))


def _hash(node: Any, _: Names) -> Ways:
    name, digest = str(node.NAME), bytes(node.arg.raw)
    wrong = next(guess for guess in (bytes(32), bytes(31) + b"\1") if _HASHES[name](guess) != digest)
    return Ways((Way((LateSlot(f"{name}:{digest.hex()}"),)),), (BytesSlot(wrong),))


_HASHES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "sha256": lambda data: sha256(data).digest(),
    "hash256": lambda data: sha256(sha256(data).digest()).digest(),
    "ripemd160": ripemd160,
    "hash160": hash160,
}

_LEAVES: Final[dict[str, Callable[[Any, Names], Ways]]] = {
    "pk": _key,
    "pk_k": _key,
    "pkh": _key_hash,
    "pk_h": _key_hash,
    "multi": _multi,
    "multi_a": _multi_a,
    "older": lambda node, _: Ways((Way(older=node.arg.num),)),
    "after": lambda node, _: Ways((Way(after=node.arg.num),)),
    **dict.fromkeys(_HASHES, _hash),
}


def _both(first: Way, second: Way) -> Way:
    """`first` runs first, so its part of the witness lies on top."""
    return Way(second.witness + first.witness, max(first.older, second.older), max(first.after, second.after))


def _all_both(first: Ways, second: Ways) -> tuple[Way, ...]:
    return tuple(_both(x, y) for x in first.satisfied for y in second.satisfied)


def _after_failing(first: Ways, second: tuple[Way, ...]) -> tuple[Way, ...]:
    """The ways of `second` once `first` is dissatisfied; none if it cannot be."""
    if first.dissatisfied is None:
        return ()
    return tuple(_both(Way(first.dissatisfied), way) for way in second)


def _neither(first: Ways, second: Ways) -> Slots | None:
    if first.dissatisfied is None or second.dissatisfied is None:
        return None
    return second.dissatisfied + first.dissatisfied


def _chosen(ways: Ways, choice: Slot) -> tuple[Way, ...]:
    return tuple(way._replace(witness=(*way.witness, choice)) for way in ways.satisfied)


def _or_i(x: Ways, z: Ways) -> Ways:
    dissatisfied = None
    if z.dissatisfied is not None:
        dissatisfied = (*z.dissatisfied, _EMPTY)
    elif x.dissatisfied is not None:
        dissatisfied = (*x.dissatisfied, _ONE)
    return Ways(_chosen(x, _ONE) + _chosen(z, _EMPTY), dissatisfied)


def _or_b(x: Ways, z: Ways) -> Ways:
    either = _after_failing(x, z.satisfied)
    if z.dissatisfied is not None:
        either += tuple(_both(way, Way(z.dissatisfied)) for way in x.satisfied)
    return Ways(either, _neither(x, z))


def _andor(x: Ways, y: Ways, z: Ways) -> Ways:
    return Ways(_all_both(x, y) + _after_failing(x, z.satisfied), _neither(x, z))


def _same(x: Ways) -> Ways:
    return x


_NEVER: Final = Ways((), ())  # miniscript's fragment 0

_NODES: Final[dict[str, Callable[..., Ways]]] = {
    "andor": _andor,
    "and_n": lambda x, y: _andor(x, y, _NEVER),
    "and_v": lambda x, y: Ways(_all_both(x, y)),
    "and_b": lambda x, y: Ways(_all_both(x, y), _neither(x, y)),
    "or_b": _or_b,
    "or_c": lambda x, z: Ways(x.satisfied + _after_failing(x, z.satisfied)),
    "or_d": lambda x, z: Ways(x.satisfied + _after_failing(x, z.satisfied), _neither(x, z)),
    "or_i": _or_i,
    **dict.fromkeys(("a:", "s:", "c:", "n:"), _same),
    **dict.fromkeys(("v:", "t:"), lambda x: Ways(x.satisfied)),
    "d:": lambda x: Ways(_chosen(x, _ONE), (_EMPTY,)),
    "j:": lambda x: Ways(x.satisfied, (_EMPTY,)),
    "l:": lambda x: _or_i(_NEVER, x),
    "u:": lambda x: _or_i(x, _NEVER),
}


def _thresh(needed: int, below: list[Ways]) -> Ways:
    """Exactly `needed` of the arguments are satisfied: OP_EQUAL forbids more."""
    counted: dict[int, tuple[Way, ...]] = {0: (Way(),)}
    for ways in below:
        failed = () if ways.dissatisfied is None else (Way(ways.dissatisfied),)
        grown: dict[int, tuple[Way, ...]] = {}
        for count, before in counted.items():
            for more, part in ((0, failed), (1, ways.satisfied)):
                if count + more <= needed:
                    joined = tuple(_both(x, y) for x in before for y in part)
                    grown[count + more] = grown.get(count + more, ()) + joined
        counted = {count: _smallest(found) for count, found in grown.items()}
    nothing = [ways.dissatisfied for ways in reversed(below)]
    dissatisfied = None if None in nothing else tuple(slot for slots in nothing if slots for slot in slots)
    return Ways(counted.get(needed, ()), dissatisfied)
