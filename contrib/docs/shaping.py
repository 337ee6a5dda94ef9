"""How does a plugin shape commitments? One whole provider, from plugins/note.py, and what is around it."""

import re
from pathlib import Path
from typing import Final

from contrib.docs.markdown import page

NOTE_PLUGIN: Final = Path(__file__).parents[2] / "plugins" / "note.py"


def shaping() -> str:
    """The page."""
    return page("A plugin that shapes commitments", BEFORE, f"```python\n{provider()}```\n", AFTER)


def provider() -> str:
    """The provider of plugins/note.py, as it stands there."""
    found = re.search(r"^@plugin\.provider\n.*?(?=\n\n\n)", NOTE_PLUGIN.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[0] + "\n"


BEFORE: Final = """\
A provider is a class of pure functions. Both nodes run it, in processes of their own, and must come to the same
outputs. This one, from `plugins/note.py`, writes 32 bytes into an output of both sides' commitment transactions:
"""
AFTER: Final = """\
Its `spec` names the phases in which it is asked; its state is bytes of its own; the update comes from a command of the
same plugin by `node.propose(channel_id, "note", body)` and rides the ordinary commit dance. The rest of the file
declares the command and a channel type. With it on both nodes:

    lnpd --plugin=plugins/note.py --grant note=updates:0
    lnp open PEER 1000000 --channel-type note/anchors
    lnp note-write CHANNEL 6d79206e6f7465
    lnp channels                                                   # shows the output in both commitments

An output with an amount says in `debits_msat` who pays for it, and gives its script as a miniscript over named keys, or
as a tree of them (taproot), so that the host knows every way to spend it: see `plugins/lockbox.py`. A channel type may
say what its funding pays to as well: in `plugins/examples/recovery.py` a third key can take it, four weeks later. What
the host refuses, and which test shows it, is in [rules.md](rules.md).
"""
