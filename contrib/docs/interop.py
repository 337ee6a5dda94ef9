"""With which other nodes was lnpd tried, in what, and what did that teach?

The list of what was tried is written by hand, each row with the tests that try it; a test fails for a row whose test
does not exist, and for a test that has no row. What Electrum demands stands beside what the code offers.
"""

import json
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

from contrib.docs.markdown import code, page, table
from lnpd.channel.presets import DEFAULT, LIMITS
from lnpd.peer.greeting import OFFERED
from lnpd.services.payments.incoming import DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA
from lnpd.wire.features import BOLT9

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = "tests/interop"
OLD, USUAL = "static_remotekey", "anchors"


class Tried(NamedTuple):
    """Something that was done with LDK, and by which test."""

    what: str
    file: str
    test: str


LDK: Final[tuple[Tried, ...]] = (
    Tried("open by either, pay both ways by BOLT 11 invoices, close together by either",
          "test_ldk.py", "test_open_pay_and_close"),
    Tried("invoices without an amount, one paid twice, one failed by its payee: either reads the other's failure",
          "test_ldk.py", "test_invoices_of_every_kind"),
    Tried("a hundred HTLCs each way, all in flight at once; claimed and failed ones",
          "test_ldk_flight.py", "test_a_hundred_htlcs_each_way"),
    Tried("update_fee by either opener, up and down, with an HTLC in flight; ours by itself, as estimates change",
          "test_ldk_flight.py", "test_the_opener_changes_the_feerate"),
    Tried("fees rise while LDK is away: we raise ours when it is back, and it does not close for a day's least",
          "test_ldk_flight.py", "test_ldk_keeps_our_channel_while_fees_rise"),
    Tried("connections lost by either, amid payments both ways",
          "test_ldk_flight.py", "test_lost_connections_amid_payments_both_ways"),
    Tried("a power cut at LDK, amid payments both ways: it goes on from what it stored",
          "test_ldk_flight.py", "test_ldk_restarts_amid_payments_both_ways"),
    Tried("any order of payments of all sizes, feerates, lost connections and restarts of ours",
          "test_ldk_random.py", "test_both_sides_agree_after_any_story"),
    Tried("forced closes by either, opened by either, HTLCs both ways, by preimage and by timeout: every satoshi is "
          "counted",
          "test_ldk_forced.py", "test_a_forced_close_amid_four_htlcs"),
    Tried("LDK broadcasts a commitment that it has revoked, with an HTLC each way: a penalty takes all of it",
          "test_ldk_penalty.py", "test_a_revoked_commitment_of_ldk_is_punished"),
    Tried("a close by whoever opened, over an HTLC in flight and a lost connection; option_upfront_shutdown_script and "
          "option_shutdown_anysegwit by either",
          "test_ldk_closing.py", "test_a_close_waits_for_an_htlc"),
    Tried("LDK refuses a shutdown of ours to another script than we promised",
          "test_ldk_closing.py", "test_ldk_holds_us_to_what_we_promised"),
    Tried("we lose our data and come back with a backup: LDK closes for our error, and we claim to_remote",
          "test_ldk_restore.py", "test_ldk_closes_and_we_claim"),
    Tried("LDK comes back with an old state: it ends by itself, we close and claim what is ours",
          "test_ldk_restore.py", "test_we_close_when_ldk_comes_back_with_an_old_state"),
    Tried("option_scid_alias in the type, by either; channels of 0.2 BTC, by either; announced channels; LDK without "
          "anchors; 37,500 sat per kw",
          "test_ldk_kinds.py", "test_other_channels"),
    Tried("LDK pays LDK through us, by hints; failures and preimages pass back, over lost connections too",
          "test_ldk_forwarding.py", "test_ldk_pays_ldk_through_us"),
    Tried("LDK reads our failure with its channel_update, and pays later",
          "test_ldk_forwarding.py", "test_ldk_hears_that_we_cannot_forward_now"),
    Tried("we pay us through LDK, by a hint and along a route; we read its failures",
          "test_ldk_forwarding.py", "test_we_pay_us_through_ldk"),
)  # fmt: skip

NOT_TRIED: Final = """Not tried with LDK: zero-conf channels (lnpd refuses them), public gossip, blinded paths, several
parts of one payment.

lnpd takes no part in public gossip yet. It accepts a channel that its opener wants announced, and such a channel works,
yet it stays unannounced: lnpd sends no announcement_signatures, which BOLT 7 asks of both sides, and ignores LDK's,
which come once the funding is six blocks deep and again with each connection. It opens no such channel itself.
"""

LEARNED: Final = (
    ("LDK fails a channel that hears anything before channel_reestablish",
     "what was to leave over a lost connection is never sent over the next one"),
    ("LDK that keeps its ids to itself opens channels with option_scid_alias in their type to whoever offers it",
     "lnpd accepts and opens them; the real id of such a channel is unknown to payers"),
    ("LDK without anchors answers a channel_type with them by an error",
     "without a word lnpd opens the best type that both offer, and refuses by itself what the peer does not"),
    ("LDK offers option_support_large_channel always, and accepts 2^24 sat only if told to",
     "lnpd offers it if its user allows such channels"),
    ("LDK closes a channel whose opener leaves its feerate below the least that LDK would have taken in 144 blocks",
     "the opener follows the chain's estimates by itself, at each block and when the peer is back"),
    ("LDK remembers one update_fee: a second one, before the first is irrevocable, makes it sign another commitment",
     "an update_fee waits until none is pending"),
    ("LDK 0.1 claims back HTLCs of one expiry in one transaction, and goes on trying when we took one of them: its "
     "others are late", "nothing: it costs LDK only, and lnpd takes no HTLC twice"),
)  # fmt: skip

SPEEDS: Final = """`python -m contrib.bench --only interop` (a part of `make bench`) measures it on the machine at hand:
four pairs, each over one channel of anchors, take turns within each round. These are the medians of seven rounds, on
2026-11-21, on two shared cores that had much else to do, of which the report complained: the processor's columns are
worth more than the rates, and the rates mean something beside each other only. LDK is its WASM in Node with its
channels in memory only, not the native LDK; lnpd has each state on disk before it acts. The time spent in lnpd is its
use of the processor over the time on the wall; what neither node uses is waiting, for a processor, a disk, or to be
woken. With many at once both work side by side.
"""
# How; payer and payee; payments a second; ms of the processor for each, in the payer and in the payee; % of the time
# spent in lnpd.
SPEED: Final = (
    ("in turn", "LDK to LDK", 46, 13.0, 8.4, "none"),
    ("in turn", "LDK to lnpd", 32, 10.8, 8.2, "25 %"),
    ("in turn", "lnpd to LDK", 32, 8.4, 8.7, "29 %"),
    ("in turn", "lnpd to lnpd", 29, 7.9, 7.4, "23 % and 23 %"),
    ("30 at once", "LDK to LDK", 178, 3.4, 2.0, "none"),
    ("30 at once", "LDK to lnpd", 159, 3.1, 1.4, "25 %"),
    ("30 at once", "lnpd to LDK", 184, 1.6, 2.4, "32 %"),
    ("30 at once", "lnpd to lnpd", 223, 1.4, 1.3, "31 % and 29 %"),
)

# What Electrum's nodes demand of a peer (electrum/lnutil.py): features as bits, sat, blocks, sat per kw.
ELECTRUM_FEATURES: Final = (0, 8, 12, 14, 22, 44)
ELECTRUM_SMALLEST_SAT: Final = 200_000
ELECTRUM_FINAL_BLOCKS: Final = 144
ELECTRUM_REGTEST_PER_KW: Final = 37_500


def version() -> str:
    """LDK's, as the lock file has it."""
    lock = json.loads((ROOT / "contrib" / "ldk" / "package-lock.json").read_text())
    return str(lock["packages"]["node_modules/lightningdevkit"]["version"])


def types_tried(row: Tried) -> str:
    """The channel types of a row's test, as the names of its cases tell; where they tell none it is the usual one."""
    module = import_module(f"{FOLDER.replace('/', '.')}.{row.file.removesuffix('.py')}")
    marks = [mark for mark in getattr(getattr(module, row.test), "pytestmark", ()) if mark.name == "parametrize"]
    cases = product(*([str(each) for each in mark.kwargs.get("ids", mark.args[1])] for mark in marks))
    found = {any(OLD in word for word in case) for case in cases}
    return ", ".join(name for old, name in ((True, OLD), (False, USUAL)) if old in found)


def interop() -> str:
    """The page."""
    return page(
        "Other people's nodes",
        f"""`make test` drives a real LDK {version()} (its WASM package from npm, by `contrib/ldk`) against whole nodes
of ours, over TCP and on a real bitcoind's regtest. `make peer` gives a person the same two, with a prompt: LDK opens,
pays, makes invoices, holds payments back, closes, as it is told there; `help` lists what. Its channels end with it.
""",
        table(
            ("what", "channel types", "test"),
            [(row.what, types_tried(row), code(f"{FOLDER}/{row.file}::{row.test}")) for row in LDK],
        ),
        NOT_TRIED,
        "## What that taught\n",
        table(("LDK", "lnpd since then"), LEARNED),
        "## Speed\n",
        SPEEDS,
        table(
            ("payments", "payer to payee", "a second", "processor of the payer", "of the payee", "time spent in lnpd"),
            [
                (how, pair, str(rate), f"{payer} ms", f"{payee} ms", share)
                for how, pair, rate, payer, payee, share in SPEED
            ],
        ),
        "## Electrum\n",
        "It was not run here. What it demands of a peer, and what there is:\n",
        table(("Electrum", "lnpd"), electrum()),
    )


def electrum() -> list[tuple[str, str]]:
    """Each demand, and what the code says to it."""
    names = [next(f.name for f in BOLT9.features.values() if f.bit == bit) for bit in ELECTRUM_FEATURES]
    ceiling = next(row for row in LIMITS if row.field == "max_feerate_per_kw")
    smallest = next(row for row in LIMITS if row.field == "min_channel_sat")
    return [
        (f"feature bit {bit}, {name}", "offered" if OFFERED.offers(name) else "not offered")
        for bit, name in zip(ELECTRUM_FEATURES, names, strict=True)
    ] + [
        (f"channels of {ELECTRUM_SMALLEST_SAT:,} sat or more",
         f"{DEFAULT.min_channel_sat:,} sat or more ({code(smallest.flag)})"),
        (f"an HTLC's last expiry lies {ELECTRUM_FINAL_BLOCKS} blocks ahead or more, as its invoices say",
         f"what an invoice says is kept; our own say {DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA}"),
        (f"as opener on regtest it proposes {ELECTRUM_REGTEST_PER_KW:,} sat per kw",
         f"up to {DEFAULT.max_feerate_per_kw:,} ({code(ceiling.flag)})"),
    ]  # fmt: skip
