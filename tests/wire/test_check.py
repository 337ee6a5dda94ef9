"""Are rows refused that name what is not there, or that a few bytes could blow up?"""

import pytest

from lnpd.errors import BadRow
from lnpd.wire.catalogue import CORE
from lnpd.wire.check import MAX_NESTING


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("message,40001,m\ndata,u24,x", "u24 is no type"),
        ("message,40001,m\ndata,sha256[..33],x", "is no type"),
        ("message,40001,m\ndata,u64[..4],x", "is no type"),
        ("message,40001,m\ndata,n*u8,x", "n, which counts x, is no earlier integer"),
        ("message,40001,m\ndata,n*u8,x\ndata,u16,n", "n, which counts x, is no earlier integer"),
        ("message,40001,m\ndata,sha256,n\ndata,n*u8,x", "n, which counts x, is no earlier integer"),
        ("message,40001,m\ndata,2*u16,n\ndata,n*u8,x", "n, which counts x, is no earlier integer"),
        ("message,40001,m\ndata,...*u8,x", "takes the rest"),
        ("message,40001,m\ndata,tu64,x", "takes the rest"),
        ("tlv_stream,s\ntype,1,r\ndata,...*u8,x\ndata,u8,y", "x takes the rest, and y follows it"),
        ("tlv_stream,s\ntype,1,r\ndata,tu32,x\ndata,u8,y", "x takes the rest, and y follows it"),
        ("subtype,e\nmessage,40001,m\ndata,u16,n\ndata,n*e,x", "which can be empty"),
        ("subtype,e\ndata,...*u8,x\ntlv_stream,s\ntype,1,r\ndata,...*e,x", "which can be empty"),
        ("tlv_stream,s\ntype,1,r\ndata,...*tu16,x", "which can be empty"),
        ("tlv_stream,s\ntype,1,r\ndata,u8,n\ndata,n*tail,x\nsubtype,tail\ndata,u8,y\ndata,tu16,z", "has no end"),
        ("subtype,a\ndata,b,x\nsubtype,b\ndata,a,x", "contains itself"),
        ("tlv_stream,s\ntype,1,r\ndata,tlv_s,x", "contains itself"),
        ("message,40001,m\ndata,utf8,x", "utf8 without a count"),
        ("message,40001,m\ndata,65535*u16,x", "does not fit a message"),
        ("message,40001,m\ndata,u8,x\ndata,u8,x", "the name x is taken"),
        ("message,40001,m\ndata,3*u8,tlvs\ndata,u8,y", "the name tlvs is taken"),
        ("tlv_stream,s\ntype,1,unknown", "the name unknown is taken"),
        ("message,40001,m\ndata,nothing_tlvs,tlvs", "which is no tlv_stream"),
    ],
)
def test_rows_that_make_no_sense(rows: str, why: str) -> None:
    with pytest.raises(BadRow) as refused:
        CORE.with_rows("storm", rows)
    assert str(refused.value).startswith("storm: ") and why in str(refused.value)


def nested(depth: int, *, innermost_first: bool) -> str:
    """Subtypes, each in the next, and the outermost in a message."""
    rows = [f"subtype,t{n}\ndata,{f't{n - 1}' if n else 'u8'},x" for n in range(depth)]
    message = f"message,40001,m\ndata,t{depth - 1},x"
    return "\n".join([*(rows if innermost_first else reversed(rows)), message])


@pytest.mark.parametrize("innermost_first", [True, False])
def test_nesting_ends_somewhere(innermost_first: bool) -> None:
    CORE.with_rows("storm", nested(MAX_NESTING, innermost_first=innermost_first))
    for depth in (MAX_NESTING + 1, 2000):
        with pytest.raises(BadRow, match="nested deeper"):
            CORE.with_rows("storm", nested(depth, innermost_first=innermost_first))


def test_many_paths_to_one_type_are_measured_once() -> None:
    rows = [f"subtype,t{n}\n" + "\n".join(f"data,t{n - 1},x{i}" for i in range(4)) for n in range(1, MAX_NESTING)]
    CORE.with_rows("storm", "\n".join(["subtype,t0\ndata,u8,x", *rows[:5]]))
