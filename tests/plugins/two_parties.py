"""How does a plugin's provider meet the real pipeline, as two nodes would run it, without nodes?

Both parties' secrets are known here, so that each claim of either party, on either party's commitment, can be completed
and be judged by the kernel's interpreter.
"""

import importlib.util
import sys
from collections.abc import Awaitable, Callable, Generator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import msgspec
from lnpd_sdk.script import Key
from lnpd_sdk.types import CommitmentKeys, Party, Provider, other

from lnpd.chain.verify import first_failure
from lnpd.crypto.keys import derive_revocation_secret, derive_secret
from lnpd.crypto.secp import public_key, sign
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, CORE_PROVIDERS, STATIC_REMOTEKEY, pin, with_extensions
from lnpd.tx.graph import ChannelType, CommitmentSpec, Graph, ProviderCall
from lnpd.tx.keys import commitment_keys
from lnpd.tx.pipeline import build, run
from lnpd.tx.signatures import witness
from lnpd.tx.states import BaseState, encode_state
from lnpd.tx.sweeps import Claim
from lnpd.tx.transaction import Tx
from tests.tx.bolt3 import BASEPOINTS, FUNDING, SECRETS

T = TypeVar("T")
PLUGINS = Path(__file__).parents[2] / "plugins"
TYPES = {"static_remotekey": STATIC_REMOTEKEY, "anchors": ANCHORS_ZERO_FEE_HTLC_TX}
PER_COMMITMENT = (SECRETS["per_commitment"], b"\x44" * 31 + b"\x01")  # by holder
PARTY = ("opener", "acceptor")
DELAYS = (144, 201)  # by party


def load(path: Path) -> ModuleType:
    """A plugin's file as a module, with its `plugin` object."""
    spec = importlib.util.spec_from_file_location(f"plugin_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # typing looks there for the annotations of its functions
    spec.loader.exec_module(module)
    return module


def keys_of(holder: Party) -> CommitmentKeys:
    """The keys of the holder's commitment."""
    return commitment_keys(holder, BASEPOINTS, public_key(PER_COMMITMENT[holder]))


def secrets_of(party: Party, holder: Party, revoked: bool = False) -> dict[str, bytes]:
    """What a party can sign with on a holder's commitment."""
    own, point = PARTY[party], public_key(PER_COMMITMENT[holder])
    if party == holder:
        return {
            Key.DELAYED: derive_secret(SECRETS[f"{own}_delayed"], point),
            Key.HOLDER_HTLC: derive_secret(SECRETS[f"{own}_payment"], point),
            Key.HOLDER_FUNDING: SECRETS[f"{own}_funding"],
        }
    known = {
        Key.COUNTERPARTY_PAYMENT: SECRETS[f"{own}_payment"],
        Key.COUNTERPARTY_HTLC: derive_secret(SECRETS[f"{own}_payment"], point),
        Key.COUNTERPARTY_FUNDING: SECRETS[f"{own}_funding"],
    }
    if revoked:
        known[Key.REVOCATION] = derive_revocation_secret(SECRETS[f"{own}_revocation"], PER_COMMITMENT[holder])
    return known


def pinned(provider: Any, base: ChannelType = STATIC_REMOTEKEY) -> ChannelType:
    """A channel type with this provider (or its declaration) at its first format."""
    spec = getattr(provider, "spec", provider)
    return with_extensions(base, (pin(spec, spec.formats[0]),))


def commitment(
    channel_type: ChannelType,
    state: bytes,
    holder: Party = 0,
    *,
    balances_msat: tuple[int, int] = (6_000_000_000, 4_000_000_000),
    **changes: Any,
) -> CommitmentSpec:
    """A holder's commitment 42, with the state of the type's last provider."""
    states = [(p.name, b"") for p in channel_type.providers]
    states[0] = ("base", encode_state(BaseState(1000)))
    states[-1] = (channel_type.providers[-1].name, state)
    spec = CommitmentSpec(
        funding=FUNDING,
        type=channel_type,
        holder=holder,
        number=42,
        keys=keys_of(holder),
        feerate_per_kw=1000,
        dust_limit_sat=(546, 354),
        to_self_delay=DELAYS,
        balances_msat=balances_msat,
        states=tuple(states),
        payment_basepoints=(BASEPOINTS[0].payment_basepoint, BASEPOINTS[1].payment_basepoint),
    )
    return msgspec.structs.replace(spec, **changes)


def built(spec: CommitmentSpec, *providers: Provider) -> Graph:
    """The commitment, with providers in this process."""
    return run(build(spec), CORE_PROVIDERS | {each.spec.name: each for each in providers})


async def driven(calls: Generator[ProviderCall, object, T], answer: Callable[[ProviderCall], Awaitable[object]]) -> T:
    """The result of a generator of calls that are answered elsewhere."""
    reply: object = None
    try:
        while True:
            reply = await answer(calls.send(reply))
    except StopIteration as finished:
        result: T = finished.value
        return result


def complete(claim: Claim, secrets: Mapping[str, bytes]) -> Tx:
    """The claim with every witness; the kernel's interpreter has judged each input."""
    tx = claim.tx
    for index, taken in enumerate(claim.inputs):
        signatures = {key: sign(secrets[key], digest) for key, digest in claim.digests(index)}
        tx = tx.with_witness(index, witness(taken.path, taken.output.witness_script, signatures, dict(taken.late)))
    spent = [(taken.output.value_sat, taken.output.script_pubkey) for taken in claim.inputs]
    assert first_failure(tx.serialise(), spent) is None
    return tx


def theirs(holder: Party) -> Party:
    """Whoever does not hold this commitment."""
    return other(holder)
