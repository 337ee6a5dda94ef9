"""How does the shell look on a terminal? A prompt with colours and completion, a bar below, events above."""

import os
import shutil
import threading
from collections.abc import Hashable, Iterator
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory, Suggestion
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, get_common_complete_suffix
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText, StyleAndTextTuples
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout.controls import BufferControl
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style

from lnpd.cli.exits import OK
from lnpd.cli.shell import colours, feed, history, status
from lnpd.cli.shell.desk import Desk
from lnpd.cli.shell.perform import Leave, Performer

STYLE: Final = Style.from_dict({
    "command": "ansicyan bold",
    "option": "ansimagenta",
    "id": "ansiyellow",
    "amount": "ansigreen",
    "value": "",
    "wrong": "ansired underline",
    "comment": "ansibrightblack italic",
    "prompt": "bold",
    "feed.plain": "ansibrightblack",
    "feed.good": "ansigreen",
    "feed.trouble": "ansired",
    "bottom-toolbar": "noreverse bg:ansiblack ansiwhite",
    "bar.plain": "",
    "bar.alert": "bg:ansiyellow ansiblack",
    "bar.trouble": "bg:ansired ansiwhite",
    "auto-suggestion": "ansibrightblack",
})  # fmt: skip
COLOURLESS: Final = Style.from_dict({
    "wrong": "underline",
    "prompt": "bold",
    "bottom-toolbar": "reverse",
    "bar.alert": "bold",
    "bar.trouble": "bold",
})  # fmt: skip


class Kept(InMemoryHistory):
    """The lines of this shell and of earlier ones; what may be a secret is not among them."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.remembered())
        self._desk = desk

    def append_string(self, string: str) -> None:
        """Keeps a line, if it is one to keep."""
        if history.is_kept(string):
            super().append_string(string)
            self._desk.keep(string)


class Fitting(AutoSuggestFromHistory):
    """Shows the rest of an earlier line, if it fits into the prompt's line: no invoice fills the screen."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt

    def get_suggestion(self, buffer: Buffer, document: Document) -> Suggestion | None:
        """The rest of the last line that begins so."""
        found = super().get_suggestion(buffer, document)
        columns = shutil.get_terminal_size().columns
        fits = found is not None and len(self._prompt) + 2 + len(document.text) + len(found.text) < columns
        return found if fits else None


class Suggesting(Completer):
    """Completes from what is known; nothing is asked while somebody types."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """What may come next at the cursor."""
        suggested = self._desk.suggest(document.text_before_cursor)
        for found in suggested:
            is_whole = len(suggested) == 1 and document.is_cursor_at_the_end and not found.text.endswith("/")
            text = f"{found.text} " if is_whole else found.text
            yield Completion(text, -found.length, display=found.shown or found.text, display_meta=found.help)


def completing(completer: Completer) -> KeyBindings:
    """Tab, at once: what it inserts is there before the next key is read."""
    keys = KeyBindings()

    @keys.add("tab")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None:
            buffer.complete_next()
            return
        found = list(completer.get_completions(buffer.document, CompleteEvent(completion_requested=True)))
        if len(found) == 1:
            buffer.apply_completion(found[0])
        elif found:
            buffer.insert_text(get_common_complete_suffix(buffer.document, found))
            buffer.start_completion(select_first=False)

    return keys


class Colouring(Lexer):
    """Colours the line as far as it can be understood."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def invalidation_hash(self) -> Hashable:
        """Another one when something else is known: what was wrong may be right now."""
        return self._desk.knowledge.looks

    def lex_document(self, document: Document):  # type: ignore[no-untyped-def]  # as Lexer says
        """The parts of each line."""
        lines = [self._line(line) for line in document.lines]
        return lambda number: lines[number]

    def _line(self, line: str) -> StyleAndTextTuples:
        parts: StyleAndTextTuples = []
        at = 0
        for start, end, colour in colours.pieces(line, self._desk.commands(), self._desk.known):
            parts += [("", line[at:start]), (f"class:{colour}", line[start:end])]
            at = end
        return [*parts, ("", line[at:])]


class Session:
    """The shell of a terminal."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        colourless = bool(os.environ.get("NO_COLOR"))
        self._style = COLOURLESS if colourless else STYLE
        self._waiting: list[feed.Line] = []
        self._lock = threading.Lock()
        self._session: PromptSession[str] = PromptSession(
            [("class:prompt", f"{desk.prompt}> ")],
            history=Kept(desk),
            completer=(completer := Suggesting(desk)),
            key_bindings=completing(completer),
            complete_while_typing=False,
            auto_suggest=Fitting(desk.prompt),
            style=self._style,
            include_default_pygments_style=False,
            bottom_toolbar=self._bar,
            color_depth=ColorDepth.DEPTH_1_BIT if colourless else None,
        )
        for control in self._session.layout.find_all_controls():
            if isinstance(control, BufferControl) and control.buffer is self._session.default_buffer:
                control.lexer = Colouring(desk)  # a session's own way asks no lexer whether it knows better now
        desk.on_change, desk.on_line = self._session.app.invalidate, self._told

    def run(self, performer: Performer) -> int:
        """Asks for lines and does them, until the end. The node is looked at once there is a prompt to type at."""
        self._session.app.after_render += self._begin
        while True:
            try:
                self._tell(self._taken())
                performer.perform(self._session.prompt(pre_run=self._resumed))
                self._desk.knowledge.poke()
            except KeyboardInterrupt:
                continue  # the line is given up
            except (EOFError, Leave):
                return OK

    def _begin(self, _app: object) -> None:
        self._session.app.after_render -= self._begin
        self._desk.knowledge.start()

    # --- the bar

    def _bar(self) -> FormattedText:
        width = shutil.get_terminal_size().columns
        found = status.fitted(status.parts(self._desk.knowledge.state), width)
        shown: list[tuple[str, str]] = [("", " ")]
        for number, part in enumerate(found):
            shown += [("", status.GAP if number else ""), (f"class:bar.{part.mood}", part.text)]
        return FormattedText(shown)

    # --- events

    def _told(self, line: feed.Line) -> None:
        """On the listening thread: shown above the prompt, or before the next one."""
        with self._lock:
            self._waiting.append(line)
            first = len(self._waiting) == 1
        app, loop = self._session.app, self._session.app.loop
        if first and app.is_running and loop is not None and app.context is not None:
            loop.call_soon_threadsafe(lambda: loop.call_later(feed.TOGETHER_SECONDS, self._show), context=app.context)

    def _resumed(self) -> None:
        """What came after the last look and before there was a prompt again is shown above that."""
        loop = self._session.app.loop
        if self._waiting and loop is not None:
            loop.call_later(feed.TOGETHER_SECONDS, self._show)

    def _show(self) -> None:
        app = self._session.app
        if app.is_running:  # at once and in the terminal's raw mode: no key that is typed meanwhile is lost or echoed
            app.renderer.erase()
            self._tell(self._taken())
            app.renderer.request_absolute_cursor_position()
            app.invalidate()

    def _taken(self) -> list[feed.Line]:
        with self._lock:
            taken, self._waiting = self._waiting, []
        return taken

    def _tell(self, lines: list[feed.Line]) -> None:
        for line in feed.chosen(lines):
            shown = FormattedText([(f"class:feed.{line.mood}", line.text), ("", "\n")])
            app = self._session.app
            print_formatted_text(app.output, shown, app.renderer.style, color_depth=app.color_depth)
