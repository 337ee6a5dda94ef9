"""What can be wrong with keys, signatures, links and onions?"""

from lnpd.errors.base import LnpdError, ProtocolError


class CryptoError(LnpdError):
    """Something that lnpd.crypto was given or found is refused."""


class InvalidPoint(CryptoError, ProtocolError):
    """Bytes are no compressed point of secp256k1 (BOLT 1, `point`)."""


class InvalidSecret(CryptoError, ProtocolError):
    """Bytes are no secret key: wrong length, zero, or not below the group's order (a peer sends some, BOLT 2)."""


class InvalidSignature(CryptoError, ProtocolError):
    """Bytes are no encoding of a signature (BOLT 1, `signature`; BIP 66)."""


class UnrecoverableSignature(CryptoError, ProtocolError):
    """No public key fits a recoverable signature (BOLT 11)."""


class InvalidDigest(CryptoError):
    """A digest is not 32 bytes long."""


class InvalidTweak(CryptoError):
    """A tweak is no scalar, or its result is zero or the point at infinity."""


class ShachainIndexOutOfRange(CryptoError):
    """A commitment number or shachain index is not within 0..2^48-1 (BOLT 3)."""


class ShachainOrderBroken(CryptoError, ProtocolError):
    """A per-commitment secret was revealed out of order (BOLT 3)."""


class ShachainContradiction(CryptoError, ProtocolError):
    """A per-commitment secret does not come from the seed of those before it (BOLT 3)."""


class UnknownShachainIndex(CryptoError):
    """A per-commitment secret was asked for that the peer has not revealed."""


class DerivationOutOfRange(CryptoError):
    """A seed, path element, channel index or payment turn is outside its range (BIP 32, LNPBP-46)."""


class HandshakeFailed(CryptoError, ProtocolError):
    """The other end of a connection broke BOLT 8's handshake, or is not who it should be."""


class TransportFailed(CryptoError, ProtocolError):
    """Encrypted bytes were altered, or a message is longer than 65535 bytes (BOLT 8)."""


class OnionWithoutHops(CryptoError):
    """An onion was to be built for no hop."""


class OnionPayloadTooShort(CryptoError):
    """A hop's payload has a length that is reserved, 0 or 1 (BOLT 4)."""


class OnionTooLong(CryptoError):
    """The payloads of a route do not fit into one onion (BOLT 4)."""


class InvalidOnionLength(CryptoError):
    """Bytes are too few or too many to be an onion (BOLT 4)."""


class BadOnion(CryptoError):
    """An onion cannot be read: answered with update_fail_malformed_htlc, which carries both attributes (BOLT 4)."""

    failure_code = 0xC000

    def __init__(self, sentence: str, sha256_of_onion: bytes) -> None:
        super().__init__(sentence)
        self.sha256_of_onion = sha256_of_onion


class InvalidOnionVersion(BadOnion):
    """An onion's version is not 0 (BOLT 4, BADONION|PERM|4)."""

    failure_code = 0xC004


class InvalidOnionHmac(BadOnion):
    """An onion was altered or belongs to another node or payment (BOLT 4, BADONION|PERM|5)."""

    failure_code = 0xC005


class InvalidOnionKey(BadOnion):
    """An onion's ephemeral key is no point (BOLT 4, BADONION|PERM|6)."""

    failure_code = 0xC006


class FailureTooLong(CryptoError):
    """A failure does not fit into update_fail_htlc (BOLT 4)."""


class FailureUnreadable(CryptoError):
    """A returned failure has no author on the route (`hop` is None), or its author wrote nonsense (BOLT 4)."""

    def __init__(self, sentence: str, hop: int | None = None) -> None:
        super().__init__(sentence)
        self.hop = hop


class PassphraseRefused(CryptoError):
    """A passphrase is empty or absurdly long."""


class WrongPassphrase(CryptoError):
    """A passphrase does not open an encrypted file, or the file was altered."""


class SecretBoxMalformed(CryptoError):
    """A file is no encrypted file of lnpd, or it is damaged."""


class SecretBoxNewer(CryptoError):
    """An encrypted file was written by a version of lnpd that this one does not know."""


class SecretBoxTooCostly(CryptoError):
    """An encrypted file asks for more memory or work than an honest one needs."""


class SecretBoxTooLong(CryptoError):
    """More was to be encrypted than an encrypted file holds."""


class InvalidNonce(CryptoError):
    """Bytes are no nonce of MuSig2, or its entropy is none (BIP 327)."""


class NonceUsed(CryptoError):
    """A secret nonce was to sign twice, which gives the key away (BIP 327)."""


class NotInGroup(CryptoError):
    """A key is none of those that sign together, or they are too few, too many or have no sum (BIP 327)."""


class InvalidPartialSignature(CryptoError):
    """Bytes are no part of a MuSig2 signature, or parts are missing (BIP 327)."""


class WrongAdaptor(CryptoError):
    """A secret does not complete a pre-signature, or a signature was not made of it."""
