"""What do providers say to a mutual close: who blocks it, what do they still settle, and whom else do they pay?

Both sides ask for the same state, so both come to the same closing transaction, or the peer's signature fits none.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from lnpd_sdk.types import Blocked, Closable, CloseOutput, PerParty

from lnpd.channel.commitments import dust_limits_sat
from lnpd.channel.proposals import granted_msat
from lnpd.channel.state import Channel
from lnpd.errors import ScriptRefused
from lnpd.tx.accounts import NOTHING
from lnpd.tx.fees import dust_limit_sat
from lnpd.tx.funding import funding_script_pubkey
from lnpd.tx.graph import MAX_CLOSE_OUTPUTS
from lnpd.tx.transaction import TxOut

Answer = tuple[str, Blocked | Closable]  # a provider's name, and what it says to a close
UNFIT: Final = "its last balance moves do not add up"


def who_blocks(channel: Channel, answers: Sequence[Answer]) -> tuple[tuple[str, str], ...]:
    """Who does not let the channel close, or may not, and why: what a `close` takes of ours is no more than what was
    granted, nor than what the provider holds."""
    blocked: list[tuple[str, str]] = []
    for number, (name, answer) in enumerate(answers, 1):
        if isinstance(answer, Blocked):
            blocked.append((name, answer.reason))
            continue
        lost_msat = -answer.moves_msat[channel.us] + sum(each.debits_msat[channel.us] for each in answer.outputs)
        left_msat = granted_msat(channel, name)
        if sum(answer.moves_msat) or min(after_close(channel.base.balances_msat, answers[:number])) < 0:
            blocked.append((name, UNFIT))
        elif lost_msat > left_msat:
            blocked.append((name, f"its close would take {lost_msat} msat of ours, {left_msat} are granted"))
        elif lost_msat > (held_msat := _held_msat(channel, name)):  # the signer would sign no such close
            blocked.append((name, f"its close would take {lost_msat} msat of ours, its outputs hold {held_msat}"))
        elif wrong := _wrong_with(channel, answers[:number]):
            blocked.append((name, wrong))
    return tuple(blocked)


def _held_msat(channel: Channel, provider: str) -> int:
    """What of our balance this provider's outputs hold in the last commitments, trimmed ones too."""
    accounts = dict(channel.accounts).get(provider, (NOTHING, NOTHING))
    return min(each.moved_msat[channel.us] - each.net_msat[channel.us] for each in accounts)


def after_close(balances_msat: PerParty, answers: Iterable[Answer]) -> PerParty:
    """What is left to each party once every provider has settled what it owed, and paid others."""
    opener, acceptor = balances_msat
    for _, answer in answers:
        if isinstance(answer, Closable):
            opener += answer.moves_msat[0] - sum(each.debits_msat[0] for each in answer.outputs)
            acceptor += answer.moves_msat[1] - sum(each.debits_msat[1] for each in answer.outputs)
    return opener, acceptor


def paid_to_others(channel: Channel, answers: Iterable[Answer]) -> tuple[TxOut, ...]:
    """The outputs of the closing transaction that are neither party's. Raises ScriptRefused."""
    return tuple(_paid(channel, each) for each in _outputs(answers))


def _outputs(answers: Iterable[Answer]) -> list[CloseOutput]:
    return [each for _, answer in answers if isinstance(answer, Closable) for each in answer.outputs]


def _paid(channel: Channel, output: CloseOutput) -> TxOut:
    return TxOut(output.value_sat, funding_script_pubkey(channel.fundings[0].funding_keys, output.script))


def _wrong_with(channel: Channel, answers: Sequence[Answer]) -> str:
    """What is wrong with the last provider's outputs; empty if nothing is."""
    outputs = _outputs(answers)
    if len(outputs) > MAX_CLOSE_OUTPUTS:
        return f"a close has at most {MAX_CLOSE_OUTPUTS} outputs beside the parties', not {len(outputs)}"
    for each in _outputs(answers[-1:]):
        if min(each.debits_msat) < 0 or each.value_sat != sum(each.debits_msat) // 1000:
            return f"an output of its close holds {each.value_sat} sat and takes {each.debits_msat} msat"
        try:
            script = _paid(channel, each).script_pubkey
        except ScriptRefused as error:
            return f"an output of its close has no good script: {error}"
        if each.value_sat < max(*dust_limits_sat(channel), dust_limit_sat(script)):
            return f"an output of its close of {each.value_sat} sat is dust"
    return ""
