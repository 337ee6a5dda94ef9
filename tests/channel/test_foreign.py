"""Is an output that others fund taken only if it is the channel's, and is what leads there kept only if it fits?"""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from lnpd.channel import actions, events
from lnpd.channel.opening import wanted_output
from lnpd.channel.state import AwaitingReady
from lnpd.errors import (
    AncestorsUnfit,
    CommandRefused,
    FundedHere,
    LnpdError,
    NamedAmountWrong,
    NamedScriptWrong,
    NothingKept,
)
from lnpd.tx.transaction import Tx, TxIn, TxOut
from lnpd.wire.message import from_row
from lnpd.wire.messages import OpenChannel
from tests.channel.harness import Pair, accept_event, funding_tx, open_event, opened

Change = Callable[[Tx], tuple[int, tuple[Tx, ...]]]  # of the right funding: what is named instead


ELSEWHERE = Tx((TxIn(b"\x09" * 32, 0),), (TxOut(1_000, b"\x51"),))  # a transaction of somebody


def waiting(foreign: bool = True) -> tuple[Pair, Tx]:
    """An opening that waits for its funding, and the transaction that would fund it, in output 1."""
    pair = Pair()
    opener, acceptor = pair.nodes
    pair.command(0, open_event(opener, foreign=foreign))
    message = from_row(opener.sent.popleft())
    assert isinstance(message, OpenChannel)
    pair.command(1, accept_event(acceptor, message))
    pair.deliver(1)
    return pair, funding_tx(wanted_output(opener.channel))


def paying(tx: Tx, value_sat: int) -> Tx:
    return replace(tx, outputs=(tx.outputs[0], replace(tx.outputs[1], value_sat=tx.outputs[1].value_sat + value_sat)))


def signed(tx: Tx) -> Tx:
    return replace(tx, inputs=(replace(tx.inputs[0], script_sig=b"\x01\x51"),))


def leading(tx: Tx) -> tuple[Tx, ...]:
    """A parent, and the funding that spends it."""
    return ELSEWHERE, replace(tx, inputs=(TxIn(ELSEWHERE.txid, 0),))


REFUSED: dict[str, tuple[type[LnpdError], Change]] = {
    "nothing": (NothingKept, lambda tx: (1, ())),
    "an output that it has not": (NamedScriptWrong, lambda tx: (2, (tx,))),
    "an output before the first": (NamedScriptWrong, lambda tx: (-1, (tx,))),
    "another's output": (NamedScriptWrong, lambda tx: (0, (tx,))),
    "a satoshi too few": (NamedAmountWrong, lambda tx: (1, (paying(tx, -1),))),
    "a satoshi too many": (NamedAmountWrong, lambda tx: (1, (paying(tx, 1),))),
    "a txid that can change": (AncestorsUnfit, lambda tx: (1, (signed(tx),))),
    "a parent whose txid can change": (AncestorsUnfit, lambda tx: (1, (signed(leading(tx)[0]), leading(tx)[1]))),
    "one that leads nowhere": (AncestorsUnfit, lambda tx: (1, (ELSEWHERE, tx))),
    "the wrong order": (AncestorsUnfit, lambda tx: (0, leading(tx)[::-1])),
    "too many": (AncestorsUnfit, lambda tx: (1, (tx,) * 26)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fund_the_channel_is_refused_and_changes_nothing(what: str) -> None:
    error, change = REFUSED[what]
    pair, right = waiting()
    vout, transactions = change(right)
    before = pair.nodes[0].channel
    with pytest.raises(error):
        pair.command(0, events.FundingNamed(vout, transactions))
    assert pair.nodes[0].channel == before and not pair.nodes[0].sent
    pair.command(0, events.FundingNamed(1, leading(right)))
    assert pair.nodes[0].sent, "and the right one is still taken"


def test_the_wallets_own_channel_takes_no_name_and_others_no_coins() -> None:
    pair, right = waiting(foreign=False)
    with pytest.raises(FundedHere):
        pair.command(0, events.FundingNamed(1, (right,)))
    pair, right = waiting()
    assert not pair.nodes[0].told(actions.FundingWanted), "no coin is asked for"


def test_nothing_is_broadcast_while_it_opens() -> None:
    pair, right = waiting()
    opener, _ = pair.nodes
    pair.command(0, events.FundingNamed(1, leading(right)))
    pair.settle()
    assert isinstance(opener.channel.phase, AwaitingReady) and not opener.broadcast
    assert opener.channel.fundings[0].txid == leading(right)[1].txid


def test_what_leads_elsewhere_is_not_kept() -> None:
    with pytest.raises(AncestorsUnfit):
        opened().command(1, events.KeepAncestors((ELSEWHERE,)))
    with pytest.raises(CommandRefused):
        waiting()[0].command(1, events.KeepAncestors((ELSEWHERE,)))


GOOD, OTHER = b"one", b"other"


def witnessed(transactions: tuple[Tx, ...], *witnesses: bytes) -> tuple[Tx, ...]:
    return tuple(tx.with_witness(0, (w,)) if w else tx for tx, w in zip(transactions, witnesses, strict=True))


REPLACING: dict[str, tuple[tuple[bytes, bytes], tuple[bytes, bytes], bool, bool]] = {
    # what is kept, what comes, whether that was judged, whether it is taken
    "unsigned by signed": ((b"", b""), (GOOD, OTHER), False, True),
    "signed by unsigned": ((GOOD, b""), (b"", b""), False, False),
    "signed by the same": ((GOOD, b""), (GOOD, OTHER), False, True),
    "signed by what nobody judged": ((GOOD, GOOD), (GOOD, OTHER), False, False),
    "signed by what was judged": ((GOOD, GOOD), (GOOD, OTHER), True, True),
}


@pytest.mark.parametrize("what", REPLACING)
def test_what_is_signed_gives_way_only_to_what_was_judged(what: str) -> None:
    kept, comes, judged, is_taken = REPLACING[what]
    pair, right = waiting()
    chain = leading(right)
    pair.command(0, events.FundingNamed(1, witnessed(chain, *kept)))
    pair.settle()
    command = events.KeepAncestors(witnessed(chain, *comes), tuple(tx.txid for tx in chain) if judged else ())
    if is_taken:
        pair.command(0, command)
    else:
        with pytest.raises(AncestorsUnfit, match="was kept signed"):
            pair.command(0, command)


def test_an_acceptor_keeps_what_was_judged_and_a_wallets_channel_nothing() -> None:
    pair, right = waiting()
    chain = leading(right)
    pair.command(0, events.FundingNamed(1, chain))
    pair.settle()
    with pytest.raises(AncestorsUnfit, match="an acceptor keeps nothing else"):
        pair.command(1, events.KeepAncestors(chain, (chain[0].txid,)))
    pair.command(1, events.KeepAncestors(chain, tuple(tx.txid for tx in chain)))
    pair = opened()
    funding = replace(ELSEWHERE, outputs=())
    with pytest.raises(AncestorsUnfit, match="does not fund this channel"):
        pair.command(0, events.KeepAncestors((funding,)))
