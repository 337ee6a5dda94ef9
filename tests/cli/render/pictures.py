"""Which pictures do the tests look at? Of real commitments, of BOLT 3's keys, made by the pipeline; of three channels.

`python -m tests.cli.render.pictures` draws those of the folder `golden` again; look at them before they are kept.
"""

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
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
from lnpd.cli.render import BRIGHT, LINES, PLAIN, Look, render
from lnpd.crypto.secp import public_key
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY, pin, with_extensions
from lnpd.services.channels.picture import drawn
from lnpd.tx.funding import make_funding
from lnpd.tx.graph import ChannelType, CommitmentSignatures
from tests.channel.sealed import Sealer
from tests.channel.vault import GatedVault
from tests.tx import simple_taproot
from tests.tx.bolt3 import FUNDING, commitment_spec, graph_of

ROOT = Path(__file__).parents[3]
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


def tree() -> dict[str, Any]:
    """Outputs that are trees of leaves, of a channel whose funding takes both parties' one signature."""
    kind = simple_taproot.TYPE
    funding = make_funding(FUNDING.txid, FUNDING.vout, FUNDING.capacity_sat, FUNDING.funding_keys, kind.funding)
    return commitment(kind, simple_taproot.SimpleTaproot(), htlcs=(1, 3), funding=funding)


def three() -> list[dict[str, Any]]:
    """Channels as the RPC lists them: in use with HTLCs, below its reserve and away, frozen."""
    usual = {
        "capacity_sat": 1_000_000, "reserve_sat": 50_000, "their_reserve_sat": 10_000, "state": "normal",
        "connected": True, "funding": "ab" * 32 + ":0", "type": "anchors_zero_fee_htlc_tx", "providers": ["lockbox"],
        "feerate_per_kw": 1000, "htlcs": [], "frozen": "", "peer": "02" + "c6" * 32,
    }  # fmt: skip

    def htlc(direction: str, amount_msat: int) -> dict[str, Any]:
        return {
            "direction": direction,
            "amount_msat": amount_msat,
            "payment_hash": "e5" * 32,
            "cltv_expiry_height": 150,
        }

    ids = [hex_id * 32 for hex_id in ("3f", "7a", "b1")]
    htlcs = [htlc("out", 150_000_000), htlc("in", 21_000)]
    return [
        {"channel_id": ids[0], **usual, "ours_msat": 600_000_000, "theirs_msat": 400_000_000, "htlcs": htlcs},
        {"channel_id": ids[1], **usual, "ours_msat": 20_000_000, "theirs_msat": 980_000_000, "connected": False},
        {
            "channel_id": ids[2], **usual, "ours_msat": 1_000_000_000, "theirs_msat": 0, "providers": [],
            "frozen": "the provider lockbox does not answer",
        },
    ]  # fmt: skip


# By the name of its file: (method, what is shown, width, look)
GOLDEN: dict[str, tuple[str, Callable[[], object], int | None, Look]] = {
    "commitment-80": ("commitment", boxed, 80, LINES),
    "commitment-200": ("commitment", boxed, 200, LINES),
    "commitment-40": ("commitment", boxed, 40, LINES),
    "commitment-ascii": ("commitment", boxed, 80, PLAIN),
    "commitment-pipe": ("commitment", boxed, None, PLAIN),
    "commitment-theirs": ("commitment", partial(boxed, us=1), 80, LINES),
    "commitment-gated": ("commitment", gated, 80, LINES),
    "commitment-sealed": ("commitment", sealed, 80, LINES),
    "commitment-plain": ("commitment", plain, 80, LINES),
    "commitment-tree": ("commitment", tree, 80, LINES),
    "commitment-colours": ("commitment", plain, 80, BRIGHT),
    "channels-40": ("channels", three, 40, LINES),
    "channels-80": ("channels", three, 80, LINES),
    "channels-200": ("channels", three, 200, LINES),
    "channels-ascii": ("channels", three, 80, PLAIN),
    "channels-pipe": ("channels", three, None, PLAIN),
    "channels-colours": ("channels", three, 80, BRIGHT),
}


def golden(name: str) -> Path:
    """Where a picture is kept."""
    return Path(__file__).parent / "golden" / f"{name}.txt"


if __name__ == "__main__":
    for name, (method, made, width, look) in GOLDEN.items():
        golden(name).write_text(render(method, made(), width, look) + "\n")
