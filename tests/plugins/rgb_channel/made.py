"""Which channel do the tests of an asset channel look at?"""

from typing import Any

import msgspec
from lnpd_sdk.types import AddHtlc, FulfillHtlc, Htlc, Party, PerParty, SetFee, Update, View

from lnpd.providers.htlc import Htlcs
from lnpd.providers.types import STATIC_REMOTEKEY
from lnpd.tx.graph import Graph
from lnpd.tx.states import BaseState, HtlcState, encode_state
from rgb_channel.provider import Rgb
from rgb_channel.records import TOKENS_HTLC, encode_tokens
from rgb_channel.state import State, begin, read
from tests.plugins.two_parties import built, commitment, pinned
from tests.tx.bolt3 import FUNDING

CONTRACT, OPERATION = b"\x01" * 32, b"\x02" * 32
TOKENS: PerParty = (5_000, 700)
BALANCES_MSAT: PerParty = (6_000_000_000, 4_000_000_000)
KIND = pinned(Rgb, STATIC_REMOTEKEY)
HTLC_MSAT = 50_000_000
PREIMAGE = b"\x07" * 32


def state(settled: PerParty = TOKENS, **changes: Any) -> bytes:
    """The state of a new channel."""
    return begin(CONTRACT, OPERATION, 3, settled, **changes)


def held(data: bytes) -> State:
    """A state that there is."""
    found = read(data)
    assert found is not None
    return found


def view(**changes: Any) -> View:
    """The view in which an update is judged."""
    spec = commitment(KIND, b"")
    shown = View(
        funding_txid=spec.funding.txid,
        funding_vout=spec.funding.vout,
        capacity_sat=spec.funding.capacity_sat,
        holder=0,
        number=42,
        feerate_per_kw=1_000,
        dust_limit_sat=spec.dust_limit_sat,
        to_self_delay=spec.to_self_delay,
        balances_msat=BALANCES_MSAT,
        features=KIND.features,
    )
    return msgspec.structs.replace(shown, **changes)


def add(
    proposer: Party, identity: int, tokens: int = 0, amount_msat: int = HTLC_MSAT, tlvs: Any = None, expiry: int = 500
) -> Update:
    """An `add` with these tokens, or with these records."""
    if tlvs is None:
        tlvs = ((TOKENS_HTLC, encode_tokens(tokens)),) if tokens else ()
    body = AddHtlc(amount_msat, bytes(32), expiry, tlvs)
    return Update(proposer, "htlc", "add", identity, msgspec.msgpack.encode(body))


def removal(proposer: Party, kind: str, identity: int) -> Update:
    """The removal of an HTLC that the other party offered."""
    body = msgspec.msgpack.encode(FulfillHtlc(PREIMAGE)) if kind == "fulfill" else b""
    return Update(proposer, "htlc", kind, identity, body)


def fee(feerate_per_kw: int) -> Update:
    """An update_fee."""
    return Update(0, "base", "fee", 0, msgspec.msgpack.encode(SetFee(feerate_per_kw)))


def states_of(data: bytes, feerate_per_kw: int = 1_000) -> tuple[tuple[str, bytes], ...]:
    """The states of all providers of a channel in which the same HTLCs are in flight."""
    asset = read(data)
    htlcs = tuple(
        Htlc(each.offerer, each.id, each.amount_msat, bytes(32), 500) for each in (asset.pending if asset else ())
    )
    htlc_state = encode_state(HtlcState((100, 100), htlcs))
    return (("base", encode_state(BaseState(feerate_per_kw))), (Htlcs.spec.name, htlc_state), ("rgb", data))


def built_at(data: bytes, shown: View, holder: Party, feerate_per_kw: int, provider: Rgb | None = None) -> Graph:
    """A holder's commitment of the real pipeline, with its claims and second stages sealed."""
    sat = sum(shown.balances_msat) // 1000
    spec = commitment(
        KIND,
        data,
        holder,
        balances_msat=shown.balances_msat,
        states=states_of(data, feerate_per_kw),
        feerate_per_kw=feerate_per_kw,
        funding=msgspec.structs.replace(FUNDING, capacity_sat=sat),
    )
    return built(spec, provider or Rgb())
