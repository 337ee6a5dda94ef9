"""What does a plugin's service ask of the signer?

The plugin's name comes from the host, never from the plugin: with it begins the path of each of its keys. Whether it
may sign for a purpose is the host's to know; what it signs is the signer's.
"""

from typing import Protocol

import msgspec
from lnpd_sdk.services.signing import KeyName, PublicNonce, Spending, Together

from lnpd.services.records import SignerRecords


class Begun(msgspec.Struct, frozen=True):
    """A nonce, whose records are stored before the plugin sees it."""

    nonce: PublicNonce
    records: SignerRecords = ()


class PluginSigner(Protocol):
    """The part of the Signer that plugins' keys are in. Each refusal is a `SignerRefused` that names its rule."""

    async def plugin_key(self, plugin: str, key: KeyName) -> bytes:
        """The public key of this name, 33 bytes."""
        ...

    async def plugin_sign(self, plugin: str, key: KeyName, spending: Spending) -> bytes:
        """The signature of an input as its witness carries it, sighash byte included: DER, or BIP 340's 64 bytes."""
        ...

    async def plugin_sign_message(self, plugin: str, key: KeyName, tag: str, message: bytes) -> bytes:
        """The BIP 340 signature of the hash of a message with the tag `lnpd/plugin/PLUGIN/TAG`: of no transaction."""
        ...

    async def plugin_adaptor_sign(self, plugin: str, key: KeyName, spending: Spending, point: bytes) -> bytes:
        """The pre-signature of an input that the secret of `point` completes, without sighash byte.

        64 bytes for taproot (crypto/adaptor.py), 162 for segwit version 0 (crypto/adaptor_ecdsa.py).
        """
        ...

    async def musig_nonce(self, plugin: str, key: KeyName) -> Begun:
        """A fresh nonce of a key. Its secret half is kept in memory: after the signer's next start it counts as used.

        The newest 1024 of a plugin are known.
        """
        ...

    async def prepare_partial(self, plugin: str, session: int, together: Together) -> SignerRecords:
        """Checks that this may be signed with the session's nonce, which belongs to it from now on. The records, by
        which it is used for ever, are stored before it signs."""
        ...

    async def musig_partial(self, plugin: str, session: int, together: Together) -> bytes:
        """Our part of the signature, 32 bytes, once prepared; asked again for the same, the same."""
        ...
