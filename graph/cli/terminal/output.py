"""Show a turn on the terminal: words as they arrive, notes next to them."""

import sys
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from ....nodes.turn.events import Event, Speech, ToolFinished, ToolStarted, TurnFinished, encode_event

if TYPE_CHECKING:
    from rich.console import Console

_UNPRINTABLE = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_LONGEST_ARGUMENT = 40


def console(*, errors: bool) -> "Console":
    """Return a console on stdout or stderr; it writes colours only to a terminal."""
    from rich.console import Console

    return Console(stderr=errors, highlight=False, markup=False, emoji=False, soft_wrap=True)


def printable(text: str) -> str:
    """Return `text` without control characters, which could manipulate the terminal."""
    return text.translate(_UNPRINTABLE)


class View(Protocol):
    """Shows the events of a turn."""

    def show(self, event: Event) -> None:
        """Show one event immediately."""
        ...

    def end(self) -> None:
        """Finish the output; the turn sends no more events."""
        ...


class JsonView:
    """Writes events to stdout as JSON, one per line."""

    def show(self, event: Event) -> None:
        """Write the event."""
        fields = {"type": event.type, **encode_event(event)}
        sys.stdout.write(orjson.dumps(fields, default=str).decode() + "\n")
        sys.stdout.flush()

    def end(self) -> None:
        """Do nothing: each line is complete."""


class SpokenView:
    """Writes the reply to stdout, and tool use as lines on the console `notes`."""

    def __init__(self, notes: "Console") -> None:
        self._notes = notes
        self._same_place = sys.stdout.isatty() or not notes.stderr
        self._in_line = False
        self._fresh = True
        """True at the start of a line: the rest of a reply may begin with a blank."""

    def show(self, event: Event) -> None:
        """Write words as they are, and tool use dimmed."""
        match event:
            case Speech():
                self._speak(event.content)
            case ToolStarted():
                self._note(f"{event.name}({shown_arguments(event.arguments)})")
            case ToolFinished():
                self._note(f"{event.name}: {event.status}, {event.seconds:.1f} s")
            case TurnFinished(finish_reason="interrupted"):
                self._note("(interrupted)")
            case _:
                pass

    def end(self) -> None:
        """Close the line of the reply."""
        if self._in_line:
            sys.stdout.write("\n")
            sys.stdout.flush()
        self._in_line = False

    def _speak(self, words: str) -> None:
        words = printable(words) if sys.stdout.isatty() else words
        if self._fresh:
            words = words.lstrip()
        if words:
            self._fresh = False
            self._in_line = not words.endswith("\n")
            sys.stdout.write(words)
            sys.stdout.flush()

    def _note(self, line: str) -> None:
        if self._in_line and self._same_place:
            self._notes.print()
            self._in_line, self._fresh = False, True
        self._notes.print(f"  {printable(line)}", style="dim")


def shown_arguments(arguments: Any) -> str:
    """Return the arguments of a tool call in Python's notation; long ones are truncated."""
    return ", ".join(f"{name}={_short(value)}" for name, value in dict(arguments).items())


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_ARGUMENT else f"{text[:_LONGEST_ARGUMENT]}..."


def write_rows(titles: list[str], rows: list[list[str]], *, nothing: str) -> None:
    """Write a table: aligned with titles on a terminal, else one tab-separated row per line.

    Without rows, `nothing` is written to stderr.
    """
    if not rows:
        console(errors=True).print(nothing)
    elif not sys.stdout.isatty():
        lines = ("\t".join(" ".join(printable(cell).split()) for cell in row) for row in rows)
        sys.stdout.writelines(f"{line}\n" for line in lines)
    else:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in titles:
            table.add_column(title, overflow="fold")  # A truncated id could not be copied.
        for row in rows:
            table.add_row(*(printable(cell) for cell in row))
        console(errors=False).print(table)
