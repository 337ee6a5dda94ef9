"""Is a removal that was decided sent once it may be, and is a provider named that does not let us send it?"""

import pytest
from lnpd_sdk.types import Folded, OutputSpec, Phase, ProviderSpec, Reject, Update, View

from lnpd.channel import actions, events
from lnpd.errors import RemovalRefused
from lnpd.providers.types import pin, with_extensions
from lnpd.wire.messages import UpdateFulfillHtlc
from tests.channel.harness import PLAIN, PROVIDERS, Node, Pair, add, opened, preimage
from tests.channel.vault import NAME, Vault

SPEC = ProviderSpec(NAME, (1,), (Phase("validate"), Phase("fold"), Phase("contribute"), Phase("close")), ("htlc",))


class Ordered(Vault):
    """Its state is the order of its own updates and of removals: these do not commute. It may refuse removals."""

    spec = SPEC
    refuses = False

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        return Reject("the gate is shut") if self.refuses and update.kind == "fulfill" else None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        return Folded(state if update.kind == "add" else state + update.kind[:1].encode())

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        return ()


def ordered() -> tuple[Pair, Ordered]:
    """Party 1 has received an HTLC; the provider is both sides'."""
    provider = Ordered()
    providers = {**PROVIDERS, NAME: provider}
    pair = opened(
        with_extensions(PLAIN, (pin(SPEC, 1),)), Pair(Node(0, providers=providers), Node(1, providers=providers))
    )
    pair.command(0, add(0))
    pair.settle()
    return pair, provider


def test_a_removal_waits_for_what_it_does_not_commute_with() -> None:
    pair, _ = ordered()
    pair.command(0, events.Propose(NAME, b""))
    pair.deliver(0)
    wanted = pair.command(1, events.Fulfill(0, preimage(0)))
    assert not [a for a in wanted if isinstance(a, actions.Send)]
    pair.settle()
    pair.check()
    assert [told.id for told in pair.nodes[0].told(actions.HtlcFulfilled)] == [0]
    assert not any(node.errors for node in pair.nodes)


def test_a_removal_that_is_refused_names_the_provider_and_is_stored_with_the_link_down() -> None:
    pair, provider = ordered()
    bob = pair.nodes[1]
    provider.refuses = True
    with pytest.raises(RemovalRefused, match=f"HTLC 0 .*{NAME}: the gate is shut"):
        bob.run(events.Fulfill(0, preimage(0)))
    assert not bob.channel.decisions
    pair.cut()
    bob.run(events.Fulfill(0, preimage(0)))
    assert [decision.id for decision in bob.channel.decisions] == [0]
    provider.refuses = False
    pair.reconnect()
    bob.did.clear()
    pair.settle()
    assert [type(a.message) for a in bob.did if isinstance(a, actions.Send)].count(UpdateFulfillHtlc) == 1
    assert [told.id for told in pair.nodes[0].told(actions.HtlcFulfilled)] == [0]
