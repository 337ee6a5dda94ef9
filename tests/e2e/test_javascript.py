"""Is a plugin in another language the same to a node, down to the bytes of a commitment transaction?"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from contrib.regtest.bitcoind import got
from lnpd.services.node.node import Node
from lnpd.testing import Network, until, until_asked
from tests.interop.bitcoind import needed

KIND = "note/anchors"
NOTE = Path(__file__).parents[2] / "plugins" / "note.py"
GRANTS = (("scribe", "updates:0"), ("scribe", "messages"), ("note", "updates:0"))
WORDS = "from JavaScript to Python"


def scribe() -> Path:
    folder = needed("zeromq for Node", lambda: got("examples/get-javascript"))
    return Path(folder) / "scribe.mjs"


async def call(node: Node, method: str, **params: object) -> Any:  # Any: a plugin's values are its own
    return await node.api.call_plugin(method, params)


async def notes(node: Node) -> set[str]:
    """The scripts of the notes in both sides' commitments."""
    (row,) = await node.api.channels()
    return {f"{each.commitment} {each.script}" for each in row.extension_outputs}


def test_a_note_of_one_language_is_read_by_the_other(tmp_path: Path) -> None:
    """Alice's provider is JavaScript, bob's Python: each commitment is built and checked on both sides."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", plugins=(scribe(),), grants=GRANTS)
            bob = await network.node("bob", plugins=(NOTE,), grants=GRANTS)
            name = await network.channel(alice, bob, 1_000_000, kind=KIND)
            await call(alice, "scribe-write", channel_id=name, note=WORDS.encode().hex())

            script = f"6a20{WORDS.encode().ljust(32, bytes(1)).hex()}"
            wanted = {f"ours {script}", f"theirs {script}"}

            async def written() -> bool:
                return [await notes(node) for node in (alice, bob)] == [wanted, wanted]

            await until_asked(written, "the note in both commitments")
            paid = await alice.api.pay((await bob.api.invoice(1_000_000, "x", 3600)).invoice, None, 20)
            assert paid.preimage

    asyncio.run(main())


def test_messages_commands_and_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            plugin = scribe()
            alice = await network.node("alice", plugins=(plugin,), grants=GRANTS)
            bob = await network.node("bob", plugins=(plugin,), grants=GRANTS)
            await network.connect(alice, bob)
            await call(alice, "scribe-greet", node_id=bob.node_id.hex(), words="hellö")

            async def heard() -> object:
                return await call(bob, "scribe-heard") if bob.plugins.ready("scribe") else None

            said = await until_asked(heard, "the words")
            assert said == [{"from": alice.node_id.hex(), "words": "hellö"}]
            pid = bob.plugins.plugins[0].pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            await until(lambda: bob.plugins.ready("scribe") is None, "its end")
            await until(lambda: bob.plugins.ready("scribe"), "its restart")
            assert await call(bob, "scribe-heard") == []

    asyncio.run(main())
