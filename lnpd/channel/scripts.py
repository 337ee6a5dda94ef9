"""Which scripts may shutdown name, and what is dust for each? (BOLT 2 shutdown, BOLT 3 Dust Limits)"""

from typing import Final, NamedTuple


class Form(NamedTuple):
    """One form of scriptpubkey: its first bytes, its possible lengths, the smallest output that is relayed."""

    prefixes: tuple[bytes, ...]
    lengths: range
    dust_sat: int
    anysegwit: bool = False  # only with option_shutdown_anysegwit


P2WPKH: Final = Form((b"\x00\x14",), range(22, 23), 294)
P2WSH: Final = Form((b"\x00\x20",), range(34, 35), 330)
WITNESS: Final = Form(
    tuple(bytes((0x50 + version, length)) for version in range(1, 17) for length in range(2, 41)),
    range(4, 43),
    354,
    anysegwit=True,
)
FORMS: Final = (P2WPKH, P2WSH, WITNESS)


def _form(script: bytes) -> Form | None:
    for form in FORMS:
        if script[:2] in form.prefixes and len(script) in form.lengths and (len(script) == script[1] + 2):
            return form
    return None


def shutdown_script_allowed(script: bytes, anysegwit: bool) -> bool:
    """Whether a shutdown may name this script."""
    form = _form(script)
    return form is not None and (anysegwit or not form.anysegwit)


def dust_limit_sat(script: bytes) -> int:
    """The smallest amount that an output with this (allowed) script is relayed with."""
    form = _form(script)
    return form.dust_sat if form else 546
