"""Does what the tests stand on hold: are ports of two processes never the same?"""

import socket
import subprocess
import sys
import tomllib
from pathlib import Path

from lnpd.testing import LOCAL, Ports, free_port

MANY = 40


def test_processes_beside_each_other_take_no_port_from_another() -> None:
    asked = f"from lnpd.testing import free_port; print(*(free_port() for _ in range({MANY}))); input()"
    others = [
        subprocess.Popen([sys.executable, "-c", asked], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    found = [free_port() for _ in range(MANY)]
    for other in others:
        assert other.stdout is not None
        found += map(int, other.stdout.readline().split())
    for other in others:
        other.communicate("\n")
    assert len(found) == len(set(found)) == MANY * 4


def test_a_port_that_is_taken_is_passed_over() -> None:
    ports = Ports()
    _, second, *_ = (ports.next() for _ in range(Ports.BLOCK))
    with socket.socket() as taken:
        taken.bind((LOCAL, second))
        assert second not in [ports.next() for _ in range(Ports.BLOCK)]


def test_pytest_finds_the_fixture_where_lnpd_is_installed_and_loads_no_node_for_it() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    (named,) = project["entry-points"]["pytest11"].values()
    asked = f"import sys, {named}; print(*(m for m in sys.modules if m.startswith('lnpd')))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["lnpd", named]
