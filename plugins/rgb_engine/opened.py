"""How is rgb-lib's wallet opened, by whom, and when does it go online?

In the plugin's folder there are `words` (words.py), `wallet`, which is rgb-lib's, `lock`, and perhaps `rgb.backup`.

Each output holds one allocation at most: rgb-lib fails where an input holds a second asset that is not sent. Outputs
are P2WPKH, for a P2TR before the OP_RETURN would void the commitment.
"""

import fcntl
import shutil
import time
from pathlib import Path
from typing import IO, Any, Final

from rgb_engine import binding
from rgb_engine.errors import ElectrumUnset, WalletBusy
from rgb_engine.words import kept

MAX_LOG_BYTES: Final = 8 * 1024 * 1024
WALLET: Final = "wallet"
RUNNING: Final = "rgb_runtime.lock"  # rgb-lib's own, a file that is there or not
LOOKBACK: Final = 20  # addresses beyond the last used one
DYING_SECONDS: Final = 10  # of a process that was killed; it may wait for a disk
LOOK_SECONDS: Final = 0.05


class Opened:
    """The wallet of a folder, on a network: open from the first call on, online from the first that needs the chain."""

    def __init__(self, folder: Path, network: str, electrum: str) -> None:
        self.folder, self.network, self.electrum = folder, network, electrum
        self._library = binding.load()
        self._lock: IO[bytes] | None = None
        self._wallet: Any = None  # rgb-lib's types are not known to checkers, here and below
        self._online: Any = None

    # --- its life
    def open(self) -> Any:
        """rgb-lib's wallet, without a connection."""
        if self._wallet is None:
            self._take()
            lib, network = self._library, binding.network(self.network)
            with binding.translated():
                words = self._words()
                self._data_or_backup(words)
                self._break_locks()
                self._shorten_logs()
                data = lib.WalletData(
                    data_dir=str(self._data),
                    bitcoin_network=network,
                    database_type=lib.DatabaseType.SQLITE,
                    max_allocations_per_utxo=1,
                    supported_schemas=[lib.AssetSchema.NIA],
                )
                self._wallet = lib.Wallet(data, self._keys(words))
        return self._wallet

    def _words(self) -> str:
        lib, network = self._library, binding.network(self.network)
        return kept(self.folder, self._data, lambda: lib.generate_keys(network, lib.WitnessVersion.SEG_WIT_V0).mnemonic)

    def _keys(self, words: str) -> Any:
        lib, version = self._library, self._library.WitnessVersion.SEG_WIT_V0
        keys = lib.restore_keys(binding.network(self.network), words, version)
        return lib.SinglesigKeys(
            account_xpub_vanilla=keys.account_xpub_vanilla,
            account_xpub_colored=keys.account_xpub_colored,
            vanilla_keychain=None,
            master_fingerprint=keys.master_fingerprint,
            mnemonic=words,
            witness_version=version,
        )

    def _data_or_backup(self, words: str) -> None:
        """Where there is no wallet, a backup beside its words is put back."""
        if self._data.exists():
            return
        fresh = self.folder / "wallet.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self.backup_path.exists():
            self._library.restore_backup(str(self.backup_path), words, str(fresh))
        fresh.rename(self._data)

    def _break_locks(self) -> None:
        """What a killed process left: rgb-lib would wait an hour for its end. Who works here has `lock`."""
        for left in self._data.glob(f"*/{RUNNING}"):
            left.unlink()

    def _shorten_logs(self) -> None:
        """rgb-lib writes without end; one log of before is kept."""
        for log in self._data.glob("*/log"):
            if log.stat().st_size > MAX_LOG_BYTES:
                log.replace(log.with_name("log.old"))

    @property
    def backup_path(self) -> Path:
        """Where a backup is written, and looked for."""
        return self.folder / "rgb.backup"

    def online(self) -> Any:
        """rgb-lib's token for calls that need the chain."""
        wallet = self.open()
        if self._online is None:
            if not self.electrum:
                raise ElectrumUnset("no Electrum server is named: lnp plugin set rgb electrum tcp://HOST:PORT")
            with binding.translated():
                self._online = wallet.go_online(self._options(skip_check=True))
            try:
                self._went_online()
            except BaseException:
                self._online = None
                raise
        return self._online

    def _options(self, skip_check: bool) -> Any:
        return self._library.OnlineOptions(
            indexer_url=self.electrum, skip_consistency_check=skip_check, vanilla_sync_lookback=LOOKBACK
        )

    def close(self) -> None:
        """Lets go of all that it holds."""
        self._wallet = self._online = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def _data(self) -> Path:
        return self.folder / WALLET

    def _take(self) -> None:
        """One process at a time: a reloaded plugin's two processes live beside each other for a moment, and one that
        was killed may not have ended when the next begins. WalletBusy."""
        if self._lock is not None:
            return
        lock, until = (self.folder / "lock").open("ab"), time.monotonic() + DYING_SECONDS
        while not _locked(lock):
            if time.monotonic() > until:
                lock.close()
                raise WalletBusy("another process works with the RGB wallet; try again in a moment")
            time.sleep(LOOK_SECONDS)
        self._lock = lock

    def _went_online(self) -> None:
        """Called once for each time, before anything is asked."""


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
