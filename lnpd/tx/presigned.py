"""In which message does the counterparty's signature of each child travel?

Of a gated child in its provider's auxiliary_signatures, ahead of the commitment_signed that has all others. Both lists
are in the order of the graph's children; together they are its `CommitmentSignatures.children`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from lnpd.tx.graph import Graph

SIGNATURE_BYTES: Final = 64


class Auxiliary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has come of one extension's auxiliary signatures of one commitment: `chunks` of `num_chunks` parts."""

    funding_txid: bytes
    namespace: int
    num_chunks: int
    chunks: int = 0
    data: bytes = b""


def gated_bytes(graph: Graph, provider: str) -> int:
    """How long the auxiliary signatures of a provider are."""
    return SIGNATURE_BYTES * sum(child.gated and child.provider == provider for child in graph.children)


def in_commitment_signed(graph: Graph, signatures: Sequence[bytes]) -> tuple[bytes, ...]:
    """Of all children's signatures those that commitment_signed carries."""
    pairs = zip(graph.children, signatures, strict=True)
    return tuple(signature for child, signature in pairs if not child.gated)


def in_auxiliary(graph: Graph, provider: str, signatures: Sequence[bytes]) -> bytes:
    """Of all children's signatures those that go ahead of it for one provider."""
    pairs = zip(graph.children, signatures, strict=True)
    return b"".join(signature for child, signature in pairs if child.gated and child.provider == provider)


def joined(graph: Graph, listed: Sequence[bytes], auxiliary: Mapping[str, bytes]) -> tuple[bytes, ...]:
    """All children's signatures again. `auxiliary` is complete, by provider; if `listed` has too many or too few, so
    has the result."""
    if len(listed) != sum(not child.gated for child in graph.children):
        return (*listed, *(signature for data in auxiliary.values() for signature in _split(data)))
    plain = iter(listed)
    gated = {provider: iter(_split(data)) for provider, data in auxiliary.items()}
    return tuple(next(gated[child.provider] if child.gated else plain) for child in graph.children)


def _split(data: bytes) -> list[bytes]:
    return [data[start : start + SIGNATURE_BYTES] for start in range(0, len(data), SIGNATURE_BYTES)]
