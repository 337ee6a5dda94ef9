"""Does the bar fit, say the most important last, and does an event read well?"""

from typing import Any

import pytest

from lnpd.cli.render import cells
from lnpd.cli.shell.feed import AT_ONCE, GOOD, TROUBLE, Line, chosen, line_of
from lnpd.cli.shell.status import GAP, State, fitted, parts, sentences, works
from lnpd.cli.wait import of_chain, of_channel
from lnpd.services.events import TOPICS

INFO: dict[str, Any] = {
    "network": "regtest", "height": 1_203, "synced_height": 1_203, "peers": 1, "channels": 3, "plugins": ["hello"],
    "warnings": ["a channel is frozen", "the backup is old"], "chain_silent_since_unix_seconds": None,
}  # fmt: skip
FUNDS = {"confirmed_sat": 8_998_475, "unconfirmed_sat": 25, "channels_msat": 979_000_500}
STATE = State(INFO, FUNDS, ("opening 3f2a91, 2 blocks left",))


def bar(state: State, width: int) -> str:
    return " " + GAP.join(part.text for part in fitted(parts(state), width)) + " "


BARS: dict[int, str] = {
    200: "regtest  block 1,203  1 peer  3 channels  979,000.5 sat in channels, 8,998,500 on chain  1 plugin  "
         "opening 3f2a91, 2 blocks left  ! 2 alerts",
    80: "block 1,203  979,000.5 + 8,998,500 sat  opening 3f2a91, 2 blocks  ! 2 alerts",
    60: "block 1,203  979,000.5 + 8,998,500 sat  ! 2 alerts",
    30: "block 1,203  ! 2 alerts",
    12: "block 1,2…",
}  # fmt: skip


@pytest.mark.parametrize("width", BARS)
def test_the_bar_fits(width: int) -> None:
    assert bar(STATE, width).strip() == BARS[width]


@pytest.mark.parametrize("width", range(1, 220, 7))
def test_no_bar_is_wider_than_its_terminal(width: int) -> None:
    for state in (STATE, State(), State(why="No lnpd runs in /a/very/long/path" * 9)):
        assert cells(bar(state, width)) <= max(width, 3)


def test_a_chain_that_is_not_seen_as_it_is_is_said_first() -> None:
    behind = State({**INFO, "synced_height": 120})
    assert "block 120 of 1,203, 9 %" in bar(behind, 80)
    assert "silent" in bar(State({**INFO, "chain_silent_since_unix_seconds": 1}), 80)
    stage = of_chain(behind.info or {})
    assert not stage.ended and "1,083 left" in stage.words and 0.09 < stage.part < 0.1
    assert of_chain(INFO).ended


def test_in_words_each_alert_is_whole() -> None:
    assert sentences(STATE)[-2:] == ["! a channel is frozen", "! the backup is old"]
    assert sentences(State(why="gone")) == ["gone"]


def channel(**fields: Any) -> dict[str, Any]:
    usual = {"channel_id": "3f2a91" + "0" * 58, "state": "normal", "blocks_left": 0, "confirmations": 6}
    return {**usual, "closing_txid": "", "closing_confirmations": 0, **fields}


def test_what_waits_for_blocks_is_told_the_nearest_first() -> None:
    rows = [channel(blocks_left=98, closing_txid="ab"), channel(blocks_left=1, state="awaiting_ready"), channel()]
    assert works(rows) == ("opening 3f2a91, 1 block left", "closing 3f2a91, 98 blocks left")
    opening = of_channel(channel(state="awaiting_ready", blocks_left=2, confirmations=1), 3)
    assert (opening.words, round(opening.part, 2)) == ("opening 3f2a91000000: 1 of 3 blocks", 0.33)
    closing = of_channel(channel(state="on_chain", closing_txid="ab", closing_confirmations=2, blocks_left=98), 100)
    assert closing.words == "closing 3f2a91000000: 2 blocks deep, 98 left until it cannot be undone"
    assert round(closing.part, 2) == 0.02 and not closing.ended
    assert of_channel(channel(), 0).ended and of_channel(None, 100).ended
    assert "shutting down" in of_channel(channel(state="shutting_down"), 0).words


def test_every_topic_is_a_line_that_fits() -> None:
    for topic in TOPICS.keys() - {"chain_event"}:
        payload = {name: "ab" * 32 if name != "amount_msat" else 21_000 for name in TOPICS[topic].fields}
        line = line_of(topic, 1_790_000_000, payload, 80)
        assert line is not None and cells(line.text) <= 80, topic
    assert line_of("chain_event", 0, {}, 80) is None


def test_events_that_matter_are_said_in_words() -> None:
    paid = line_of("payment_received", 0, {"payment_hash": "ab" * 32, "amount_msat": 21_500}, 80)
    assert paid is not None and paid.text.endswith("received 21.5 sat") and paid.mood == GOOD
    frozen = line_of("channel_frozen", 0, {"channel": "a key", "reason": "late\x1b[31m"}, 80)
    assert frozen is not None and frozen.mood == TROUBLE
    assert frozen.text.endswith("channel frozen: reason late\N{REPLACEMENT CHARACTER}[31m")
    active = line_of("channel_active", 0, {"channel": "a key", "channel_id": "3f2a91" + "0" * 58}, 80)
    assert active is not None and active.text.endswith("channel active: channel id 3f2a91000000")
    assert line_of("lamp/lit", 0, ["anything"], 80) is not None


def test_of_a_flood_a_few_are_shown_and_the_rest_is_counted() -> None:
    few, many = [Line("a")] * AT_ONCE, [Line("a")] * 1_000
    assert chosen(few) == few
    assert len(chosen(many)) == AT_ONCE and "996 more" in chosen(many)[-1].text
