"""May an output exist in a commitment, given every way to spend it? (rule 3 of the extension contract)

The *holder* can broadcast the commitment, so whatever it can take from it, it may take only after to_self_delay, or
through a second-stage transaction that obeys the same rule; and then the counterparty must be able to take it at once
with this commitment's revocation key.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final

from lnpd_sdk.script import InternalKey, Key, SpendPath, Template
from lnpd_sdk.types import CommitmentKeys

from lnpd.errors import (
    AnchorTooLarge,
    HolderDelayTooShort,
    HolderPathUndelayed,
    JointPathWithoutChild,
    NoRevocationPath,
    PathNeedsNoSignature,
)
from lnpd.tx.fees import ANCHOR_SAT
from lnpd.tx.graph import Child, Output

ANCHOR_KINDS: Final = frozenset({"anchor"})
SECOND_STAGE: Final = "second_stage"  # the kind by which the outputs of children are judged
HOLDER_KEYS: Final = frozenset({Key.DELAYED, Key.HOLDER_HTLC, Key.HOLDER_FUNDING})
COUNTERPARTY_KEYS: Final = frozenset(
    {Key.REVOCATION, Key.COUNTERPARTY_HTLC, Key.COUNTERPARTY_PAYMENT, Key.COUNTERPARTY_FUNDING}
)


@lru_cache(maxsize=256)
def is_counterpartys(key: str, keys: CommitmentKeys) -> bool:
    """Whether only the counterparty can sign with this key. A key that is not its for certain is the holder's."""
    if key not in COUNTERPARTY_KEYS:
        return False
    # A counterparty could name the holder's point, or its negative, as its own; then the holder signs with it.
    point = getattr(keys, key)
    return all(getattr(keys, holders)[1:] != point[1:] for holders in HOLDER_KEYS)


def signers(path: SpendPath, keys: CommitmentKeys) -> set[bool]:
    """Who has to sign for this path: True stands for the counterparty, False for the holder."""
    if InternalKey.MUSIG2_FUNDING in path.keys:
        return {True, False}
    return {is_counterpartys(key, keys) for key in path.keys}


def check_rule_3(
    outputs: Sequence[Output], children: Sequence[Child], keys: CommitmentKeys, to_self_delay: int
) -> None:
    """Every output of a commitment and of its children, whose paths are those of its script.

    Raises the SpendPathRefused of the first broken rule.
    """
    taken: dict[int, tuple[str, ...]] = {}
    for child in children:
        taken[child.vout] = (*taken.get(child.vout, ()), child.path.name)
    for vout, output in enumerate(outputs):
        check_output(output, output.paths, keys, to_self_delay, output.kind, taken.get(vout, ()))
    for child in children:
        for output in child.outputs:
            check_output(output, output.paths, keys, to_self_delay, SECOND_STAGE)


# The paths of a core template differ in hashes and heights alone. Once no point is of both sides, the verdict on them
# depends on which template it is, and which of its paths second-stage transactions take.
_passed: Final[set[tuple[str, bool, tuple[str, ...]]]] = set()
_MAX_PASSED: Final = 1000


def check_output(
    output: Output,
    paths: Sequence[SpendPath],
    keys: CommitmentKeys,
    to_self_delay: int,
    kind: str,
    children: tuple[str, ...] = (),
) -> None:
    """`check_paths` for one output, whose script was compiled to these paths with these keys and this delay. What a
    core template allows is judged once. Raises the SpendPathRefused of the first broken rule."""
    verdict: tuple[str, bool, tuple[str, ...]] | None = None
    if isinstance(output.script, Template) and kind not in ANCHOR_KINDS and _apart(keys):
        verdict = (output.script.name, output.script.counterparty, children)
        if verdict in _passed:
            return
    name = f"{output.provider} {output.id} ({output.kind})"
    check_paths(paths, keys, to_self_delay, name=name, kind=kind, value_sat=output.value_sat, children=children)
    if verdict is not None and len(_passed) < _MAX_PASSED:
        _passed.add(verdict)


@lru_cache(maxsize=256)
def _apart(keys: CommitmentKeys) -> bool:
    """Whether no point is of both sides: then a name says who can sign."""
    holders = {getattr(keys, name)[1:] for name in HOLDER_KEYS}
    return holders.isdisjoint(getattr(keys, name)[1:] for name in COUNTERPARTY_KEYS)


def check_paths(
    paths: Sequence[SpendPath],
    keys: CommitmentKeys,
    to_self_delay: int,
    *,
    name: str,
    kind: str,
    value_sat: int,
    children: Collection[str] = (),
) -> None:
    """Raises the SpendPathRefused of the first broken rule.

    `to_self_delay` is the holder's; `children` are the names of the paths that second-stage transactions take, whose
    own outputs are checked apart; `name` is how the error's text calls the output.
    """
    if kind in ANCHOR_KINDS:
        if value_sat > ANCHOR_SAT:
            raise AnchorTooLarge(f"{name}: an anchor holds at most {ANCHOR_SAT} sat, not {value_sat}.")
        return
    holder_can_spend = False
    for path in paths:
        needed = signers(path, keys)
        if not needed:
            raise PathNeedsNoSignature(f"{name}: anyone can spend it by the path {path.name}.")
        if False not in needed:
            continue
        holder_can_spend = True
        if True not in needed:
            _check_holder_alone(path, to_self_delay, name)
        elif path.name not in children:
            raise JointPathWithoutChild(
                f"{name}: the path {path.name} needs both parties, and no second-stage transaction takes it."
            )
    if holder_can_spend and not any(_revokes(path) for path in paths):
        raise NoRevocationPath(f"{name}: no undelayed path needs this commitment's revocation key alone.")


def _check_holder_alone(path: SpendPath, to_self_delay: int, name: str) -> None:
    if not path.older:
        raise HolderPathUndelayed(f"{name}: the holder can spend it at once by the path {path.name}.")
    if path.older < to_self_delay:
        raise HolderDelayTooShort(
            f"{name}: the path {path.name} waits {path.older} blocks, less than the holder's {to_self_delay}."
        )


def _revokes(path: SpendPath) -> bool:
    return path.keys == (Key.REVOCATION,) and not (path.late or path.older or path.after)
