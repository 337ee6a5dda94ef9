"""Do three real channels stand on a screen as they are: one in use, one that closes, one of a plugin's type?

One daemon's worth of a story: two nodes in this process, a payment that waits in each of two channels, and a shell of
80 and of 200 columns.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lnpd.cli.render import LINES, cells, render
from lnpd.rpc.client import Client
from lnpd.services.node.node import Node
from lnpd.testing import Network, until_asked
from tests.cli.shell.terminal import terminal
from tests.cli.shell.test_screen import follows, rows_of

pytest.importorskip("pbk")  # the embedded chain

PLUGINS = Path(__file__).parents[3] / "plugins"
LOCKBOX, HOLD = PLUGINS / "lockbox.py", PLUGINS / "examples" / "hold.py"
WIDTHS = (80, 200)
WIDE = 140
BOX_SAT = 25_000


async def holds_a_payment(payer: Node, payee: Node, amount_msat: int) -> asyncio.Task[Any]:
    """A payment that waits at its payee."""
    made: Any = await payee.api.call_plugin("hold-invoice", {"amount_msat": amount_msat, "description": ""})
    paying = asyncio.create_task(payer.api.pay(made["invoice"], None, 60))

    async def waits() -> bool:
        held: Any = await payee.api.call_plugin("hold-list", {})
        return made["payment_hash"] in held

    await until_asked(waits, "the payment waits")
    return paying


async def states(node: Node) -> dict[str, str]:
    return {row.channel_id: row.state for row in await node.api.channels()}


def test_three_channels_on_a_screen(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            grants = (("hold", "invoice"), ("hold", "hook:htlc_accepted"), ("lockbox", "updates:1000000"))
            alice = await network.node("alice", plugins=(LOCKBOX,), grants=grants)
            bob = await network.node("bob", plugins=(LOCKBOX, HOLD), grants=grants)
            tasks = []
            closing = await network.channel(alice, bob)
            tasks.append(await holds_a_payment(alice, bob, 30_000_000))
            tasks.append(asyncio.create_task(alice.api.close(closing, False, None)))

            async def closes() -> bool:
                return (await states(alice))[closing] == "shutting_down"

            await until_asked(closes, "the close that waits for the payment")
            used = await network.channel(alice, bob, 500_000, push_sat=100_000)
            tasks.append(await holds_a_payment(alice, bob, 40_000_000))
            boxed = await network.channel(alice, bob, 800_000, kind="lockbox/anchors_zero_fee_htlc_tx")
            await alice.api.call_plugin("lockbox-put", {"channel_id": boxed, "amount_sat": BOX_SAT})

            async def locked() -> bool:
                rows = {row.channel_id: row for row in await alice.api.channels()}
                return len(rows[boxed].extension_outputs) == 2

            await until_asked(locked, "the box in both commitments")
            await asyncio.to_thread(_looks, alice.config.directory, closing, used, boxed)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def _looks(directory: Path, closing: str, used: str, boxed: str) -> None:
    """At what the node says, at both widths."""
    for columns in WIDTHS:
        with Client(directory) as node, terminal(directory, rows=45, columns=columns) as shell:
            shell.prompt()
            shell.until(lambda: "3 channels" in shell.bar, "the bar")
            for command, words in (("channels", ()), ("commitment", (boxed,))):
                wanted = render(
                    command, node.call(command, dict(zip(("channel",), words, strict=False))), columns, LINES
                )
                shell.types(f"\x0c{' '.join((command, *words))}\r")
                lines = [row for line in wanted.splitlines() for row in rows_of(line, columns)]
                shell.until(lambda lines=lines: follows(shell.lines, lines[-30:]), command)  # type: ignore[misc]
                shell.until(lambda: shell.prompt_line == "alice>" and shell.bar == shell.lines[-1], "prompt and bar")
                assert max(cells(line) for line in shell.lines) <= columns
                if command == "channels":
                    _are_told_apart(shell.lines, columns, closing, used, boxed)
            assert f"{BOX_SAT:,} sat" in shell.text and "lockbox (plugin)" in shell.text


def _are_told_apart(lines: list[str], columns: int, closing: str, used: str, boxed: str) -> None:
    """Each channel has one row, which says what is special about it."""
    found = {}
    for name in (closing, used, boxed):
        (found[name],) = [number for number, line in enumerate(lines) if line.startswith(name[:8])]
    rows = {name: lines[number] for name, number in found.items()}
    assert [name for name, row in rows.items() if "shutting" in row] == [closing]
    assert [name for name, number in found.items() if "  htlc out " in lines[number + 1]] == [closing, used]
    assert "htlc out 40,000 sat" in lines[found[used] + 1]
    if columns >= WIDE:  # where there is room for it
        assert [name for name, row in rows.items() if "lockbox" in row] == [boxed]
