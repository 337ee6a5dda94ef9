"""What may a channel type pay its funding to, beside the 2-of-2, and what follows from it for fees and deadlines?

Both parties together take it at any time, by commitments and closes. Whoever else can take it (a third key, one party
alone) waits, counted from the funding's confirmation: the channel has to be over by then.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec
from embit.descriptor.miniscript import OPERATOR_NAMES
from lnpd_sdk.manifest import FundingSpec, MainSpec
from lnpd_sdk.script import FundingScript, Key, Miniscript
from msgspec.structs import replace

from lnpd.crypto.secp import is_point, public_key
from lnpd.errors import FundingRefused
from lnpd.tx import fees
from lnpd.tx.funding import FUNDING_KEYS, compile_funding, joint_path
from lnpd.tx.graph import ChannelType

# Four weeks: twice what a peer may make us wait for our balance, and an HTLC for its expiry, so that a channel has as
# long for its life as for its end.
MIN_LOCK_BLOCKS: Final = 4_032
MAX_KEYS: Final = 8
MAX_WITNESS_WEIGHT: Final = 2_000
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{2,31}")
WORD: Final = re.compile(r"[a-z0-9_]+")
_TAKEN: Final = frozenset((*OPERATOR_NAMES, *FUNDING_KEYS, *Key, "to_self_delay"))
SAMPLES: Final = tuple(public_key(number.to_bytes(32, "big")) for number in range(1, MAX_KEYS + 3))
_PARTIES: Final = (SAMPLES[0], SAMPLES[1])


def check_type(spec: FundingSpec) -> None:
    """Whether a type may declare this, whatever its keys will be. Raises FundingRefused, ScriptRefused."""
    names = spec.keys
    if len(names) > MAX_KEYS or len(set(names)) < len(names):
        raise FundingRefused(f"A funding script has at most {MAX_KEYS} keys of its own, each named once.")
    for name in names:
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise FundingRefused(f"{name[:40]!r} cannot be the name of a key: it is a word of miniscript, or none.")
    check_funding(filled(spec, dict(zip(names, SAMPLES[2:], strict=False))), _PARTIES)


def filled(spec: FundingSpec, keys: Mapping[str, bytes]) -> Miniscript:
    """The type's script with its keys in it. Raises FundingRefused unless they are those of the type, and points."""
    if set(keys) != set(spec.keys) or not all(map(is_point, keys.values())):
        raise FundingRefused(f"The funding's keys are {', '.join(spec.keys) or 'none'}, each a compressed point.")
    expression = WORD.sub(lambda word: keys[word[0]].hex() if word[0] in keys else word[0], spec.script.expression)
    return Miniscript(expression)


def script_digest(script: Miniscript | None, main: MainSpec | None = None) -> bytes:
    """By which two nodes see that they mean the same funding, and the same main outputs."""
    expression = (script.expression if script else "").encode()
    if main is None:
        return sha256(expression).digest()
    return sha256(b"".join(sha256(each).digest() for each in (expression, msgspec.msgpack.encode(main)))).digest()


def check_funding(script: FundingScript, funding_keys: tuple[bytes, bytes]) -> None:
    """Every way that does not need both parties waits 4,032 blocks or more, and needs a signature.

    Raises FundingRefused, ScriptRefused.
    """
    if not isinstance(script, Miniscript):
        raise FundingRefused("A funding is a miniscript so far: no message carries Schnorr signatures of commitments.")
    compiled = compile_funding(script, funding_keys)
    for path in compiled.paths:
        if set(FUNDING_KEYS) <= set(path.keys):
            continue
        if not path.keys or path.older < MIN_LOCK_BLOCKS:
            raise FundingRefused(
                f"The funding could be taken by the path {path.name} after {path.older} blocks; without both parties "
                f"it takes a signature and {MIN_LOCK_BLOCKS} blocks at least."
            )
    if fees.witness_weight(joint_path(compiled), compiled.witness_script) > MAX_WITNESS_WEIGHT:
        raise FundingRefused(f"A commitment's witness would weigh over {MAX_WITNESS_WEIGHT}.")


def lock_blocks(script: FundingScript | None, funding_keys: tuple[bytes, bytes]) -> int:
    """How many blocks after its confirmation a funding may be taken otherwise than by both parties; 0 for never."""
    if script is None:
        return 0
    paths = compile_funding(script, funding_keys).paths
    return min((path.older for path in paths if not set(FUNDING_KEYS) <= set(path.keys)), default=0)


def with_funding(channel_type: ChannelType, script: FundingScript) -> ChannelType:
    """The type with this funding, and the weight that follows from it. Raises FundingRefused, ScriptRefused."""
    check_funding(script, _PARTIES)
    compiled = compile_funding(script, _PARTIES)
    more = fees.witness_weight(joint_path(compiled), compiled.witness_script) - fees.FUNDING_WITNESS_WEIGHT
    return replace(channel_type, funding=script, commitment_weight=channel_type.commitment_weight + more)
