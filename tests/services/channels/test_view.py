"""Does a person see of each output on chain what is done about it, how, and when?"""

import pytest
from msgspec.structs import replace

from lnpd.channel.onchain_htlcs import TAKEN_BY_PREIMAGE
from lnpd.channel.state import OnChain, Resolution
from lnpd.rpc.answers import OnchainOutput
from lnpd.services.channels.view import NOT_WORTH_IT, onchain_rows
from lnpd.services.onchain import BroadcastStatus

TXID = bytes(range(32))
ROW = Resolution(TXID, 3, "htlc", "0/1", "offered_htlc", 20_000, "waiting", 800, older=1, after=900, rival_height=924)
SENT = BroadcastStatus("claim/a", txids=(bytes(31) + b"\x01",))
REFUSED = BroadcastStatus("claim/a", refused="There are no coins for its fee.")

SHOWN = OnchainOutput("", 20_000, "htlc", "offered_htlc", "waiting", 900, "", "", "HTLC-timeout transaction", 924)
CASES: dict[str, tuple[str, Resolution, tuple[BroadcastStatus, ...], OnchainOutput]] = {
    "ours, waits for its expiry": ("ours", ROW, (), SHOWN),
    "ours, claimed": (
        "ours",
        replace(ROW, status="claiming", claim="claim/a"),
        (SENT,),
        replace(SHOWN, state="claimed", until_height=0, claim="01" + "00" * 31),
    ),
    "ours, cannot be claimed": (
        "ours",
        replace(ROW, status="claiming", claim="claim/a"),
        (REFUSED,),
        replace(SHOWN, state="claimed", until_height=0, note=REFUSED.refused),
    ),
    "not worth its fee": (
        "ours",
        replace(ROW, status="claiming", claim="claim/a"),
        (BroadcastStatus("claim/a"),),
        replace(SHOWN, state="claimed", until_height=0, note=NOT_WORTH_IT),
    ),
    "the peer took it": (
        "ours",
        replace(ROW, status="spent", claim="claim/a", outcome="fulfilled", reason=TAKEN_BY_PREIMAGE),
        (SENT,),
        replace(SHOWN, state="lost", until_height=0, by="", rival_height=0, note=TAKEN_BY_PREIMAGE),
    ),
    "the peer took it back": (
        "ours",
        replace(ROW, kind="received_htlc", status="resolved"),
        (),
        replace(SHOWN, kind="received_htlc", state="lost", until_height=0, by="", rival_height=0),
    ),
    "the peer's preimage waited too long": (
        "ours",
        replace(ROW, status="spent", claim="claim/a", outcome="fulfilled"),
        (SENT,),
        replace(SHOWN, state="claimed", until_height=0, by="", claim="", rival_height=0),
    ),
    "we took it": (
        "ours",
        replace(ROW, status="resolved", claim="claim/a", outcome="failed"),
        (SENT,),
        replace(SHOWN, state="resolved", until_height=0, by="", rival_height=0),
    ),
    "no preimage": (
        "theirs",
        replace(ROW, kind="offered_htlc", status="unclaimed", reason="Its preimage is not known.", rival_height=0),
        (),
        replace(SHOWN, state="unclaimed", until_height=0, by="", note="Its preimage is not known.", rival_height=0),
    ),
    "theirs, by preimage": ("theirs", ROW, (), replace(SHOWN, by="preimage")),
    "theirs, by timeout": (
        "theirs_next",
        replace(ROW, kind="received_htlc"),
        (),
        replace(SHOWN, kind="received_htlc", by="timeout"),
    ),
    "a penalty": ("revoked", ROW, (), replace(SHOWN, by="penalty")),
    "a sweep": ("revoked", replace(ROW, kind="to_remote"), (), replace(SHOWN, kind="to_remote", by="sweep")),
}


@pytest.mark.parametrize(("spend", "row", "broadcasts", "expected"), CASES.values(), ids=CASES)
def test_one_output(
    spend: str, row: Resolution, broadcasts: tuple[BroadcastStatus, ...], expected: OnchainOutput
) -> None:
    phase = OnChain(spend, TXID, 800, resolutions=(row,))  # type: ignore[arg-type]
    (shown,) = onchain_rows(phase, 850, broadcasts)
    assert shown == replace(expected, outpoint=f"{TXID[::-1].hex()}:3")
