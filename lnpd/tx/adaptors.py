"""How does the counterparty sign a child ahead, if its signature is to sell a secret?

Of a child with an adaptor point it gives a pre-signature: an ECDSA one of 162 bytes, or of a taproot path a Schnorr one
of 64. The secret is a late datum by the name `adaptor:<point in hex>`; with it the holder completes the signature, and
the counterparty learns the secret when it sees that on the chain: it makes its pre-signature again, and compares.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from lnpd_sdk.script import SpendPath

from lnpd.crypto import adaptor, adaptor_ecdsa, schnorr, secp
from lnpd.errors import CryptoError, InvalidSecret, InvalidSignature, WitnessIncomplete, WrongAdaptor
from lnpd.tx.graph import Child

PREFIX: Final = "adaptor:"
_SCHNORR_BYTES: Final = (secp.SIGNATURE_BYTES, secp.SIGNATURE_BYTES + 1)  # without a sighash byte, and with one


def late_names(child: Child) -> tuple[str, ...]:
    """The late data that completing this child takes: its path's, and its adaptor's secret."""
    return (*child.path.late, PREFIX + child.adaptor_point.hex()) if child.adaptor_point else child.path.late


def presign(secret: bytes, child: Child, digest: bytes) -> bytes:
    """The counterparty's pre-signature of a child that has an adaptor point. Raises InvalidSecret, InvalidPoint."""
    if not child.path.taproot:
        return adaptor_ecdsa.ecdsa_adaptor_sign(secret, digest, child.adaptor_point)
    if child.path.tweak:
        secret = secp.tweak_add_secret(schnorr.even_secret(secret), child.path.tweak)
    return adaptor.adaptor_sign(secret, digest, child.adaptor_point)


def is_presigned(point: bytes, child: Child, digest: bytes, signature: bytes) -> bool:
    """Whether it is what `presign` gives for this key, or as good. Raises InvalidPoint."""
    if not child.path.taproot:
        return adaptor_ecdsa.ecdsa_adaptor_verify(point, digest, child.adaptor_point, signature)
    return adaptor.adaptor_verify(_x_only(point, child.path), digest, child.adaptor_point, signature)


def completed(point: bytes, child: Child, digest: bytes, signature: bytes, late: dict[str, bytes]) -> bytes:
    """The signature that a witness takes. Raises WitnessIncomplete if the adaptor's secret is not known, or wrong."""
    if not child.adaptor_point:
        return signature
    secret = late.get(late_names(child)[-1])
    try:
        if secret is None:
            raise WrongAdaptor("It is not known.")
        if child.path.taproot:
            return adaptor.adaptor_complete(_x_only(point, child.path), digest, secret, signature)
        return adaptor_ecdsa.ecdsa_adaptor_complete(point, digest, secret, signature)
    except (WrongAdaptor, InvalidSecret) as error:
        raise WitnessIncomplete(f"A witness lacks the adaptor's secret: {error}") from None


def shown(child: Child, witness: Sequence[bytes]) -> tuple[bytes, ...]:
    """The signatures in the witness of an input that spends the child's output, 64 bytes each. One of them completes
    the child, if that was how it was spent; which one, the path does not tell, for the holder may take another."""
    if child.path.taproot:
        return tuple(item[: secp.SIGNATURE_BYTES] for item in witness if len(item) in _SCHNORR_BYTES)
    found = []
    for item in witness:
        with suppress(InvalidSignature):
            found.append(secp.from_der(item[:-1]))
    return tuple(found)


def sold(child: Child, pre_signature: bytes, signatures: Sequence[bytes]) -> bytes:
    """The adaptor's secret, from our pre-signature and the signatures that were shown; empty if none was made of it."""
    for signature in signatures:
        with suppress(WrongAdaptor):
            if child.path.taproot:
                return adaptor.adaptor_secret(child.adaptor_point, pre_signature, signature)
            return adaptor_ecdsa.ecdsa_adaptor_secret(child.adaptor_point, pre_signature, signature)
    return b""


def presigned_bytes(child: Child) -> int:
    """How long its signature is on the wire."""
    if child.adaptor_point and not child.path.taproot:
        return adaptor_ecdsa.PRE_SIGNATURE_BYTES
    return secp.SIGNATURE_BYTES


def opens(name: str, data: bytes) -> bool:
    """Whether this is the secret of the adaptor point that a late datum is named after."""
    try:
        return secp.public_key(data).hex() == name.removeprefix(PREFIX)
    except CryptoError:
        return False


def _x_only(point: bytes, path: SpendPath) -> bytes:
    x = schnorr.x_only(point)
    return schnorr.x_only(secp.tweak_add_point(schnorr.lift(x), path.tweak)) if path.tweak else x
