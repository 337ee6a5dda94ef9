"""How does the author of a remote plugin make its key pair?

    python -m lnpd_sdk.keys FILE        (or lnpd-plugin-key FILE)

writes the secret key to a new file that only its user may read, and prints the public one, for the node's
`lnpd --remote-plugin NAME=KEY`.
"""

import sys

from lnpd_sdk.client import new_key, public_key


def main() -> int:
    """The program."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print("usage: lnpd-plugin-key FILE", file=sys.stderr)
        return 2
    try:
        new_key(sys.argv[1])
    except OSError as error:
        print(f"lnpd-plugin-key: {sys.argv[1]}: {error.strerror}", file=sys.stderr)
        return 1
    print(public_key(sys.argv[1]).hex())
    return 0


if __name__ == "__main__":
    sys.exit(main())
