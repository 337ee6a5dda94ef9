"""Which commitments do the tests of the pictures draw? Real ones, of BOLT 3's keys, made by the pipeline.

`python -m tests.cli.pictures` prints what the README shows.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from embit import script as scripts
from embit.networks import NETWORKS
from lnpd_sdk.envelope import encode
from lnpd_sdk.types import Party, Provider
from msgspec.structs import replace

from lnpd.channel.queries import Kept
from lnpd.channel.state import Base, Channel, Policy
from lnpd.cli.render import LINES, render
from lnpd.crypto.secp import public_key
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY, pin, with_extensions
from lnpd.services.channels.picture import drawn
from lnpd.tx.graph import ChannelType, CommitmentSignatures
from tests.channel.sealed import Sealer
from tests.channel.vault import GatedVault
from tests.tx.bolt3 import commitment_spec, graph_of

ROOT = Path(__file__).parents[2]
PEER = public_key(b"\x77" * 32)


def lockbox() -> ModuleType:
    """The worked example, loaded in this process."""
    spec = importlib.util.spec_from_file_location("lockbox_drawn", ROOT / "plugins" / "lockbox.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["lockbox_drawn"] = module  # msgspec looks its types up there
    spec.loader.exec_module(module)
    return module


def address(script_pubkey: bytes) -> str:
    """As on regtest."""
    return str(scripts.Script(script_pubkey).address(NETWORKS["regtest"]))


def commitment(
    kind: ChannelType,
    *extensions: Provider,
    states: tuple[tuple[str, bytes], ...] = (),
    us: Party = 0,
    htlcs: tuple[int, ...] = (),
    balances_msat: tuple[int, int] = (6_500_000_000, 3_488_000_000),
    **changes: Any,
) -> dict[str, Any]:
    """The opener's commitment 42, as the RPC answers it to a party."""
    spec = commitment_spec(*balances_msat, 1000, htlcs=htlcs, channel_type=kind, **changes)
    spec = replace(spec, states=(*spec.states, *states))
    missing_msat = 1000 * spec.funding.capacity_sat - sum(spec.balances_msat)
    spec = replace(spec, balances_msat=(spec.balances_msat[0] + missing_msat, spec.balances_msat[1]))
    graph = graph_of(spec, *extensions)
    channel = Channel(
        "key", PEER, us, Policy(), id=spec.funding.txid, fundings=(spec.funding,), channel_type=kind, numbers=(42, 42),
        base=Base(spec.balances_msat, spec.states),
    )  # fmt: skip
    signatures = CommitmentSignatures(bytes(64)) if us == 0 else None
    answer = drawn(channel, Kept(graph, signatures), address)
    return msgspec.json.decode(msgspec.json.encode(answer))  # type: ignore[no-any-return]  # a JSON object


def plain() -> dict[str, Any]:
    """The first commitment of a channel without anything."""
    return commitment(STATIC_REMOTEKEY)


def boxed(us: Party = 0) -> dict[str, Any]:
    """What the README shows: HTLCs both ways, one of them too small, anchors, and a plugin's output."""
    module = lockbox()
    state = encode(module.State((module.Box(0, 0, 25_000),), (1, 0)))
    kind = with_extensions(ANCHORS_ZERO_FEE_HTLC_TX, (pin(module.Lockbox.spec, 1),))
    return commitment(
        kind, module.Lockbox(), states=(("lockbox", state),), us=us, htlcs=(0, 1, 3), dust_limit_sat=(1_500, 1_500)
    )


def gated() -> dict[str, Any]:
    """A plugin's child that sells a secret, behind a gate."""
    vault = GatedVault(sold=b"\x5a" * 32)
    kind = with_extensions(ANCHORS_ZERO_FEE_HTLC_TX, (pin(vault.spec, 1),))
    return commitment(kind, vault, states=(("vault", msgspec.msgpack.encode((40_000, 0))),))


def sealed() -> dict[str, Any]:
    """A plugin's bytes in another one's second stages and claims."""
    sealer = Sealer("second_stage", "claim")
    return commitment(
        with_extensions(STATIC_REMOTEKEY, (pin(sealer.spec, 1),)), sealer, htlcs=(4,), states=(("sealer", b""),)
    )


if __name__ == "__main__":
    print(render("commitment", boxed(), 80, LINES))
