"""What does the signer do with the keys of plugins?

Each key hangs below a path that no other use of the seed shares (hd.plugin_path), and the plugin's name is part of it.
So whatever a plugin has signed, it moves nobody's money but what was paid to its own keys. Here is checked that a
signature is of the transaction that was shown, and that a nonce of MuSig2 signs once.
"""

import re
import secrets
from collections.abc import Callable
from typing import Final, TypeVar

from lnpd_sdk.services.signing import KeyName, Spending, Together

from lnpd.crypto.adaptor import adaptor_sign
from lnpd.crypto.adaptor_ecdsa import ecdsa_adaptor_sign
from lnpd.crypto.musig import Group, combine_nonces, partial_sign
from lnpd.crypto.schnorr import output_secret, sign_schnorr, tagged_hash, x_only
from lnpd.crypto.secp import check_point, public_key, sign, to_der
from lnpd.errors import CryptoError
from lnpd.services.plugin_keys import Begun
from lnpd.services.records import SignerRecords
from lnpd.services.signer.keys import FIRST_HARDENED, Keys
from lnpd.services.signer.node import NodeSigner
from lnpd.services.signer.nonces import Nonces, Session
from lnpd.services.signer.refusals import Rule, refuse
from lnpd.services.signer.spending import Shown, read, wants_key, wants_taproot

MAX_MESSAGE_BYTES: Final = 64 * 1024
TAG: Final = re.compile(r"[a-z0-9][a-z0-9/._-]{0,63}")
PURPOSE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
PLUGIN: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
CHANNEL_ID_BYTES: Final = 32

T = TypeVar("T")


class PluginKeySigner(NodeSigner):
    """See PluginSigner for each method."""

    def __init__(self, keys: Keys, rows: SignerRecords = ()) -> None:
        """Raises SignerRefused for rows of nonces that are damaged."""
        super().__init__(keys)
        self._nonces = Nonces(rows)

    async def plugin_key(self, plugin: str, key: KeyName) -> bytes:
        """See PluginSigner."""
        return public_key(self._plugin_secret(plugin, key))

    async def plugin_sign(self, plugin: str, key: KeyName, spending: Spending) -> bytes:
        """See PluginSigner."""
        secret, shown = self._plugin_secret(plugin, key), read(spending)
        if shown.is_taproot:
            return sign_schnorr(_taproot_secret(secret, shown), shown.digest) + shown.suffix
        wants_key(shown, public_key(secret))
        return to_der(sign(secret, shown.digest)) + shown.suffix

    async def plugin_sign_message(self, plugin: str, key: KeyName, tag: str, message: bytes) -> bytes:
        """See PluginSigner."""
        secret = self._plugin_secret(plugin, key)
        if not TAG.fullmatch(tag) or len(message) > MAX_MESSAGE_BYTES:
            refuse(Rule.MESSAGE_TOO_LONG, f"a tag has 1 to 64 characters, a message {MAX_MESSAGE_BYTES} bytes.")
        return sign_schnorr(secret, tagged_hash(f"lnpd/plugin/{plugin}/{tag}", message))

    async def plugin_adaptor_sign(self, plugin: str, key: KeyName, spending: Spending, point: bytes) -> bytes:
        """See PluginSigner."""
        secret, shown = self._plugin_secret(plugin, key), read(spending)
        checked = _checked(lambda: check_point(point))
        if shown.is_taproot:
            return adaptor_sign(_taproot_secret(secret, shown), shown.digest, checked)
        wants_key(shown, public_key(secret))
        return ecdsa_adaptor_sign(secret, shown.digest, checked)

    # MuSig2

    async def musig_nonce(self, plugin: str, key: KeyName) -> Begun:
        """See PluginSigner."""
        return self._nonces.begin(plugin, key, self._plugin_secret(plugin, key), secrets.token_bytes(32))

    async def prepare_partial(self, plugin: str, session: int, together: Together) -> SignerRecords:
        """See PluginSigner."""
        known = self._nonces.known(plugin, session)
        self._parts(plugin, known, together)  # raises for what could not be signed, before the nonce is used
        return self._nonces.use(plugin, session, together)

    async def musig_partial(self, plugin: str, session: int, together: Together) -> bytes:
        """See PluginSigner."""
        known = self._nonces.prepared(plugin, session, together)
        if not known.part:
            secret, group, shown = self._parts(plugin, known, together)
            combined = combine_nonces(together.nonces, together.adaptor)
            known.part = partial_sign(secret, known.secret_nonce(), group, combined, shown.digest)
        return known.part

    def _parts(self, plugin: str, known: Session, together: Together) -> tuple[bytes, Group, Shown]:
        """Our secret, those who sign, and what. Raises SignerRefused."""
        secret, shown = self._plugin_secret(plugin, known.key), wants_taproot(read(together.spending))
        own = (public_key(secret), known.nonce)
        if own not in tuple(zip(together.keys, together.nonces, strict=False)):
            refuse(Rule.NOT_A_SIGNER, "the key of this session, with its nonce, is none of those that sign.")
        if len(together.keys) != len(together.nonces):
            refuse(Rule.NOT_A_SIGNER, f"{len(together.keys)} keys need as many nonces, not {len(together.nonces)}.")
        group = Group(together.keys)
        _checked(lambda: combine_nonces(together.nonces, together.adaptor))
        key = _checked(lambda: group.key)
        if shown.merkle_root is not None:
            group = group.taproot(shown.merkle_root)
            shown.pays(x_only(group.key))
        else:
            shown.names(x_only(key))
        return secret, group, shown

    def _plugin_secret(self, plugin: str, key: KeyName) -> bytes:
        if not PLUGIN.fullmatch(plugin) or not PURPOSE.fullmatch(key.purpose):
            refuse(Rule.KEY_NAME_MALFORMED, "a purpose is 1 to 64 characters: a to z, 0 to 9, underscores and hyphens.")
        if len(key.channel_id) not in (0, CHANNEL_ID_BYTES) or not 0 <= key.index < FIRST_HARDENED:
            refuse(Rule.KEY_NAME_MALFORMED, "a channel id has 32 bytes, and an index is 0 to 2147483647.")
        return self._keys.plugin_secret(key.index, plugin.encode(), key.channel_id, key.purpose.encode())


def _taproot_secret(secret: bytes, shown: Shown) -> bytes:
    """The secret that signs: in a key path that of the output, which has to be the one that is spent."""
    key = x_only(public_key(secret))
    if shown.merkle_root is None:
        shown.names(key)
        return secret
    tweaked = output_secret(secret, shown.merkle_root)
    shown.pays(x_only(public_key(tweaked)))
    return tweaked


def _checked(work: Callable[[], T]) -> T:
    try:
        return work()
    except CryptoError as error:
        refuse(Rule.SPENDING_MALFORMED, str(error))
