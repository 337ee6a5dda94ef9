"""Which secret is behind each key of this node? The only file in which secrets are looked up by name.

Derived secrets of open channels are kept in memory, a bounded number of them, so that a commitment costs no
derivation from the seed.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec
from lnpd_sdk.script import Key

from lnpd.crypto import hd
from lnpd.crypto.hd import ChannelBasepoints, ChannelIndex, ChannelSecrets, ExtendedSecret, Master
from lnpd.crypto.keys import derive_revocation_secret, derive_secret
from lnpd.crypto.secp import check_secret, public_key
from lnpd.crypto.shachain import Near
from lnpd.errors import DerivationOutOfRange
from lnpd.tx.script import hash160

MAX_OPEN_CHANNELS: Final = 1000
FIRST_HARDENED: Final = 1 << 31


class FixedChannelSecrets(msgspec.Struct, frozen=True):
    """Developer: the secrets that every channel then has, 32 bytes each. Never for money."""

    funding: bytes
    revocation: bytes
    payment: bytes
    delayed_payment: bytes
    htlc: bytes
    shachain_seed: bytes

    def __repr__(self) -> str:
        return "FixedChannelSecrets(...)"


class Overrides(msgspec.Struct, frozen=True):
    """Developer: fixed secrets in place of derived ones. Empty bytes and None leave the derived ones."""

    node_secret: bytes = b""
    channel: FixedChannelSecrets | None = None

    def __repr__(self) -> str:
        return "Overrides(...)"


NO_OVERRIDES: Final = Overrides()


class ChannelKeys:
    """Our secrets of one channel, and what is derived from them for its commitments."""

    def __init__(self, secrets: ChannelSecrets) -> None:
        self._secrets = secrets
        self.publics: ChannelBasepoints = secrets.basepoints()
        self._points: OrderedDict[int, bytes] = OrderedDict()
        self._near = Near(secrets.shachain_seed)

    def __repr__(self) -> str:
        return "ChannelKeys(...)"

    @property
    def funding(self) -> bytes:
        """The secret of our funding key."""
        return self._secrets.funding

    def point(self, number: int) -> bytes:
        """Our per-commitment point; raises ShachainIndexOutOfRange."""
        found = self._points.get(number)
        if found is None:
            found = self._points[number] = public_key(self._near.secret(number))
            if len(self._points) > 8:
                self._points.popitem(last=False)
        return found

    def released(self, number: int) -> bytes:
        """Our per-commitment secret; whoever calls this has asked the rules."""
        return self._near.secret(number)

    def secret(self, key: str, is_holder: bool, point: bytes, revealed: bytes = b"") -> bytes | None:
        """The secret of a key's name in a commitment with this point, whose holder we are or not; None if it is not
        ours. `revealed` is the per-commitment secret of a revoked commitment of the peer."""
        if key == Key.REVOCATION:
            return derive_revocation_secret(self._secrets.revocation, revealed) if revealed and not is_holder else None
        row = (_HOLDERS if is_holder else _COUNTERPARTYS).get(key)
        return row(self._secrets, self.publics, point) if row else None


_OfPoint = Callable[[ChannelSecrets, ChannelBasepoints, bytes], bytes]
_HOLDERS: Final[dict[str, _OfPoint]] = {
    Key.DELAYED: lambda secrets, publics, point: derive_secret(
        secrets.delayed_payment, point, publics.delayed_payment_basepoint
    ),
    Key.HOLDER_HTLC: lambda secrets, publics, point: derive_secret(secrets.htlc, point, publics.htlc_basepoint),
    Key.HOLDER_FUNDING: lambda secrets, _, __: secrets.funding,
}
_COUNTERPARTYS: Final[dict[str, _OfPoint]] = {
    Key.COUNTERPARTY_HTLC: lambda secrets, publics, point: derive_secret(secrets.htlc, point, publics.htlc_basepoint),
    Key.COUNTERPARTY_PAYMENT: lambda secrets, _, __: secrets.payment,
    Key.COUNTERPARTY_FUNDING: lambda secrets, _, __: secrets.funding,
}


class Keys:
    """All keys of a node."""

    def __init__(self, master: Master, overrides: Overrides = NO_OVERRIDES) -> None:
        """Raises InvalidSecret if an override is none."""
        self._master = master
        self._fixed = overrides.channel
        self.node_secret: bytes = check_secret(overrides.node_secret or hd.node_secret(master))
        self.node_id = public_key(self.node_secret)
        self._channels: OrderedDict[ChannelIndex, ChannelKeys] = OrderedDict()
        self._account = hd.wallet_account(master)
        self._branches = (self._account.child(0), self._account.child(1))
        if self._fixed is not None:
            self._fixed_secrets(self._fixed).basepoints()

    def __repr__(self) -> str:
        return f"Keys({self.node_id.hex()})"

    def backup_key(self) -> bytes:
        """What seals the backup of the channels; it opens no money."""
        return hd.backup_key(self._master)

    def channel(self, index: ChannelIndex) -> ChannelKeys:
        """Our keys of a channel; raises DerivationOutOfRange."""
        found = self._channels.get(index)
        if found is None:
            secrets = self._fixed_secrets(self._fixed) if self._fixed else hd.channel_secrets(self._master, index)
            found = self._channels[index] = ChannelKeys(secrets)
            if len(self._channels) > MAX_OPEN_CHANNELS:
                self._channels.popitem(last=False)
        else:
            self._channels.move_to_end(index)
        return found

    @staticmethod
    def _fixed_secrets(fixed: FixedChannelSecrets) -> ChannelSecrets:
        return ChannelSecrets(
            fixed.funding, fixed.revocation, fixed.payment, fixed.delayed_payment, fixed.htlc, fixed.shachain_seed
        )

    def payment_secret(self, turn: int) -> bytes:
        """The secret of a payment basepoint; raises DerivationOutOfRange."""
        return hd.payment_secret(self._master, turn)

    def plugin_secret(self, index: int, *name: bytes) -> bytes:
        """The secret of a plugin's key; raises DerivationOutOfRange."""
        return hd.plugin_secret(self._master, index, *name)

    # The wallet (BIP 84)

    @property
    def fingerprint(self) -> bytes:
        """The first four bytes of the master key's hash (BIP 32)."""
        return hash160(public_key(self._master.key.secret))[:4]

    @property
    def account_path(self) -> tuple[int, ...]:
        """The path of the wallet's account."""
        return hd.wallet_path(self._master.coin)

    @property
    def account(self) -> ExtendedSecret:
        """The wallet's account."""
        return self._account

    @property
    def account_parent(self) -> bytes:
        """The fingerprint of the key above the account (BIP 32)."""
        return hash160(public_key(self._master.key.descend(self.account_path[:-1]).secret))[:4]

    @property
    def is_mainnet(self) -> bool:
        """Whether coins here are bitcoins."""
        return self._master.coin == hd.BITCOIN_COIN

    def wallet_secret(self, branch: int, number: int) -> bytes:
        """The secret of an address: branch 0 receives, 1 is change; raises DerivationOutOfRange."""
        if branch not in (0, 1) or not 0 <= number < FIRST_HARDENED:
            raise DerivationOutOfRange(f"The wallet has no key {branch}/{number}.")
        return self._branches[branch].child(number).secret
