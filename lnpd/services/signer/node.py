"""What does the signer answer that is not about one channel? What the node's own key, and the wallet's keys, sign.

The node's key signs an invoice (BOLT 11) and a channel_update (BOLT 7), each shown as a whole. Neither can be taken for
the other, or for a message of another kind: an invoice begins with its prefix in ASCII, and a channel_update has one
length, which no other signed message of BOLT 7 has.
"""

import re
from hashlib import sha256
from typing import Final

from lnpd.crypto.secp import ecdh, sign, sign_recoverable
from lnpd.services.interfaces import PaymentCoin
from lnpd.services.signer.keys import Keys
from lnpd.services.signer.payments import payment_points, signed_payments
from lnpd.services.signer.refusals import Rule, refuse
from lnpd.services.signer.wallet import WalletKeys
from lnpd.tx.transaction import Tx, TxOut

MAX_INVOICE_BYTES: Final = 8192
# chain_hash, short_channel_id, timestamp, two bytes of flags, cltv_expiry_delta, htlc_minimum_msat, fees, maximum
CHANNEL_UPDATE_BYTES: Final = 32 + 8 + 4 + 1 + 1 + 2 + 8 + 4 + 4 + 8
_MESSAGE_FLAGS: Final = slice(44, 45)
_KNOWN_FLAGS: Final = (b"\1", b"\3")  # must_be_one, and perhaps dont_forward

_INVOICE_PREFIX: Final = re.compile(r"ln(bc|tb|tbs|bcrt)([0-9]{1,18}[munp]?)?")


def signed_invoice(secret: bytes, human_readable: str, data: bytes) -> tuple[bytes, int]:
    """See Signer.sign_invoice."""
    if len(human_readable) > 40 or not _INVOICE_PREFIX.fullmatch(human_readable) or len(data) > MAX_INVOICE_BYTES:
        refuse(Rule.INVOICE_MALFORMED, "this is no invoice's readable part and data.")
    return sign_recoverable(secret, sha256(human_readable.encode() + data).digest())


def signed_channel_update(secret: bytes, data: bytes) -> bytes:
    """See Signer.sign_channel_update."""
    if len(data) != CHANNEL_UPDATE_BYTES or data[_MESSAGE_FLAGS] not in _KNOWN_FLAGS:
        refuse(Rule.UPDATE_MALFORMED, "these bytes are no channel_update behind its signature.")
    return sign(secret, sha256(sha256(data).digest()).digest())


class NodeSigner:
    """The part of the Signer that remembers nothing of channels."""

    def __init__(self, keys: Keys) -> None:
        self._keys, self._wallet = keys, WalletKeys(keys)

    async def node_id(self) -> bytes:
        """See Signer."""
        return self._keys.node_id

    async def backup_key(self) -> bytes:
        """See Signer."""
        return self._keys.backup_key()

    async def ecdh(self, point: bytes) -> bytes:
        """See Signer."""
        return ecdh(self._keys.node_secret, point)

    async def sign_invoice(self, human_readable: str, data: bytes) -> tuple[bytes, int]:
        """See Signer."""
        return signed_invoice(self._keys.node_secret, human_readable, data)

    async def sign_channel_update(self, data: bytes) -> bytes:
        """See Signer."""
        return signed_channel_update(self._keys.node_secret, data)

    # The wallet

    async def wallet_account(self) -> str:
        """See Signer."""
        return self._wallet.account()

    async def wallet_used(self, receive: int, change: int) -> None:
        """See Signer."""
        self._wallet.used(receive, change)

    async def sign_wallet(self, psbt: bytes, max_fee_sat: int, ours: tuple[TxOut, ...]) -> bytes:
        """See Signer."""
        return self._wallet.sign(psbt, max_fee_sat, ours)

    async def payment_points(self) -> tuple[bytes, ...]:
        """See Signer."""
        return payment_points(self._keys)

    async def sign_payments(self, tx: Tx, coins: tuple[PaymentCoin, ...]) -> Tx:
        """See Signer."""
        return signed_payments(self._keys, tx, coins, self._wallet.is_ours)
