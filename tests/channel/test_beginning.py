"""Do both sides of a new channel begin in the states that their plugins say, and is what differs refused by name?"""

import msgspec
import pytest
from lnpd_sdk.types import ACCEPTOR, OPENER, Reject
from msgspec.structs import replace

from lnpd.channel import actions, events
from lnpd.channel.beginning import InitialStates, States
from lnpd.channel.opening import wanted_output
from lnpd.channel.state import AwaitingFundingCreated, AwaitingReady, Closed
from lnpd.errors import InitialStateDiffers, InitialStateRefused, UnaskedDebit
from lnpd.providers.types import pin, with_extensions
from lnpd.tx.graph import ChannelType
from lnpd.wire.message import from_row, to_row
from lnpd.wire.messages import FundingCreated, OpenChannel
from tests.channel.harness import (
    PLAIN,
    WITH_VAULT,
    Node,
    Pair,
    accept_event,
    confirm,
    funding_tx,
    initial_states,
    open_event,
)
from tests.channel.sealed import NAME as SEALER
from tests.channel.sealed import Sealer
from tests.channel.vault import NAME as VAULT

BOXES = msgspec.msgpack.encode((5_000, 0))  # of the vault: the opener locks some
SEALED = with_extensions(PLAIN, (pin(Sealer("claim").spec, 1),))


def of_funding(query: InitialStates) -> States | Reject:
    """What a plugin may say that names the funding in its provider's state."""
    (funding,) = query.channel.fundings
    return tuple((name, funding.txid + bytes([funding.vout])) for name in query.providers)


def beginning(foreign: bool = False, kind: ChannelType = SEALED, name: str = SEALER) -> Pair:
    """An opening that waits for its funding; the provider of this name has no state yet."""
    pair = Pair(*(Node(party, providers={**Node(party).providers, SEALER: Sealer("claim")}) for party in (0, 1)))
    opener, acceptor = pair.nodes
    for node in pair.nodes:
        node.begins = of_funding
    states = tuple(each for each in initial_states(kind, 1000) if each[0] != name)
    pair.command(0, open_event(opener, kind, foreign=foreign, initial_states=states))
    message = from_row(opener.sent.popleft())
    assert isinstance(message, OpenChannel)
    pair.command(1, accept_event(acceptor, message, kind, initial_states=states))
    pair.deliver(1)
    return pair


def provided(pair: Pair, foreign: bool = False) -> None:
    tx = funding_tx(wanted_output(pair.nodes[0].channel))
    pair.command(0, events.FundingNamed(1, (tx,)) if foreign else events.FundingProvided(1, tx))


@pytest.mark.parametrize("foreign", [False, True])
def test_the_state_names_the_funding_on_both_sides_and_stays(foreign: bool) -> None:
    pair = beginning(foreign)
    assert SEALER not in dict(pair.nodes[0].channel.base.states)
    provided(pair, foreign)
    pair.deliver(0)
    pair.deliver(1)
    (funding,) = pair.nodes[0].channel.fundings
    for node in pair.nodes:
        assert isinstance(node.channel.phase, AwaitingReady), node.errors
        assert [name for name, _ in node.channel.base.states] == [each.name for each in SEALED.providers]
        assert dict(node.channel.base.states)[SEALER] == funding.txid + b"\x01"
        assert not node.errors
    confirm(pair, 0)
    confirm(pair, 1)
    pair.settle()
    pair.restart(0)
    pair.reconnect()
    pair.settle()
    pair.check()


@pytest.mark.parametrize("party", [OPENER, ACCEPTOR])
def test_a_refusal_ends_the_opening_with_its_reason_and_frees_the_coins(party: int) -> None:
    pair = beginning()
    pair.nodes[party].begins = lambda query: Reject("the contract of USDX is not known here.")
    provided(pair)
    pair.deliver(0)
    pair.deliver(1)
    (error,) = pair.nodes[party].errors
    assert isinstance(error, InitialStateRefused) and "contract of USDX" in str(error)
    for node in pair.nodes:
        assert isinstance(node.channel.phase, Closed) and "contract of USDX" in node.channel.phase.reason
    if party == ACCEPTOR:  # the opener had signed: what the wallet lent comes back by the same step
        assert pair.nodes[0].told(actions.FundingReleased)
    else:  # the driver gives the event again, to a channel that is over
        provided_again = events.FundingProvided(1, funding_tx(wanted_output(beginning().nodes[0].channel)))
        pair.command(0, provided_again)
        assert pair.nodes[0].told(actions.FundingReleased)


def test_two_sides_that_begin_differently_hear_whose_state_it_is_before_any_signature() -> None:
    pair = beginning()
    pair.nodes[1].begins = lambda query: ((SEALER, b"something else"),)
    provided(pair)
    pair.deliver(0)
    (error,) = pair.nodes[1].errors
    assert isinstance(error, InitialStateDiffers) and SEALER in str(error)


@pytest.mark.parametrize("digests", [None, (), (bytes(8),), (bytes(8), bytes(8))])
def test_digests_that_are_missing_or_odd_are_refused_by_name(digests: tuple[bytes, ...] | None) -> None:
    pair = beginning()
    provided(pair)
    message = from_row(pair.nodes[0].sent.popleft())
    assert isinstance(message, FundingCreated) and len(message.tlvs.initial_state_digests or ()) == 1
    changed = replace(message, tlvs=replace(message.tlvs, initial_state_digests=digests))
    pair.nodes[0].sent.append(to_row(changed))
    pair.deliver(0)
    (error,) = pair.nodes[1].errors
    assert isinstance(error, InitialStateDiffers) and SEALER in str(error)


@pytest.mark.parametrize("digests", [(bytes(8),), (bytes(8),) * 4])
def test_an_opener_that_begins_where_nobody_does_is_refused(digests: tuple[bytes, ...]) -> None:
    pair = beginning(kind=WITH_VAULT, name="")
    provided(pair)
    message = from_row(pair.nodes[0].sent.popleft())
    assert isinstance(message, FundingCreated) and message.tlvs.initial_state_digests is None
    pair.nodes[0].sent.append(to_row(replace(message, tlvs=replace(message.tlvs, initial_state_digests=digests))))
    pair.deliver(0)
    (error,) = pair.nodes[1].errors
    assert isinstance(error, InitialStateDiffers) and VAULT in str(error)


def test_a_state_that_takes_of_a_balance_is_refused_by_name() -> None:
    pair = beginning(kind=WITH_VAULT, name=VAULT)
    for node in pair.nodes:
        node.begins = lambda query: ((VAULT, BOXES),)
    provided(pair)
    (error,) = pair.nodes[0].errors
    assert isinstance(error, InitialStateRefused) and "vault takes 5000000 msat" in str(error)
    assert isinstance(pair.nodes[0].channel.phase, Closed)


def test_a_provider_that_takes_with_an_empty_state_is_at_fault_as_ever() -> None:
    pair = beginning(kind=WITH_VAULT, name="")
    vault = pair.nodes[0].providers[VAULT]
    greedy = type("Greedy", (type(vault),), {"contribute": lambda self, view, _state: vault.contribute(view, BOXES)})
    pair.nodes[0].providers = {**pair.nodes[0].providers, VAULT: greedy()}
    with pytest.raises(UnaskedDebit):
        provided(pair)


def test_an_acceptor_asks_nobody_before_it_knows_the_funding() -> None:
    pair = beginning()
    assert isinstance(pair.nodes[1].channel.phase, AwaitingFundingCreated)
    assert SEALER not in dict(pair.nodes[1].channel.base.states)
