"""Which spans does OpenTelemetry see of what plugins are asked?

One for each question, with the plugin's name and the trace's id that the logs show, where OpenTelemetry's API is
installed (`pip install lnpd[otel]`); who exports them, and where to, is the user's to set up. Without it nothing is
done.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Final

from lnpd.hooks.trace import trace_id

try:
    from opentelemetry import trace
except ImportError:
    trace = None

NOTHING: Final[AbstractContextManager[None]] = nullcontext()


def span(question: str, plugin: str) -> AbstractContextManager[Any]:  # Any: OpenTelemetry's span
    """A span around one question to a plugin; what it raises is noted in it."""
    if trace is None:
        return NOTHING
    attributes = {"lnpd.plugin": plugin, "lnpd.trace": trace_id()}
    found: AbstractContextManager[Any] = trace.get_tracer("lnpd").start_as_current_span(question, attributes=attributes)
    return found


def spans(questions: Iterable[str], plugin: str) -> AbstractContextManager[Any]:  # Any: as above
    """One around each of several questions that are asked together."""
    if trace is None:
        return NOTHING
    with ExitStack() as each:
        for question in questions:
            each.enter_context(span(question, plugin))
        return each.pop_all()
