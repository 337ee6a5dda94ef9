"""Its manifest is nested as deep as a frame can be."""

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.plugin import Plugin


def deep(value: object, old=envelope.raw) -> msgspec.Raw:  # type: ignore[no-untyped-def]
    return msgspec.Raw(b"\x91" * 400_000 + b"\xc0")


envelope.raw = deep
plugin = Plugin("deep-manifest", version="1")

if __name__ == "__main__":
    plugin.run()
