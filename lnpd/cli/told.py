"""How do lnpd and its programs say something: a line for a person, or with --json an object for a program?"""

from typing import Final

from lnpd.cli.safe import json_text

AS_JSON: Final = ("--json", "", "print what it says, and why it failed, as JSON: an object on a line")


def tell(answer: object, text: str, as_json: bool) -> None:
    """Prints it, at once."""
    print(json_text(answer) if as_json else text, flush=True)


def failure(program: str, error: Exception, text: str, as_json: bool) -> str:
    """Why a program ended, as `lnp` says it; `text` is what may be shown of the error."""
    if not as_json:
        return f"{program}: {text}"
    return json_text({"error": {"code": None, "name": type(error).__name__, "message": text}})
