"""What does Bitcoin Core's own consensus code say of a block?

The only file besides verify.py that touches py-bitcoinkernel, which is an extra (`lnpd[regtest]`) and has habits that
this file hides: process_block says yes to a block that breaks a rule of connection (the verdict comes by a callback,
its words by the log), an exception in a callback is lost, a directory that does not open is a bare RuntimeError or an
abort of the process, and blocks since the last clean close are gone after a kill. So its directory is a cache: it is
thrown away whenever it does not open or does not agree with the block log.
"""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path
from typing import Any, Final  # Any stands for objects of the kernel's library, which is untyped and may be absent

from lnpd.chain.verify import load_kernel
from lnpd.errors import BlockRefused, KernelUnusable, TransactionMalformed

_OPENING: Final = "opening"
_REASON: Final = re.compile(r"\b((?:bad|time|high|block|duplicate|prev|unexpected)-[\w-]+[^\n]*)")
_MAX_LINES: Final = 50


class _Words(threading.local):
    """The kernel's last log lines of this thread: its logger is global, its callbacks come on the calling thread."""

    def __init__(self) -> None:
        self.lines: list[str] = []


_words = _Words()
_connections: list[Any] = []
_connecting = threading.Lock()


def _take_line(line: str) -> None:
    _words.lines.append(line.rstrip())
    del _words.lines[:-_MAX_LINES]


def _listen(pbk: Any) -> None:
    """Connects to the kernel's log, once a process; the connection is kept, or its callback would be freed."""
    with _connecting:
        if _connections:
            return
        pbk.logging_set_options(pbk.LoggingOptions(log_timestamps=False))
        pbk.set_log_level_category(pbk.LogCategory.VALIDATION, pbk.LogLevel.DEBUG)
        pbk.enable_log_category(pbk.LogCategory.VALIDATION)
        _connections.append(pbk.LoggingConnection(cb=_take_line))


class Consensus:
    """The kernel's chainstate manager on a directory of its own."""

    def __init__(self, directory: Path) -> None:
        """Opens it, throwing a cache away that does not open. Raises RegtestNotInstalled, KernelUnusable."""
        self._pbk = load_kernel()
        _listen(self._pbk)
        self._directory = directory
        self._verdict: tuple[Any, Any] | None = None
        marker = directory / _OPENING
        if marker.exists():  # the last opening ended the process: the kernel aborts on some damage
            self._throw_away()
        try:
            self._open(marker)
        except RuntimeError:
            self._throw_away()
            self._open_or_refuse(marker)

    def _throw_away(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def _open_or_refuse(self, marker: Path) -> None:
        try:
            self._open(marker)
        except RuntimeError as error:
            raise KernelUnusable(f"The kernel cannot keep its data in {self._directory}: {error}.") from None

    def _open(self, marker: Path) -> None:
        pbk = self._pbk
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            marker.touch()
        except OSError as error:
            raise RuntimeError(str(error)) from None
        self._callbacks = pbk.ValidationInterfaceCallbacks(block_checked=self._checked)  # must outlive the manager
        context = pbk.make_context(pbk.ChainType.REGTEST, self._callbacks)
        options = pbk.ChainstateManagerOptions(context, str(self._directory), str(self._directory / "blocks"))
        self._manager = pbk.ChainstateManager(options)
        self._chain = self._manager.get_active_chain()
        marker.unlink()

    def _checked(self, _user: object, _block: object, state: Any) -> None:
        # After a branch failed the blocks that it displaced are checked again, and are valid: the failure counts.
        if self._verdict is None or self._verdict[0] is self._pbk.ValidationMode.VALID:
            self._verdict = (state.validation_mode, state.block_validation_result)  # the state dies with this call

    def start_over(self) -> None:
        """Throws away all that the kernel has stored."""
        self.close()
        self._throw_away()
        self._open_or_refuse(self._directory / _OPENING)

    def close(self) -> None:
        """Writes the cache and closes it: the binding offers no other way than its finaliser."""
        self._chain = None
        self._manager.__del__()

    def genesis(self) -> bytes:
        """The first block."""
        return bytes(self._manager.blocks[self._chain.block_tree_entries[0]])

    def tip_hash(self) -> bytes:
        """The hash of the last block of the kernel's best chain."""
        return bytes(self._chain.block_tree_entries[self._chain.height].block_hash)

    def submit(self, raw: bytes) -> bool:
        """Whether the block is new to the kernel.

        Raises BlockRefused if the block, or one before it that it makes active, breaks a rule, TransactionMalformed
        if it does not even parse.
        """
        pbk = self._pbk
        self._verdict = None
        _words.lines.clear()
        try:
            block = pbk.Block(raw)
        except RuntimeError:
            raise TransactionMalformed("These bytes are not a block.") from None
        try:
            new = bool(self._manager.process_block(block))
        except pbk.ProcessBlockException:  # before it was stored: header, size, merkle root
            raise self._refusal() from None
        if self._verdict and self._verdict[0] is not pbk.ValidationMode.VALID:
            raise self._refusal()
        return new

    def _refusal(self) -> BlockRefused:
        found = (_REASON.search(line) for line in reversed(_words.lines))
        reason = next((words.group(1).rstrip(") ") for words in found if words), "refused without words")
        if reason.count("(") > reason.count(")"):
            reason += ")"
        return BlockRefused(reason, self._verdict[1].name if self._verdict else "UNSET")
