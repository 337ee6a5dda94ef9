"""Which secrets does a node derive from its seed, and along which paths? (BIP 32, LNPBP-46, BIP 84)

    m/9735'/coin'/0'/node'                      node key
    m/9735'/coin'/1'/0'/first'/second'          one channel: /0 funding, /2 delayed payment, /3 revocation, /5 HTLC,
                                                /4' shachain seed
    m/9735'/coin'/3'/turn'                      payment basepoints, 1000 of them
    m/9735'/coin'/4'                            what seals the backup of the channels; it opens no money
    m/9735'/coin'/5'/n1'/.../n8'/index'         keys of plugins: n1 to n8 are 248 bits of the hash of a key's name
    m/84'/coin'/0'                              wallet account

Where this leaves LNPBP-46, money is at stake. A channel's levels are our own entropy, not the temporary channel id:
that is chosen by the opener, who by using one twice would make us repeat our secrets, and could punish the second
channel with what the first revealed. The shachain seed is a hardened child, since revealed unhardened ones, with one
leaked extended public key, yield their parent. Payment basepoints come from a small set, so that the seed alone finds
every to_remote output.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hmac import digest as hmac_digest
from typing import Final

from msgspec import Struct

from lnpd.crypto.keys import per_commitment_point
from lnpd.crypto.schnorr import tagged_hash
from lnpd.crypto.secp import public_key, tweak_add_point, tweak_add_secret
from lnpd.errors import DerivationOutOfRange, InvalidTweak

HARDENED: Final = 1 << 31
PAYMENT_TURNS: Final = 1000
INDEX_ENTROPY_BYTES: Final = 8

BITCOIN_COIN: Final = 0
TEST_COIN: Final = 1  # SLIP 44: every test network

_PURPOSE: Final = 9735
_WALLET_PURPOSE: Final = 84
_NODE, _CHANNELS, _PAYMENTS, _BACKUP, _PLUGINS = 0, 1, 3, 4, 5
_NAME_TAG: Final = "lnpd/plugin/key"
_NAME_LEVELS: Final = 8
_BOLT_CHANNEL: Final = 0
_FUNDING, _DELAYED_PAYMENT, _REVOCATION, _SHACHAIN, _HTLC = 0, 2, 3, 4 | HARDENED, 5


# BIP 32


@dataclass(frozen=True, slots=True, repr=False)
class ExtendedSecret:
    """A secret and its chain code, 32 bytes each."""

    secret: bytes
    chain_code: bytes

    @classmethod
    def from_seed(cls, seed: bytes) -> "ExtendedSecret":
        """The master key of a seed of 16 to 64 bytes; raises DerivationOutOfRange."""
        if not 16 <= len(seed) <= 64:
            raise DerivationOutOfRange(f"A seed has 16 to 64 bytes, not {len(seed)}.")
        digest = hmac_digest(b"Bitcoin seed", seed, "sha512")
        return cls(digest[:32], digest[32:])

    def child(self, number: int) -> "ExtendedSecret":
        """The child of a number 0..2^32-1, hardened from 2^31 on; raises DerivationOutOfRange."""
        _require("A child's number", number, HARDENED * 2)
        parent = public_key(self.secret) if number < HARDENED else b"\0" + self.secret
        digest = hmac_digest(self.chain_code, parent + number.to_bytes(4, "big"), "sha512")
        try:
            return ExtendedSecret(tweak_add_secret(self.secret, digest[:32]), digest[32:])
        except InvalidTweak:  # BIP 32: one number in 2^127 has no key
            raise DerivationOutOfRange(f"Number {number} has no key here; take the next.") from None

    def descend(self, path: Iterable[int]) -> "ExtendedSecret":
        """The descendant at a path of numbers."""
        key = self
        for number in path:
            key = key.child(number)
        return key

    def __repr__(self) -> str:
        return "ExtendedSecret(...)"


@dataclass(frozen=True, slots=True)
class ExtendedPoint:
    """A public key (33 bytes) and its chain code (32): unhardened children come of these without a secret."""

    point: bytes
    chain_code: bytes

    def child(self, number: int) -> "ExtendedPoint":
        """The child of a number 0..2^31-1; raises DerivationOutOfRange, InvalidPoint."""
        _require("A public child's number", number, HARDENED)
        digest = hmac_digest(self.chain_code, self.point + number.to_bytes(4, "big"), "sha512")
        try:
            return ExtendedPoint(tweak_add_point(self.point, digest[:32]), digest[32:])
        except InvalidTweak:  # as of a secret's child
            raise DerivationOutOfRange(f"Number {number} has no key here; take the next.") from None


def format_path(path: Iterable[int]) -> str:
    """A path as people write it: m/9735'/0'/..."""
    return "/".join(["m", *(f"{number % HARDENED}'" if number >= HARDENED else str(number) for number in path)])


# Paths


def node_path(coin: int, node_index: int = 0) -> tuple[int, ...]:
    """The path of a node's key (LNPBP-46)."""
    return _hardened(_PURPOSE, coin, _NODE, node_index)


def channel_path(coin: int, *levels: int) -> tuple[int, ...]:
    """The path of a BOLT channel. LNPBP-46 has one level below the Lightning version, lnpd two."""
    return _hardened(_PURPOSE, coin, _CHANNELS, _BOLT_CHANNEL, *levels)


def payment_path(coin: int, turn: int) -> tuple[int, ...]:
    """The path of one of the PAYMENT_TURNS payment basepoints; raises DerivationOutOfRange."""
    _require("A payment turn", turn, PAYMENT_TURNS)
    return _hardened(_PURPOSE, coin, _PAYMENTS, turn)


def backup_path(coin: int) -> tuple[int, ...]:
    """The path of the key that seals backups."""
    return _hardened(_PURPOSE, coin, _BACKUP)


def plugin_path(coin: int, index: int, *name: bytes) -> tuple[int, ...]:
    """The path of a plugin's key whose name has these parts; raises DerivationOutOfRange.

    A hash stands for the name, each part behind its length: no other name has the same levels.
    """
    digest = tagged_hash(_NAME_TAG, *(len(part).to_bytes(4, "big") + part for part in name))
    number = int.from_bytes(digest, "big")
    levels = (number >> 31 * place & HARDENED - 1 for place in range(_NAME_LEVELS))
    return _hardened(_PURPOSE, coin, _PLUGINS, *levels, index)


def wallet_path(coin: int) -> tuple[int, ...]:
    """The path of the wallet's first account (BIP 84)."""
    return _hardened(_WALLET_PURPOSE, coin, 0)


# A node's secrets


class ChannelIndex(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a channel's keys are: two levels of 31 random bits, and which payment basepoint it uses (0..999).

    Drawn before open_channel or accept_channel is sent, stored first, and never used twice.
    """

    first: int
    second: int
    payment_turn: int

    @classmethod
    def drawn(cls, entropy: bytes, payment_turn: int) -> "ChannelIndex":
        """The index that 8 bytes of our own entropy choose; raises DerivationOutOfRange."""
        if len(entropy) != INDEX_ENTROPY_BYTES:
            raise DerivationOutOfRange(f"A channel index takes {INDEX_ENTROPY_BYTES} random bytes, not {len(entropy)}.")
        _require("A payment turn", payment_turn, PAYMENT_TURNS)
        first, second = int.from_bytes(entropy[:4], "big"), int.from_bytes(entropy[4:], "big")
        return cls(first % HARDENED, second % HARDENED, payment_turn)


class ChannelBasepoints(Struct, frozen=True, forbid_unknown_fields=True):
    """Our side's points of one channel, 33 bytes each, as open_channel and accept_channel carry them (BOLT 2)."""

    funding_pubkey: bytes
    revocation_basepoint: bytes
    payment_basepoint: bytes
    delayed_payment_basepoint: bytes
    htlc_basepoint: bytes
    first_per_commitment_point: bytes


@dataclass(frozen=True, slots=True, repr=False)
class ChannelSecrets:
    """Our side's secrets of one channel, 32 bytes each."""

    funding: bytes
    revocation: bytes
    payment: bytes
    delayed_payment: bytes
    htlc: bytes
    shachain_seed: bytes

    def basepoints(self) -> ChannelBasepoints:
        """What the other side is told of them."""
        return ChannelBasepoints(
            funding_pubkey=public_key(self.funding),
            revocation_basepoint=public_key(self.revocation),
            payment_basepoint=public_key(self.payment),
            delayed_payment_basepoint=public_key(self.delayed_payment),
            htlc_basepoint=public_key(self.htlc),
            first_per_commitment_point=per_commitment_point(self.shachain_seed, 0),
        )

    def __repr__(self) -> str:
        return "ChannelSecrets(...)"


@dataclass(frozen=True, slots=True, repr=False)
class Master:
    """The root of everything a node derives, and the coin type of its network."""

    key: ExtendedSecret
    coin: int

    @classmethod
    def from_seed(cls, seed: bytes, coin: int) -> "Master":
        """The master of a BIP 39 seed; raises DerivationOutOfRange."""
        return cls(ExtendedSecret.from_seed(seed), coin)

    def __repr__(self) -> str:
        return f"Master(coin={self.coin}, ...)"


def node_secret(master: Master, node_index: int = 0) -> bytes:
    """The secret of the node id."""
    return master.key.descend(node_path(master.coin, node_index)).secret


def wallet_account(master: Master) -> ExtendedSecret:
    """The account key whose children /0/n and /1/n receive and take change (BIP 84)."""
    return master.key.descend(wallet_path(master.coin))


def payment_secret(master: Master, turn: int) -> bytes:
    """The secret of payment basepoint 0..999; raises DerivationOutOfRange."""
    return master.key.descend(payment_path(master.coin, turn)).secret


def backup_key(master: Master) -> bytes:
    """What seals the backup of the channels, 32 bytes: whoever has it reads which channels there are, and no more."""
    return master.key.descend(backup_path(master.coin)).secret


def plugin_secret(master: Master, index: int, *name: bytes) -> bytes:
    """The secret of a plugin's key; raises DerivationOutOfRange."""
    return master.key.descend(plugin_path(master.coin, index, *name)).secret


def channel_secrets(master: Master, index: ChannelIndex) -> ChannelSecrets:
    """Every secret of one channel; raises DerivationOutOfRange."""
    channel = master.key.descend(channel_path(master.coin, index.first, index.second))
    return ChannelSecrets(
        funding=channel.child(_FUNDING).secret,
        revocation=channel.child(_REVOCATION).secret,
        payment=payment_secret(master, index.payment_turn),
        delayed_payment=channel.child(_DELAYED_PAYMENT).secret,
        htlc=channel.child(_HTLC).secret,
        shachain_seed=channel.child(_SHACHAIN).secret,
    )


def _hardened(*numbers: int) -> tuple[int, ...]:
    for number in numbers:
        _require("A hardened level", number, HARDENED)
    return tuple(number | HARDENED for number in numbers)


def _require(what: str, number: int, below: int) -> None:
    if not 0 <= number < below:
        raise DerivationOutOfRange(f"{what} is 0 to {below - 1}, not {number}.")
