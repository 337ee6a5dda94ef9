"""Is an HTLC never offered without what its channel's plugin adds to it, whatever becomes of the plugin or the node?"""

import asyncio
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.manifest import Filter
from lnpd_sdk.plugin import Node as Host
from lnpd_sdk.plugin import Plugin

from lnpd.errors import LnpdError, PaymentFailed, PaymentRefused
from lnpd.services.node.node import Node
from lnpd.services.payments import forwarding
from lnpd.testing import Network, until
from tests.e2e.line import terms_known
from tests.e2e.test_outgoing_records import ROWS, watched

HOOKS = ("outgoing_records", "onion_payload", "htlc_accepted")
GRANTED: dict[str, Any] = {"grants": (("notes", "messages"), *(("notes", f"hook:{name}") for name in HOOKS))}
NOTE = {"70001": "0001"}
MARK = b"note"


class Notes:
    """A plugin whose channels' HTLCs carry a note: of a payment what it says, of what is passed on what came."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = defaultdict[str, list[dict[str, Any]]](list)
        self.says: dict[str, object] = {}  # in place of the usual answers; an exception is raised
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def joins(self, node: Node) -> None:
        plugin = Plugin("notes", "1", capabilities=("messages",))
        plugin.records(ROWS)
        watched(plugin, set())
        plugin.hook("outgoing_records", Filter("name", "update_add_htlc"), providers="notes")(self.added)
        plugin.hook("onion_payload", Filter("metadata", prefix=MARK.hex()))(self.told)
        plugin.hook("htlc_accepted", providers="notes")(self.accepted)
        await node.plugins.add_in_process(plugin)

    async def added(self, _node: Host, **fields: Any) -> object:
        self.asked["added"].append(fields)
        await self.goes_on.wait()
        return self._answer("added", fields["received"] if fields["incoming"] else NOTE)

    async def told(self, _node: Host, payer: str) -> object:
        return self._answer("told", {})

    async def accepted(self, _node: Host, **fields: Any) -> object:
        self.asked["accepted"].append(fields)
        return self._answer("accepted", None)

    def _answer(self, what: str, usual: object) -> object:
        answer = self.says.get(what, usual)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def in_a_row(network: Network) -> tuple[list[Node], list[Notes], list[str]]:
    nodes = [await network.node(name, **GRANTED) for name in ("alice", "bob", "carol")]
    notes = [Notes(node.config.alias) for node in nodes]
    for node, each in zip(nodes, notes, strict=True):
        await each.joins(node)
    channels = [
        await network.channel(opener, peer, 1_000_000, 250_000, kind="notes/seen") for opener, peer in pairwise(nodes)
    ]
    await terms_known(nodes, channels)
    return nodes, notes, channels


async def fails(payer: Node, invoice: str, error: type[LnpdError], words: str) -> None:
    with pytest.raises(error, match=words):
        await payer.api.pay(invoice, None, 60)


def test_no_htlc_leaves_without_its_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            nodes, notes, channels = await in_a_row(network)
            (alice, bob, carol), (alices, bobs, carols) = nodes, notes

            async def asked(payee: Node, metadata: bytes = b"") -> str:
                made = await payee.payments.create_invoice(5_000_000, "with a note", metadata=metadata)
                return made.invoice

            # Our own payments.
            for says, error, words in (
                ({"added": "not this one"}, PaymentFailed, "notes refuses the HTLC: not this one"),
                ({"added": ValueError()}, PaymentFailed, "The plugin whose channel it is does not answer"),
                ({"added": {"70001": "01"}}, PaymentFailed, "what it may not: the value of 70001 is not as"),
                ({"told": "pay it elsewhere"}, PaymentRefused, "notes refuses the payment: pay it elsewhere"),
                ({"told": ValueError()}, PaymentRefused, "The plugin that such an invoice is for does not answer"),
            ):
                alices.says = says
                await fails(alice, await asked(bob, MARK), error, words)
            assert bobs.asked == {}
            alices.says = {}
            await alice.api.pay(await asked(bob, MARK), None, 60)
            assert (alices.asked["added"][-1]["metadata"], bobs.asked["accepted"][-1]["htlc_records"]) == (
                MARK.hex(),
                NOTE,
            )

            # What is passed on.
            for says in ({"added": "no"}, {"added": ValueError()}, {"accepted": ValueError()}):
                bobs.says = says
                await fails(alice, await asked(carol), PaymentFailed, "temporary_(channel|node)_failure")
            assert carols.asked == {}
            bobs.says = {}
            bobs.goes_on.clear()
            before = len(bobs.asked["added"])
            paying = asyncio.create_task(alice.api.pay(await asked(carol), None, 120))
            await until(lambda: len(bobs.asked["added"]) > before, "the HTLC that bob is about to pass on")
            bob = await network.restart(bob)
            bobs.goes_on.set()
            again = Notes("bob")
            await again.joins(bob)
            assert (await paying).amount_msat == 5_000_000
            assert again.asked["added"]  # at least once: it is tried until the peer is there
            for offer in again.asked["added"]:
                assert (offer["incoming_channel"], offer["received"]) == (channels[0], NOTE)
            assert [each["htlc_records"] for each in carols.asked["accepted"]] == [NOTE]

    monkeypatch.setattr(forwarding, "PATIENCE_SECONDS", 120.0)
    asyncio.run(main())
