"""Which class of error does a program catch, where the node refused something?

try:
    node.pay(invoice)
except errors.PaymentPending: ...      # by what it means: the class that the node raised
except errors.RefusedByNode: ...       # whatever the node refused, and why
"""

from typing import Final

from lnpd import errors

_made: Final[dict[str, type[errors.RefusedByNode]]] = {}


def refused(code: int, name: str, text: str) -> errors.RefusedByNode:
    """The error of a response: a RefusedByNode, and of the class of lnpd.errors that the name means, if it is one.

    The text, the code and the name are all that travels: other fields of that class it has not.
    """
    return _class_of(name)(code, name, text)


def _class_of(name: str) -> type[errors.RefusedByNode]:
    if name not in _made:
        kind = getattr(errors, name, None)
        if not isinstance(kind, type) or not issubclass(kind, errors.LnpdError):
            return errors.RefusedByNode  # a newer node's, or a stranger's: not kept
        if issubclass(errors.RefusedByNode, kind):
            return errors.RefusedByNode
        _made[name] = type(name, (errors.RefusedByNode, kind), {"__doc__": kind.__doc__, "__module__": __name__})
    return _made[name]
