"""What does rgb-lib's wallet do for us? Each call blocks; `engine` makes them one after the other, in a thread.

Consignments travel by other ways than rgb-lib's proxy servers, so no transfer has an endpoint. A transfer that is no
gift (`donation`) is signed and kept until its recipient agrees; that is how a channel's funding waits. Its consignment
has the transaction without witnesses, so nobody can broadcast it too early.
"""

import time
from pathlib import Path
from typing import Any, Final

import msgspec

from nia.errors import NiaError
from nia.names import script_recipient
from rgb_engine import binding, rows
from rgb_engine.errors import BadRequest, ConsignmentRefused, NotEnough, TransferUnknown, WalletDamaged
from rgb_engine.holdings import SIGNED, Holdings
from rgb_engine.psbt import transactions
from rgb_engine.values import (
    MAX_AMOUNT,
    MAX_FEERATE,
    MAX_SAT,
    Accepted,
    Asset,
    Funding,
    Invoice,
    Transfer,
    bounded,
    brief,
    sized,
)

DAY_SECONDS: Final = 24 * 3600
NEVER_SECONDS: Final = 10 * 365 * DAY_SECONDS  # when what waits for `finish` expires: rgb-lib wants a time
HOLDING_SAT: Final = 1_000  # of an output that only holds tokens
ROOM: Final = 5  # outputs that are made together
FEE_VBYTES: Final = (400, 4_000)  # of a transfer with a few inputs, and with many
CONFIRMATIONS: Final = 1
TERMS: Final = "transfer_data.txt"  # what rgb-lib writes of a transfer, beside its unsigned PSBT


class Wallet(Holdings):
    """The wallet's work. Every method raises classes of `errors`."""

    _doubt = ""

    def _went_online(self) -> None:
        """Ends what an earlier process was killed in, then has rgb-lib compare its books with the chain: outputs that
        were spent by what it does not remember are spent by nobody's leave."""
        wallet = self.open()
        for each in self.transfers():
            if each.status == "begun" and each.kind == "sent":
                self._end_begun(each)
        seen = self.heights()
        for each in self.transfers():
            if each.status == "unsent" and each.kind == "sent" and each.txid in seen:
                self.finish(each.txid)
        self._doubt = ""
        try:
            with binding.translated():
                wallet.go_online(self._options(skip_check=False))
        except WalletDamaged as error:
            self._doubt = str(error)

    def check_books(self) -> None:
        """WalletDamaged if nothing may be sent: a token may stand where this wallet believes an output to be empty."""
        self.online()
        if self._doubt:
            raise WalletDamaged(
                f"nothing is sent from this wallet, whose books are not the chain's ({self._doubt}): was its folder put"
                " back from an older copy, or are its words used elsewhere?"
            )

    def _end_begun(self, begun: Transfer) -> None:
        """A gift that was signed may have been broadcast: the same is done again. All else only holds its inputs
        back: nobody has seen it."""
        unsigned = Path(begun.psbt_path)
        if not unsigned.with_name(SIGNED).exists() or not _is_gift(unsigned.with_name(TERMS)):
            self._forget(begun)
            return
        self.sign_and_end(unsigned.read_text())

    # --- room for tokens
    def make_room(self, size_sat: int = HOLDING_SAT, count: int = ROOM, feerate: int = 2) -> None:
        """New outputs that can hold tokens, or pay for what does. Broadcasts. NotEnough."""
        bounded("an output's amount", size_sat, HOLDING_SAT, MAX_SAT)
        self.check_books()
        wallet, online = self.open(), self.online()
        with binding.translated():
            wallet.create_utxos(online, False, count, size_sat, _feerate(feerate), False)

    def issue(self, ticker: str, name: str, precision: int, amount: int, feerate: int = 2) -> Asset:
        """A new asset, all of it ours. Makes room if there is none. BadRequest, NotEnough."""
        bounded("the amount", amount, 1, MAX_AMOUNT)
        bounded("the precision", precision, 0, 18)
        brief("the ticker", ticker, 8)
        brief("the name", name, 256)
        wallet, _ = self.open(), self.online()

        def issued() -> Asset:
            with binding.translated():
                made = wallet.issue_asset_nia(ticker, name, precision, [amount])
            return rows.asset(made, ())

        try:
            return issued()
        except NotEnough:
            self.make_room(feerate=feerate)
            return issued()

    # --- receiving
    def invoice(
        self,
        asset_id: str = "",
        amount: int = 0,
        expiry_seconds: int = DAY_SECONDS,
        blinded: bool = False,
        feerate: int = 2,
    ) -> Invoice:
        """What somebody else sends tokens to: a new output, or with `blinded` one that the wallet has, unseen."""
        bounded("the amount", amount, 0, MAX_AMOUNT)
        bounded("the expiry", expiry_seconds, 60, NEVER_SECONDS)
        wallet, lib = self.open(), self._library
        wanted = lib.Assignment.FUNGIBLE(amount) if amount else lib.Assignment.ANY()
        expires = int(time.time()) + expiry_seconds
        if asset_id:
            asset_id = self.asset(asset_id).asset_id

        def made() -> Any:
            method = wallet.blind_receive if blinded else wallet.witness_receive
            with binding.translated():
                return method(asset_id or None, wanted, expires, [], CONFIRMATIONS)

        if blinded:
            self.online()
        try:
            given = made()
        except NotEnough:
            self.make_room(feerate=feerate)
            given = made()
        return Invoice(given.invoice, given.recipient_id, asset_id, amount, expires)

    def read_invoice(self, text: str) -> Invoice:
        """What an invoice says. BadRequest."""
        with binding.translated():
            data = self._library.Invoice(brief("an invoice", text)).invoice_data()
            if data.network != binding.network(self.network):
                raise BadRequest(f"the invoice is for {data.network.name.lower()}, and this node is on {self.network}")
        return Invoice(
            text, data.recipient_id, data.asset_id or "", rows.amount(data.assignment), data.expiration_timestamp or 0
        )

    def receive(self, consignment: bytes) -> tuple[Accepted, ...]:
        """Takes what a consignment assigns to our open invoices. Its transaction is broadcast if it is signed.

        ConsignmentRefused: it is invalid, and the invoices that it names are used up; or none of ours is named.
        """
        wallet, online = self.open(), self.online()
        path = self.folder / "consignment"
        path.write_bytes(sized(consignment))
        try:
            with binding.translated():
                changed = wallet.provide_out_of_band_consignment(online, str(path), [])
        finally:
            path.unlink()
        found = [each for each in self.transfers() if each.batch in changed]
        if not found or any(each.status == "failed" for each in found):
            raise ConsignmentRefused(f"the consignment is not valid: {self.last_word()}")
        return tuple(Accepted(each.asset_id, each.amount, each.txid, each.vout, each.status) for each in found)

    # --- sending
    def send(self, to: Invoice, asset_id: str, amount: int, feerate: int, amount_sat: int = HOLDING_SAT) -> Transfer:
        """Sends tokens to an invoice, and broadcasts. The recipient needs the consignment (`consignment`) to have
        them. BadRequest, NotEnough."""
        return self.end_gift(self.begin_gift(to, asset_id, amount, feerate, amount_sat))

    def begin_gift(
        self, to: Invoice, asset_id: str, amount: int, feerate: int, amount_sat: int = HOLDING_SAT
    ) -> tuple[int, str]:
        """The first half of it: the transfer's number, and its PSBT."""
        if 0 < to.expires_unix_seconds < time.time():
            raise BadRequest("the invoice has expired")
        witness = None if to.is_blinded else self._library.WitnessData(amount_sat=amount_sat, blinding=None)
        begun = self._begin(to.recipient_id, witness, asset_id, amount, feerate, gift=True)
        return begun.batch_transfer_idx, begun.psbt

    def end_gift(self, begun: tuple[int, str]) -> Transfer:
        """The second half."""
        batch, psbt = begun
        self.sign_and_end(psbt)
        return self._sent(batch)

    def sign_and_end(self, psbt: str) -> str:
        """Signs what was begun: a gift is broadcast, all else waits. The PSBT with its signatures."""
        wallet, online = self.open(), self.online()
        with binding.translated():
            signed = str(wallet.sign_psbt(psbt))
            wallet.send_end(online, signed)
        return signed

    def fund_script(
        self, script_pubkey: bytes, amount_sat: int, asset_id: str, amount: int, blinding: int, feerate: int
    ) -> Funding:
        """Tokens for an output of any script, in a transaction that is signed and waits for `finish` or `cancel`.

        `blinding` is of the output's seal, `feerate` in sat per vbyte. It makes room for the satoshi, which is
        broadcast, where what the wallet holds is in smaller pieces. BadRequest, NotEnough.
        """
        bounded("the blinding", blinding, 0, MAX_AMOUNT)
        witness = self._library.WitnessData(
            amount_sat=bounded("the output's amount", amount_sat, HOLDING_SAT, MAX_SAT), blinding=blinding
        )
        try:
            recipient = script_recipient(script_pubkey, binding.chain(self.network))
        except NiaError as error:
            raise BadRequest(str(error)) from None
        begun = self._begin(recipient, witness, asset_id, amount, feerate, gift=False)
        with binding.translated():
            outputs = self.open().inspect_psbt(begun.psbt).outputs
        signed = self.sign_and_end(begun.psbt)
        sent = self._sent(begun.batch_transfer_idx)
        vout = [each.script_pubkey_hex for each in outputs].index(script_pubkey.hex())
        return Funding(sent.txid, vout, *transactions(signed), self.consignment(sent))

    def finish(self, txid: str) -> Transfer:
        """Broadcasts what waits; again is harmless. TransferUnknown."""
        wallet, online = self.open(), self.online()
        sent = self.sent(txid)
        if sent.status == "unsent":
            with binding.translated():
                wallet.provide_out_of_band_ack(online, sent.recipient_id)
            sent = self.sent(txid)
        if sent.status not in ("unconfirmed", "settled"):
            raise TransferUnknown(f"the transfer {txid} is {sent.status}: it cannot be broadcast")
        return sent

    def cancel(self, txid: str) -> None:
        """Gives up what waits, whose signed transaction nobody else has: its tokens and satoshi are free again.
        TransferUnknown."""
        self.online()
        sent = self.sent(txid)
        if sent.status not in ("begun", "unsent", "failed"):
            raise TransferUnknown(f"the transfer {txid} is {sent.status}: it cannot be taken back")
        if txid in self.heights():  # a node that has it may have broadcast it
            raise TransferUnknown(f"the transfer {txid} is on its way: it cannot be taken back")
        self._forget(sent)

    # --- parts of the above
    def heights(self) -> dict[str, int]:
        """The transactions of outputs that can hold tokens, and in which block each is; 0 for the mempool."""
        wallet, online, lib = self.open(), self.online(), self._library
        every = lib.SyncOptions(keychain=lib.SyncKeychain.COLORED(), strategy=lib.SyncStrategy.FULL_SCAN)
        with binding.translated():
            wallet.sync(online, every)
            found = wallet.list_transactions(None, True)
        return {each.txid: each.confirmation_time.height if each.confirmation_time else 0 for each in found}

    def _begin(self, recipient: str, witness: Any, asset_id: str, amount: int, feerate: int, gift: bool) -> Any:
        """A transfer that holds its inputs. Where satoshi are missing it makes room."""
        bounded("the amount", amount, 1, MAX_AMOUNT)
        asset, lib = self.asset(asset_id), self._library
        recipients = {asset.asset_id: [lib.Recipient(
            recipient_id=recipient, witness_data=witness, assignment=lib.Assignment.FUNGIBLE(amount),
            transport_endpoints=[],
        )]}  # fmt: skip
        wallet, online = self.open(), self.online()

        def begun() -> Any:
            expires = int(time.time()) + NEVER_SECONDS
            with binding.translated():
                return wallet.send_begin(online, recipients, gift, _feerate(feerate), CONFIRMATIONS, expires, False)

        self.check_books()
        self.refresh()
        if amount > (have := self.asset(asset.asset_id).balance).spendable:
            raise NotEnough(f"{have.spendable} of {asset.ticker} can be spent now, not {amount}")
        for vbytes in FEE_VBYTES:
            try:
                return begun()
            except NotEnough:
                needed = (witness.amount_sat if witness else 0) + vbytes * feerate
                self.make_room(max(needed, HOLDING_SAT), 1, feerate)
        return begun()

    def _sent(self, batch: int) -> Transfer:
        for each in self.transfers():
            if each.batch == batch and each.kind == "sent":
                return each
        raise WalletDamaged(f"rgb-lib does not know its own transfer {batch}")

    def _forget(self, sent: Transfer) -> None:
        """Fails it, and deletes it: rgb-lib looks transfers up by recipient, and the next may have the same."""
        wallet = self.open()
        with binding.translated():
            if sent.status != "failed":
                wallet.fail_transfers(self._online, sent.batch, False, False)
            wallet.delete_transfers(sent.batch, False)


def _is_gift(terms: Path) -> bool:
    """Whether it is broadcast as soon as it is signed. WalletDamaged."""
    try:
        return msgspec.json.decode(terms.read_bytes(), type=_Terms).donation
    except (OSError, msgspec.DecodeError) as error:
        raise WalletDamaged(f"{terms} cannot be read: {error}") from None


class _Terms(msgspec.Struct, frozen=True):
    donation: bool


def _feerate(feerate: int) -> int:
    return bounded("the feerate", feerate, 1, MAX_FEERATE)
