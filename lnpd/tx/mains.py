"""What may a channel type pay the balances of a commitment to, if not to BOLT 3's to_local and to_remote?

Two expressions, which the host judges as any other: by rule 3, over every way to spend them. Beyond it each keeps what
the rest of a node builds upon: the holder has its own balance after to_self_delay exactly, with one signature, and the
counterparty can find and take its own with nothing but the keys of the opening, for it may have lost the rest.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final, Literal

import msgspec
from lnpd_sdk.manifest import MainSpec
from lnpd_sdk.script import InternalKey, Key, Leaf, Miniscript, SpendPath, Taproot
from lnpd_sdk.types import CommitmentKeys, OutputSpec
from msgspec.structs import replace

from lnpd.crypto.secp import public_key
from lnpd.errors import MainRefused, OutputRefused
from lnpd.tx import fees
from lnpd.tx.funding_types import MAX_WITNESS_WEIGHT, MIN_LOCK_BLOCKS, SAMPLES, WORD
from lnpd.tx.graph import ChannelType
from lnpd.tx.rules import check_paths
from lnpd.tx.script import Compiled, compile_script
from lnpd.tx.states import BASE

Role = Literal["to_local", "to_remote"]
MainScript = Miniscript | Taproot

DELAY_WORD: Final = "to_self_delay"
MOST_DELAY_BLOCKS: Final = 2_016  # that a counterparty may have to wait for its own
_SHORT_BLOCKS: Final = 6
_VALUE_SAT: Final = 100_000
# Keys that only the point of one commitment yields: whoever has lost its data does not know them.
_DERIVED: Final = frozenset({Key.REVOCATION, Key.DELAYED, Key.HOLDER_HTLC, Key.COUNTERPARTY_HTLC})
_KEYS: Final = len(CommitmentKeys.__struct_fields__)


def filled_mains(main: MainSpec, keys: Mapping[str, bytes]) -> MainSpec:
    """The type's scripts with its own keys in them."""
    words = {name: point.hex() for name, point in keys.items()}
    return MainSpec(_with_words(main.to_local, words), _with_words(main.to_remote, words))


def with_samples(main: MainSpec, names: Sequence[str]) -> MainSpec:
    """The same with points in the place of its own keys, which are not known yet."""
    return filled_mains(main, dict(zip(names, SAMPLES, strict=False)))


def script_of(main: MainSpec, role: Role, to_self_delay: int) -> MainScript:
    """One of them in a commitment whose holder waits so many blocks."""
    script = main.to_local if role == "to_local" else main.to_remote
    return _with_words(script, {DELAY_WORD: str(to_self_delay)})


def dressed(kind: ChannelType, spec: OutputSpec, to_self_delay: int) -> OutputSpec:
    """A main output as the type pays it."""
    if kind.main is None or spec.provider != BASE:
        return spec
    role: Role = "to_local" if spec.kind == "to_local" else "to_remote"
    return replace(spec, script=script_of(kind.main, role, to_self_delay))


def with_mains(kind: ChannelType, main: MainSpec) -> ChannelType:
    """The type with these main outputs, and the weight that follows from them. Raises MainRefused, ScriptRefused."""
    check_mains(main)
    more = 0 if kind.fixed_cost_sat else fees.output_weight(bytes(34)) - fees.output_weight(bytes(22))
    return replace(kind, main=main, commitment_weight=kind.commitment_weight + more)


def check_mains(main: MainSpec) -> None:
    """Whether a type may pay balances to these scripts, its own keys in them. Raises MainRefused, ScriptRefused.

    They are compiled for a short delay and for the longest: what is not bound to `to_self_delay` waits at least as long
    as a channel's lock does.
    """
    samples = _strange_to(main)
    for delay in (_SHORT_BLOCKS, MIN_LOCK_BLOCKS):
        for role in ("to_local", "to_remote"):
            compiled = compile_script(script_of(main, role, delay), samples, delay)
            try:
                check_paths(compiled.paths, samples, delay, name=role, kind=role, value_sat=_VALUE_SAT)
            except OutputRefused as error:
                raise MainRefused(str(error)) from None
            _check_role(role, compiled, delay)
    if named := _words(main.to_remote) & _DERIVED:
        raise MainRefused(f"to_remote names {min(named)}, which nobody knows who has lost the commitment.")


def _strange_to(main: MainSpec) -> CommitmentKeys:
    """Keys of a commitment that no point in these scripts can be taken for: they follow from the scripts."""
    encoded = msgspec.msgpack.encode(main)
    return CommitmentKeys(*(public_key(sha256(bytes([number]) + encoded).digest()) for number in range(_KEYS)))


def _check_role(role: Role, compiled: Compiled, delay: int) -> None:
    own = Key.DELAYED if role == "to_local" else Key.COUNTERPARTY_PAYMENT
    ways = [path for path in compiled.paths if path.keys == (own,) and not (path.late or path.after)]
    if role == "to_local":
        if not any(path.older == delay for path in ways):
            raise MainRefused("to_local has no way that takes the delayed key and to_self_delay, and nothing else.")
        for path in compiled.paths:  # rule 3 protects the counterparty, this the holder
            if not {Key.DELAYED, Key.REVOCATION} & set(path.keys) and path.older < MIN_LOCK_BLOCKS:
                raise MainRefused(f"to_local could be taken from its holder by {path.name}, after {path.older} blocks.")
    if role == "to_remote":
        if not any(path.older <= MOST_DELAY_BLOCKS for path in ways):
            raise MainRefused(
                "to_remote has no way that takes the counterparty's payment key, at most"
                f" {MOST_DELAY_BLOCKS} blocks and nothing else."
            )
        if any(not path.older for path in compiled.paths):
            raise MainRefused("to_remote could be spent before the commitment confirmed: each way waits a block.")
    if max(_weight(path, compiled) for path in compiled.paths) > MAX_WITNESS_WEIGHT:
        raise MainRefused(f"A witness of {role} would weigh over {MAX_WITNESS_WEIGHT}.")


def _weight(path: SpendPath, compiled: Compiled) -> int:
    return fees.witness_weight(path, compiled.witness_script)


def _with_words(script: MainScript, words: Mapping[str, str]) -> MainScript:
    if isinstance(script, Miniscript):
        return Miniscript(WORD.sub(lambda word: words.get(word[0], word[0]), script.expression))
    leaves = [
        replace(leaf, script=_with_words(leaf.script, words)) if isinstance(leaf.script, Miniscript) else leaf
        for leaf in script.leaves
    ]
    return replace(script, leaves=tuple(leaves))


def _words(script: MainScript) -> set[str]:
    if isinstance(script, Miniscript):
        return set(WORD.findall(script.expression))
    return {str(script.internal_key)}.union(*map(_leaf_words, script.leaves))


def _leaf_words(leaf: Leaf) -> set[str]:
    """Of a template the keys that it has: the only one is `revocation_leaf`."""
    return _words(leaf.script) if isinstance(leaf.script, Miniscript) else {str(InternalKey.REVOCATION)}
