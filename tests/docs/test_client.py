"""Does each example of the client's page run?"""

from pathlib import Path

import pytest

from contrib.docs.client import ADDRESS, DIRECTORY, EXAMPLES, KEY_FILE, SERVER_KEY, client
from lnpd.rpc.commands import COMMANDS
from lnpd.rpc.generate import method_name
from tests.rpc.far_node import far_node, publish


def test_each_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with far_node(tmp_path) as far:
        publish(far.node, 7)
        here = {
            DIRECTORY: str(tmp_path),
            ADDRESS: far.client.address,
            KEY_FILE: str(far.client.key_file),
            SERVER_KEY: far.client.server_key.hex(),
        }
        for example in EXAMPLES:
            assert example.strip() in client()
            text = example
            for written, meant in here.items():
                text = text.replace(written, meant)
            exec(compile(text, "example", "exec"), {"__name__": "example"})
    told = capsys.readouterr().out
    assert "101\n" in told and "f6" * 32 in told  # plain
    assert "alice ['03b2" in told and "1 t {'n': 7}" in told  # async; events
    assert "{'box': 0, 'amount_sat': 20000}" in told and told.endswith("alice\n")  # a plugin's; from elsewhere


def test_every_method_is_on_the_page() -> None:
    text = client()
    for command in COMMANDS:
        if not command.streaming:
            assert f"| `{method_name(command)}(" in text, command.name
