"""Which nonces of MuSig2 did plugins get, and what did each sign?

    begin -> (row: given) -> use -> (row: used, for this and nothing else) -> the secret nonce signs

A secret nonce lives in memory only, so that no copy of a database can bring one back. Its row says that it was given,
and then for what it was used; a session whose secret is gone, by a start in between, counts as used. Rows are in a ring
of 1024 for each plugin: a number's place is taken by the one that comes 1024 later.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import msgspec
from lnpd_sdk.services.signing import KeyName, PublicNonce, Together

from lnpd.crypto.musig import SecretNonce, new_nonce
from lnpd.errors import SignerRefused
from lnpd.services.plugin_keys import Begun
from lnpd.services.records import SignerRecord, SignerRecords
from lnpd.services.signer.refusals import Rule, refuse
from lnpd.services.signer.state import PLUGIN_ROWS

MAX_SESSIONS: Final = 1024
FORMAT: Final = 1

_PREFIX: Final = PLUGIN_ROWS + b"nonce/"
_encoder: Final = msgspec.msgpack.Encoder()


class NonceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is stored: whose nonce it is, and the digest of what it signed, empty before."""

    plugin: str
    session: int
    key: KeyName
    nonce: bytes
    used_for: bytes = b""


@dataclass
class Session:
    """A nonce that was given. `part` is our partial signature, once it was made."""

    key: KeyName
    nonce: bytes
    used_for: bytes = b""
    secret: SecretNonce | None = field(default=None, repr=False)
    part: bytes = b""

    def secret_nonce(self) -> SecretNonce:
        """What signs, for the last time. Raises SignerRefused."""
        if self.secret is None:
            refuse(Rule.NONCE_LOST, "this nonce is from before the signer's last start: it counts as used.")
        return self.secret


_decoder: Final = msgspec.msgpack.Decoder(NonceRow)


class Nonces:
    """Every session of every plugin, the newest 1024 of each."""

    def __init__(self, rows: Iterable[SignerRecord]) -> None:
        """Raises SignerRefused for rows that this did not write."""
        self._sessions: dict[str, dict[int, Session]] = {}
        self._next: dict[str, int] = {}
        for row in rows:
            if row.key.startswith(_PREFIX):
                self._load(row)

    def _load(self, row: SignerRecord) -> None:
        try:
            if row.value[:1] != bytes((FORMAT,)):
                raise msgspec.ValidationError
            stored = _decoder.decode(row.value[1:])
        except (msgspec.MsgspecError, RecursionError):
            raise SignerRefused(Rule.WENT_BACKWARDS, f"the signer's row {row.key.hex()} is damaged.") from None
        session = Session(stored.key, stored.nonce, stored.used_for)
        self._sessions.setdefault(stored.plugin, {})[stored.session] = session
        self._next[stored.plugin] = max(self._next.get(stored.plugin, 0), stored.session + 1)

    def begin(self, plugin: str, key: KeyName, secret: bytes, entropy: bytes) -> Begun:
        """A new session with a fresh nonce of this secret."""
        number = self._next.get(plugin, 0)
        nonce = new_nonce(secret, entropy)
        sessions = self._sessions.setdefault(plugin, {})
        sessions.pop(number - MAX_SESSIONS, None)
        sessions[number] = Session(key, nonce.public, secret=nonce)
        self._next[plugin] = number + 1
        return Begun(PublicNonce(number, nonce.public), (self._row(plugin, number),))

    def known(self, plugin: str, number: int) -> Session:
        """A session. Raises SignerRefused."""
        found = self._sessions.get(plugin, {}).get(number)
        if found is None:
            refuse(Rule.NONCE_UNKNOWN, f"there is no session {number}, or {MAX_SESSIONS} came after it.")
        return found

    def use(self, plugin: str, number: int, together: Together) -> SignerRecords:
        """The session belongs to this from now on. Raises SignerRefused if it belongs to something else, or is lost."""
        session, digest = self.known(plugin, number), _digest(together)
        if session.used_for and session.used_for != digest:
            refuse(Rule.NONCE_USED, f"the nonce of session {number} has signed something else already.")
        if not session.part:
            session.secret_nonce()
        session.used_for = digest
        return (self._row(plugin, number),)

    def prepared(self, plugin: str, number: int, together: Together) -> Session:
        """The session, if it belongs to this. Raises SignerRefused."""
        session, digest = self.known(plugin, number), _digest(together)
        if not session.used_for:
            refuse(Rule.PARTIAL_UNPREPARED, f"the use of the nonce of session {number} was not prepared.")
        if session.used_for != digest:
            refuse(Rule.NONCE_USED, f"the nonce of session {number} has signed something else already.")
        return session

    def _row(self, plugin: str, number: int) -> SignerRecord:
        session = self._sessions[plugin][number]
        row = NonceRow(plugin, number, session.key, session.nonce, session.used_for)
        place = (number % MAX_SESSIONS).to_bytes(2, "big")
        return SignerRecord(_PREFIX + plugin.encode() + b"/" + place, bytes((FORMAT,)) + _encoder.encode(row))


def _digest(together: Together) -> bytes:
    return sha256(_encoder.encode(together)).digest()
