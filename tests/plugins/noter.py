"""A plugin that adds a record to every message that carries some, never the same twice, and notes what it was shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lnpd_sdk.manifest import Filter
from lnpd_sdk.plugin import Node, Plugin

TYPE = "70001"
NAMES = (
    "init",
    "open_channel",
    "accept_channel",
    "channel_ready",
    "update_add_htlc",
    "commitment_signed",
    "revoke_and_ack",
    "channel_reestablish",
    "shutdown",
)
SHOWN = {  # hooks that have the records of one message
    "peer_connected": "init",
    "open_channel_received": "open_channel",
    "accept_channel_received": "accept_channel",
    "channel_opened": "channel_ready",
    "shutdown_proposed": "shutdown",
}
plugin = Plugin("noter", "1", capabilities=("messages",))
for stream in (*(f"{name}_tlvs" for name in NAMES), "payload"):
    plugin.records(f"tlv_stream,{stream}\ntype,{TYPE},{stream}_note\ndata,u32,note")


def note(what: str, message: str, record: str, number: int = 0) -> None:
    """One line in the plugin's own folder."""
    with Path("notes").open("a") as file:
        file.write(json.dumps([what, message, record, number]) + "\n")


def fresh(message: str, number: int) -> dict[str, str]:
    """A record that no answer before this one had, in whichever life of the plugin."""
    notes = Path("notes")
    record = f"{len(notes.read_text().splitlines()) if notes.exists() else 0:08x}"
    note("sent", message, record, number)
    return {TYPE: record}


@plugin.hook("outgoing_records", Filter("name", one_of=NAMES))
def added(_node: Node, name: str, commitment_number: int, **_fields: Any) -> dict[str, str]:
    return fresh(name, commitment_number)


@plugin.hook("onion_payload")
def inside(_node: Node, **_fields: Any) -> dict[str, str]:
    return fresh("payload", 0)


@plugin.hook("peer_message", Filter("name", one_of=NAMES))
def seen(_node: Node, name: str, records: dict[str, str], **_fields: Any) -> None:
    note("peer_message", name, records.get(TYPE, ""))


@plugin.hook("htlc_accepted")
def accepted(_node: Node, records: dict[str, str], htlc_records: dict[str, str], **_fields: Any) -> None:
    note("htlc_accepted", "payload", records.get(TYPE, ""))
    note("htlc_accepted", "update_add_htlc", htlc_records.get(TYPE, ""))


def told_of(hook: str) -> Callable[..., None]:
    """What is called for a hook."""

    def told(_node: Node, records: dict[str, str], **fields: Any) -> None:
        if not fields.get("ours"):
            note(hook, SHOWN[hook], records.get(TYPE, ""))

    return told


for each in SHOWN:
    plugin.hook(each)(told_of(each))

if __name__ == "__main__":
    plugin.run()
