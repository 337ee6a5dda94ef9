"""How is a text shown that a stranger may have written, so that it steers no terminal? As a line, and in JSON."""

import json

import msgspec


def clean(line: str) -> str:
    """A text without what could steer a terminal: a stranger may have written it."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def json_text(answer: object, indent: int = 0) -> str:
    """An answer as JSON, on one line or indented; what cannot be printed is written as JSON's escapes, which say the
    same."""
    line = msgspec.json.encode(answer).decode()
    line = msgspec.json.format(line, indent=indent) if indent else line
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in line)
