"""How does a test get a bitcoind of its own, and what if there is none?

Without one a test is skipped with a visible line; in CI it fails. Each bitcoind ends with its test.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from contrib.regtest import bitcoind
from contrib.regtest.bitcoind import LOCAL, Bitcoind, Missing, RpcError, free_port

__all__ = ["LOCAL", "Bitcoind", "RpcError", "a_bitcoind", "free_port", "needed", "program"]


def needed(what: str, get: Callable[[], str]) -> str:
    """What `get` gives. Skips the test where it is missing; fails it in CI."""
    try:
        return get()
    except Missing as why:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no {what}: {why}")
        pytest.skip(f"not run: there is no {what} ({why})")


def program() -> str:
    """The path of bitcoind."""
    return needed("bitcoind", bitcoind.program)


@asynccontextmanager
async def a_bitcoind(directory: Path, *options: str, **more: Any) -> AsyncIterator[Bitcoind]:
    """A running bitcoind, for one test."""
    program()
    async with bitcoind.a_bitcoind(directory, *options, **more) as made:
        yield made
