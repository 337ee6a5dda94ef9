"""Which pages are printed, where does each stand, and what does it answer?"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import lnpd.channel
from contrib.docs import (
    backup,
    bitcoind,
    client,
    configuration,
    contract,
    doctor,
    electrum,
    interop,
    node,
    pictures,
    protocol,
    rgb,
    rules,
    running,
    shaping,
    shell,
    tasks,
    tutorial,
    wire,
    works,
)
from contrib.docs.markdown import page
from lnpd.cli.reference import reference

FOLDER: Final = Path(__file__).parent / "pages"
ROOT: Final = Path(__file__).parents[2]


class Page(NamedTuple):
    """A file, what it answers, and whoever prints it."""

    path: Path
    question: str
    text: Callable[[], str]


def index() -> str:
    """The list of all other pages."""
    lines = [f"- [{row.path.name}]({_from_here(row.path)}): {row.question}" for row in PAGES[1:]]
    return page("Reference", "\n".join(lines) + "\n")


def _from_here(path: Path) -> str:
    return path.name if path.parent == FOLDER else f"../../../{path.relative_to(ROOT)}"


PAGES: Final[tuple[Page, ...]] = (
    Page(FOLDER / "README.md", "which pages there are", index),
    Page(FOLDER / "running.md", "how a node is run after the first evening: files, networks, limits, copies",
         running.running),
    Page(FOLDER / "works.md", "what works, with tests of whole nodes, and what does not yet", works.works),
    Page(FOLDER / "commands.md", "each command of `lnp` and method of the RPC; options, exit codes, error codes",
         reference),
    Page(FOLDER / "shell.md", "the shell: keys, its own commands, what it shows and asks", shell.shell),
    Page(FOLDER / "configuration.md", "file, environment and arguments; the limits of each preset; what is refused",
         configuration.configuration),
    Page(FOLDER / "client.md", "how a program in Python asks a node, here or from another machine", client.client),
    Page(FOLDER / "tasks.md", "forty everyday tasks: lnpd, lightning-cli, lncli and Electrum's console side by side",
         tasks.tasks),
    Page(FOLDER / "backup.md", "what to keep, how a node comes back, and whether what it has stored is sound",
         backup.backup),
    Page(FOLDER / "doctor.md", "what `lnp doctor` looks at, and which command mends what it finds", doctor.doctor),
    Page(FOLDER / "bitcoind.md", "how to run on a bitcoind, and what it is asked", bitcoind.bitcoind),
    Page(FOLDER / "electrum.md", "how to run by an Electrum server, and what it can do", electrum.electrum),
    Page(FOLDER / "rgb.md", "how to hold, send and receive RGB assets, and what of it is experimental", rgb.rgb),
    Page(FOLDER / "interop.md", "with which other nodes lnpd was tried, and in what", interop.interop),
    Page(FOLDER / "events.md", "what `lnp events` tells, topic by topic", node.events),
    Page(FOLDER / "pictures.md", "how the pictures of channels and commitments are read", pictures.pictures),
    Page(FOLDER / "tutorial.md", "how to write a plugin, from nothing to an output in commitments", tutorial.tutorial),
    Page(FOLDER / "shaping.md", "how a plugin shapes commitments: a whole provider, line by line", shaping.shaping),
    Page(FOLDER / "hooks.md", "what a plugin may take part in", contract.hooks),
    Page(FOLDER / "providers.md", "what a provider of commitment outputs is asked, phase by phase", contract.providers),
    Page(FOLDER / "services.md", "what a plugin may ask of its node, and what the user has to grant",
         contract.services),
    Page(FOLDER / "sdk.md", "every type and function of lnpd-sdk", contract.sdk),
    Page(FOLDER / "protocol.md", "what travels between node and plugin, in any language", protocol.protocol),
    Page(FOLDER / "protocol.json", "the JSON schema of all that travels between node and plugin", protocol.schema),
    Page(FOLDER / "rules.md", "what the host refuses, and which test shows it", rules.rules),
    Page(FOLDER / "messages.md", "every message, TLV record and feature bit, and how a plugin adds its own",
         wire.messages),
    Page(FOLDER / "signer.md", "what the signer refuses to sign", node.refusals),
    Page(FOLDER / "persistence.md", "at which moments the power may fail", node.persistence),
    Page(FOLDER / "errors.md", "every class of error", node.errors_page),
    Page(Path(lnpd.channel.__file__).parent / "TRANSITIONS.md", "which handler answers which event in which phase",
         node.states),
)  # fmt: skip
