"""How does a plugin spend the node's own coins?

`fund_psbt` reserves coins and returns a PSBT (BIP 174, version 0), to which the plugin may add inputs and outputs of
others; `sign_psbt` signs the wallet's inputs, `send_psbt` also broadcasts. What leaves the wallet counts against the
plugin's day.
"""

import msgspec

from lnpd_sdk.services.base import Asks

MAX_HOLD_SECONDS = 86_400


class FundPsbt(msgspec.Struct, frozen=True):
    """What `fund_psbt` takes."""

    outputs: tuple[tuple[int, bytes], ...]
    feerate_per_kw: int | None = None
    hold_seconds: int = 600


class FundedPsbt(msgspec.Struct, frozen=True):
    """A PSBT whose inputs are reserved under the name `reservation`. `vouts` are the places of the outputs that were
    asked for; what is left of the coins comes back to the wallet (`change_sat`, 0 for none)."""

    reservation: str
    psbt: bytes
    vouts: tuple[int, ...]
    fee_sat: int
    change_sat: int


class Psbt(msgspec.Struct, frozen=True):
    """What `sign_psbt` and `send_psbt` take."""

    psbt: bytes


class ScriptWanted(msgspec.Struct, frozen=True):
    """What `own_script` takes: nothing."""


class SignedPsbt(msgspec.Struct, frozen=True):
    """The PSBT with the wallet's signatures, the txid (hex, as explorers write it), and what it costs the wallet."""

    psbt: bytes
    txid: str
    cost_sat: int


class SentPsbt(msgspec.Struct, frozen=True):
    """A transaction on its way: its id (hex, as explorers write it), its bytes, and what it costs the wallet."""

    txid: str
    transaction: bytes
    cost_sat: int


class Reservation(msgspec.Struct, frozen=True):
    """What `release_psbt` takes."""

    reservation: str


class CoinAsks(Asks):
    """`Node`'s methods for the wallet's coins."""

    async def fund_psbt(
        self, outputs: tuple[tuple[int, bytes], ...], feerate_per_kw: int | None = None, hold_seconds: int = 600
    ) -> FundedPsbt:
        """Coins of the wallet for outputs (satoshi, scriptPubKey), reserved for `hold_seconds`, a day at most.

        The feerate is the node's estimate if it is None. Needs `spend:<sat>`: what the plugin may spend in 24 hours,
        fees included (SpendLimitReached; what is reserved counts too). What the wallet keeps for closing channels is
        left to it (InsufficientFunds). 1 to 100 outputs, and 20 reservations at a time (TooManyReservations). A
        reservation ends early if the fee of a channel's close needs its coins and nothing else pays it: sign_psbt says
        CoinNotReserved then.
        """
        wanted = FundPsbt(outputs, feerate_per_kw, hold_seconds)
        funded: FundedPsbt = await self._ask("fund_psbt", wanted, FundedPsbt)
        return funded

    async def own_script(self) -> bytes:
        """A new scriptPubKey of the wallet. What a plugin's transaction pays there stays in the wallet, and is no
        spending; it is an ordinary coin. Needs `spend:<sat>`."""
        script: bytes = await self._ask("own_script", ScriptWanted(), bytes)
        return script

    async def sign_psbt(self, psbt: bytes) -> SignedPsbt:
        """Signs the inputs of a PSBT that are reserved for the plugin, or held for it, with SIGHASH_ALL.

        It may have other inputs, which say what they spend, and other outputs than it was funded with. What leaves the
        wallet is charged to the plugin's day before it is signed, once for a transaction, whether it is broadcast or
        not; the coins stay reserved for 14 days then. Needs `spend:<sat>`. PsbtUnfit, CoinNotReserved, CoinHeld
        (for another plugin), SpendLimitReached, SignerRefused (`fee_too_high`: more than 25,000 sat and a tenth of what
        is paid).
        """
        signed: SignedPsbt = await self._ask("sign_psbt", Psbt(psbt), SignedPsbt)
        return signed

    async def send_psbt(self, psbt: bytes) -> SentPsbt:
        """Signs as `sign_psbt`, and broadcasts, again after each block until it is confirmed. Inputs of others have
        their final witnesses (PsbtIncomplete). BroadcastRefused: the network does not take it.

        While it is unconfirmed, nothing else is built on it, and another transaction of the same coins may be sent in
        its place (BIP 125): the network takes that if its fee is higher by enough. Either may be confirmed, and the
        dearer one is charged.
        """
        sent: SentPsbt = await self._ask("send_psbt", Psbt(psbt), SentPsbt)
        return sent

    async def release_psbt(self, reservation: str) -> None:
        """Frees the coins of a reservation of the plugin's (NoSuchReservation), also if they were signed away: whoever
        has that signature may still broadcast it."""
        await self._ask("release_psbt", Reservation(reservation), None)
