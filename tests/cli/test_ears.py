"""Does who has listened leave nothing behind? A node has so many connections and no more."""

import os
import select
import threading
import time
from pathlib import Path

from lnpd.cli.ears import Ears
from lnpd.rpc.client import Client
from lnpd.services.rpc.server import MAX_CONNECTIONS
from tests.services.rpc.small_node import in_thread


def test_who_watched_a_quiet_node_often_is_not_refused_by_it(tmp_path: Path) -> None:
    with in_thread(tmp_path):
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        for number in range(MAX_CONNECTIONS):
            ears = Ears(tmp_path)
            if number % 2:  # the others are closed before they listen
                _until(lambda made=ears: made._following is not None)  # type: ignore[misc]  # bound now
            ears.close()
        with Client(tmp_path) as node:
            assert node.info().height
        _until(lambda: not any(thread.name == "ears" for thread in threading.enumerate()))
        if before:
            _until(lambda: len(os.listdir("/proc/self/fd")) <= before + 1)


def _until(is_so: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():  # type: ignore[operator]  # a condition
        assert time.monotonic() < deadline
        select.select([], [], [], 0.005)
