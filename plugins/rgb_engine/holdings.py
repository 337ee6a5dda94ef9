"""What does the wallet have, as far as it knows: satoshi, assets, transfers, files? Nothing here moves anything."""

import re
from pathlib import Path
from typing import Final

from rgb_engine import binding, rows
from rgb_engine.errors import BadRequest, TransferUnknown, WalletDamaged
from rgb_engine.opened import Opened
from rgb_engine.psbt import transactions
from rgb_engine.values import Asset, Bitcoin, Transfer, a_txid, brief

SIGNED: Final = "signed.psbt"  # beside the unsigned one, once rgb-lib began to end a transfer
LOG_BYTES: Final = 16 * 1024  # of the log's end
COMPLAINT: Final = re.compile(r"ERRO\[[^]]*\] (?:Consignment is invalid: )?(.{1,500})")


class Holdings(Opened):
    """What an opened wallet holds. Every method raises classes of `errors`."""

    def address(self) -> str:
        """A new address for satoshi, which pay fees and make outputs that can hold tokens."""
        wallet = self.open()
        with binding.translated():
            return str(wallet.get_address())

    def bitcoin(self) -> Bitcoin:
        """The wallet's satoshi, as the chain has them now."""
        wallet, online = self.open(), self.online()
        with binding.translated():
            found = wallet.get_btc_balance(online, False)
        return Bitcoin(rows.amounts(found.vanilla), rows.amounts(found.colored))

    def assets(self) -> tuple[Asset, ...]:
        """All assets that the wallet has or had, as of the last refresh."""
        wallet = self.open()
        with binding.translated():
            known = wallet.list_assets([]).nia or ()
        return tuple(rows.asset(each, self.transfers(each.asset_id)) for each in known)

    def asset(self, name: str) -> Asset:
        """The one with this id, or ticker if only one has it. BadRequest."""
        known = self.assets()
        found = [each for each in known if name in (each.asset_id, each.ticker)]
        if len(found) != 1:
            raise BadRequest(
                f"{len(found)} assets have the ticker {name}: name one by its id"
                if found
                else f"the wallet knows no asset {brief('the asset', name)!r}"
            )
        return found[0]

    def transfers(self, asset_id: str = "") -> tuple[Transfer, ...]:
        """The wallet's history, or that of an asset, oldest first. Open invoices of no asset are in the whole."""
        wallet = self.open()
        with binding.translated():
            known = [asset_id] if asset_id else [each.asset_id for each in wallet.list_assets([]).nia or ()] + [None]
            found = [rows.transfer(row, asset or "") for asset in known for row in wallet.list_transfers(asset)]
        return tuple(sorted(found, key=lambda each: each.batch))

    def refresh(self) -> None:
        """Asks the chain how transfers that wait are doing. What failed for one of them is in the log of rgb-lib."""
        wallet, online = self.open(), self.online()
        with binding.translated():
            wallet.refresh(online, None, [], False)

    def sent(self, txid: str) -> Transfer:
        """The transfer of ours with this txid. TransferUnknown."""
        for each in self.transfers():
            if each.kind == "sent" and each.txid == a_txid(txid):
                return each
        raise TransferUnknown(f"the RGB wallet has sent nothing in {txid}")

    def signed(self, txid: str) -> bytes:
        """The transaction of what was signed and waits, with its witnesses. TransferUnknown, WalletDamaged."""
        path = Path(self.sent(txid).psbt_path).with_name(SIGNED)
        try:
            return transactions(path.read_text())[1]
        except (OSError, UnicodeDecodeError) as error:
            raise WalletDamaged(f"the signed transaction {txid} cannot be read: {error}") from None

    def consignment(self, sent: Transfer) -> bytes:
        """What the recipient of a transfer needs. TransferUnknown."""
        path = Path(sent.consignment_path)
        if not sent.consignment_path or not path.is_file():
            raise TransferUnknown(f"the transfer {sent.txid} has no consignment")
        return path.read_bytes()

    def backup(self) -> Path:
        """Writes the wallet, encrypted under its words, to a file beside them."""
        wallet, fresh = self.open(), self.folder / "rgb.backup.new"
        fresh.unlink(missing_ok=True)
        with binding.translated():
            wallet.backup(str(fresh), self._words())
        return fresh.rename(self.backup_path)

    def last_word(self) -> str:
        """The last complaint in rgb-lib's log, which is all that says why a consignment is invalid. Closes the wallet:
        the log is written by then."""
        self.close()
        for log in self._data.glob("*/log"):
            with log.open("rb") as file:
                file.seek(max(0, log.stat().st_size - LOG_BYTES))
                found = COMPLAINT.findall(file.read().decode(errors="replace"))
            if found:
                return str(found[-1])
        return "rgb-lib does not say why"
