"""What do the tests do where there is no LDK?"""

import pytest

from contrib.ldk.driver import folder
from contrib.regtest import bitcoind
from tests.interop.bitcoind import needed


def test_without_ldk_tests_are_skipped_but_never_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitcoind, "_asked", lambda script: ("", "no node"))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"there is no LDK \(no node\)"):
        needed("LDK", folder)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no LDK: no node"):
        needed("LDK", folder)
