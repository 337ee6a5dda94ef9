"""Which figures of the node's plugins are on the metrics page?"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from lnpd.hooks.figures import BUCKETS_SECONDS, Figures
from lnpd.services.plugins.calls import Plugin

MAX_PROCESSES: Final = 64
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
STATUSES: Final = ("starting", "ready", "waiting", "quarantined", "refused", "stopped")

# Of each plugin: name, type, text.
OF_PLUGIN: Final[tuple[tuple[str, str, str], ...]] = (
    ("starts_total", "counter", "How often its process was started."),
    ("faults_total", "counter", "How often it failed, was late, or answered with nonsense."),
    ("dropped_total", "counter", "Messages of peers, and questions, for which there was no room."),
    ("waiting", "gauge", "Questions that wait for its answer."),
    ("lines_left_out", "gauge", "Lines that were not written to the log since it was last said."),
    ("memory_bytes", "gauge", "Memory of its processes (resident)."),
)


def page(plugins: Iterable[Plugin], rows: Mapping[tuple[str, str], Figures]) -> str:
    """The figures in the text format of Prometheus. `rows` are by question and plugin."""
    return "".join(f"{line}\n" for part in (_plugins(tuple(plugins)), _questions(rows)) for line in part)


def _plugins(plugins: tuple[Plugin, ...]) -> Iterator[str]:
    yield from _head("lnpd_plugin_status", "gauge", "1 for the state that it is in.")
    for plugin in plugins:
        for status in STATUSES:
            yield f"lnpd_plugin_status{_labels(plugin=plugin.name, status=status)} {int(plugin.status == status)}"
    values = {plugin: _values(plugin) for plugin in plugins}
    for name, kind, text in OF_PLUGIN:
        yield from _head(f"lnpd_plugin_{name}", kind, text)
        for plugin in plugins:
            yield f"lnpd_plugin_{name}{_labels(plugin=plugin.name)} {values[plugin][name]}"


def _values(plugin: Plugin) -> dict[str, int]:
    return {
        "starts_total": plugin.starts,
        "faults_total": plugin.faults,
        "dropped_total": plugin.dropped,
        "waiting": plugin.waiting,
        "lines_left_out": plugin.voice.left_out,
        "memory_bytes": memory_bytes(plugin.pid) if plugin.pid else 0,
    }


def _questions(rows: Mapping[tuple[str, str], Figures]) -> Iterator[str]:
    name = "lnpd_plugin_question"
    yield from _head(f"{name}_seconds", "histogram", "How long answers take: hooks, providers' methods, services.")
    for (question, plugin), figures in rows.items():
        count = 0
        for bound, more in zip((*BUCKETS_SECONDS, "+Inf"), figures.buckets, strict=True):
            count += more
            yield f"{name}_seconds_bucket{_labels(question=question, plugin=plugin, le=str(bound))} {count}"
        labels = _labels(question=question, plugin=plugin)
        yield f"{name}_seconds_sum{labels} {figures.seconds:.6f}"
        yield f"{name}_seconds_count{labels} {count}"
    yield from _head(f"{name}_errors_total", "counter", "Questions without a good answer.")
    for (question, plugin), figures in rows.items():
        yield f"{name}_errors_total{_labels(question=question, plugin=plugin)} {figures.errors}"
    yield from _head(f"{name}_waiting", "gauge", "Questions of this kind without an answer yet.")
    for (question, plugin), figures in rows.items():
        yield f"{name}_waiting{_labels(question=question, plugin=plugin)} {figures.waiting}"


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _labels(**labels: str) -> str:
    rows = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(rows) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def memory_bytes(process: int) -> int:
    """What a process and those that it started have in memory; 0 where /proc does not tell."""
    waiting, seen, pages = [process], 0, 0
    while waiting and seen < MAX_PROCESSES:
        each, seen = waiting.pop(), seen + 1
        with suppress(OSError, ValueError, IndexError):
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
            waiting += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return pages * PAGE_BYTES
