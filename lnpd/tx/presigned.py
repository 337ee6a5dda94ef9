"""In which message does the counterparty's signature of each child travel?

Of a gated child in its provider's auxiliary_signatures, ahead of the commitment_signed that has all others. Both lists
are in the order of the graph's children; together they are its `CommitmentSignatures.children`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from lnpd.tx.adaptors import presigned_bytes
from lnpd.tx.graph import Child, Graph


class Auxiliary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has come of one extension's auxiliary signatures of one commitment: `chunks` of `num_chunks` parts."""

    funding_txid: bytes
    namespace: int
    num_chunks: int
    chunks: int = 0
    data: bytes = b""


def gated_bytes(graph: Graph, provider: str) -> int:
    """How long the auxiliary signatures of a provider are."""
    return sum(map(presigned_bytes, _gated(graph, provider)))


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
    gated = {provider: _split(graph, provider, data) for provider, data in auxiliary.items()}
    if len(listed) != sum(not child.gated for child in graph.children):
        return (*listed, *(signature for each in gated.values() for signature in each))
    plain, ahead = iter(listed), {provider: iter(each) for provider, each in gated.items()}
    return tuple(next(ahead[child.provider] if child.gated else plain) for child in graph.children)


def _gated(graph: Graph, provider: str) -> list[Child]:
    return [child for child in graph.children if child.gated and child.provider == provider]


def _split(graph: Graph, provider: str, data: bytes) -> list[bytes]:
    parts, start = [], 0
    for child in _gated(graph, provider):
        end = start + presigned_bytes(child)
        parts.append(data[start:end])
        start = end
    return parts
