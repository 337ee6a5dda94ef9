"""What do the tests do where there is no LDK?"""

import pytest

from tests.interop import ldk


def test_without_ldk_tests_are_skipped_but_never_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ldk, "_folder", lambda: ("", "no node"))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"there is no LDK \(no node\)"):
        ldk.folder()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no LDK: no node"):
        ldk.folder()
