"""Which spans does OpenTelemetry see of what plugins are asked?

One for each question, with the plugin's name and the trace's id that the logs show, where OpenTelemetry's API is
installed (`pip install lnpd[otel]`); who exports them, and where to, is the user's to set up. Without it nothing is
done.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from lnpd.hooks.trace import trace_id

try:
    from opentelemetry import trace
except ImportError:
    trace = None


@contextmanager
def span(question: str, plugin: str) -> Iterator[None]:
    """A span around one question to a plugin; what it raises is noted in it."""
    if trace is None:
        yield
        return
    attributes = {"lnpd.plugin": plugin, "lnpd.trace": trace_id()}
    with trace.get_tracer("lnpd").start_as_current_span(question, attributes=attributes):
        yield
