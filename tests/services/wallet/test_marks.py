"""Is a script that is held for a plugin given to nobody else, and forgotten with an opening that came to nothing?"""

from pathlib import Path

from lnpd.providers.types import STATIC_REMOTEKEY, with_extensions
from lnpd.services.wallet.marks import Mark, forget_stale, let_go, mark, stored_marks, unmark
from lnpd.services.wallet.rows import GAPS, Numbers, WalletRows
from lnpd.services.wallet.scripts import CHANGE, WalletScripts
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx.graph import ProviderPin
from tests.services.wallet.test_service import BIP84_ACCOUNT

HOLDING = with_extensions(STATIC_REMOTEKEY, (ProviderPin("rgb", 1, seals=("close", "claim"), holds=True),))
POINT = (b"\x05" * 32, 7)


def test_marks(tmp_path: Path) -> None:
    store, rows = Store.open(tmp_path, "bitcoin"), WalletRows(WalletScripts(BIP84_ACCOUNT, "bitcoin"))
    first, second, third = (rows.scripts.script(CHANGE, number) for number in range(3))

    def work(write: Write) -> None:
        mark(write, first, HOLDING, "one")
        mark(write, second, HOLDING, "two")
        mark(write, third, STATIC_REMOTEKEY, "three")
        rows.set_numbers(write, b"given", Numbers(change=GAPS[CHANGE]))
        assert stored_marks(write).scripts == {first: Mark("rgb", "one"), second: Mark("rgb", "two")}
        assert rows.next_number(write, rows.ledger(write), CHANGE) == 2, "the oldest that nobody holds"
        let_go(write, POINT)
        marks = stored_marks(write)
        assert (marks.holder(POINT, first), marks.holder((POINT[0], 0), first)) == ("", "rgb")
        assert marks.holder((POINT[0], 0), third) == ""
        unmark(write, second, "another")
        unmark(write, second, "two")
        assert rows.next_number(write, rows.ledger(write), CHANGE) == 1
        write.save_channel(b"one", bytes(33), b"")
        mark(write, second, HOLDING, "nobody")
        forget_stale(write)
        assert list(stored_marks(write).scripts) == [first]

    store.write_sync(work)
    store.close_sync()
