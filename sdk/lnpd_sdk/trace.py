"""What is this call a part of?

What the node asks carries the id of its trace; what a plugin asks for while it answers carries it back, so that the
node knows what caused what. The node's log shows it.
"""

from contextvars import ContextVar

_TRACE: ContextVar[str] = ContextVar("trace", default="")


def trace_id() -> str:
    """The trace in which this function is called, empty outside of any."""
    return _TRACE.get()


def enter(identity: str) -> None:
    """From here on, in this task, what is called belongs to this trace."""
    _TRACE.set(identity)
