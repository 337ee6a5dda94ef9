"""Is every event shown, whenever it comes?"""

from threading import Timer

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from lnpd.cli.shell import feed
from lnpd.cli.shell.session import Session


class Knows:
    """Nothing, and nobody looks."""

    looks = 0

    def start(self) -> None:
        """See above."""


class NoDesk:
    """What a session asks of a desk before a line is typed."""

    prompt, knowledge = "alice", Knows()

    def remembered(self) -> list[str]:
        return []

    def commands(self) -> dict[str, object]:
        return {}

    def known(self) -> None:
        """Nothing."""


def test_what_comes_between_the_last_look_and_the_prompt_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        session = Session(NoDesk())  # type: ignore[arg-type]

        def tell(lines: list[feed.Line]) -> None:
            shown.extend(line.text for line in lines)
            if lines:
                session._session.app.exit(result="")  # it has been seen
            else:  # the last look is over, and there is no prompt yet
                session._told(feed.Line("paid 21 sat"))

        monkeypatch.setattr(session, "_tell", tell)
        monkeypatch.setattr(session, "_bar", lambda: "")
        session._session.bottom_toolbar = ""
        session._tell(session._taken())
        given_up = Timer(20, lambda: keys.send_text("\r"))
        given_up.start()
        session._session.prompt(pre_run=session._resumed)
        given_up.cancel()
    assert shown == ["paid 21 sat"]
