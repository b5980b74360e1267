"""`voicegraph chat`: a conversation at a terminal, and one from a pipe."""

import os
import re
import select
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, text
from patience import PATIENCE

from voicegraph.nodes.testing import ScriptedChatModel

pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")

Run = Callable[..., Any]


class Terminal:
    """A pseudo-terminal with `voicegraph` in it; what it shows is read by `until`."""

    def __init__(self, *arguments: str) -> None:
        self.process, self._end = pty.fork()
        if self.process == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execve(
                sys.executable,
                [sys.executable, "-m", "voicegraph.graph", *arguments],
                {**os.environ, "TERM": "dumb"},
            )
        self._shown = ""

    def type(self, keys: str) -> None:
        """Press keys; `\x03` is Ctrl-C, `\x04` Ctrl-D."""
        self.type_bytes(keys.encode())

    def type_bytes(self, keys: bytes) -> None:
        """Press keys that may be no text."""
        os.write(self._end, keys)

    def until(self, words: str) -> str:
        """Return what is shown up to and with `words`, after what was returned before."""
        while words not in self._shown:
            ready, _, _ = select.select([self._end], [], [], PATIENCE)
            assert ready, f"{words!r} does not come after {self._shown!r}"
            self._shown += os.read(self._end, 4096).decode(errors="replace")
        place = self._shown.index(words) + len(words)
        shown, self._shown = self._shown[:place], self._shown[place:]
        return re.sub(r"\x1b\[[0-9;?]*[a-z]", "", shown).replace("\r\n", "\n")

    def type_until(self, keys: str, words: str) -> None:
        """Press keys until `words` are shown.

        Python overlooks a Ctrl-C in the moment between the prompt and its wait for a key.
        """
        while words not in self._shown:
            self.type(keys)
            while words not in self._shown and select.select([self._end], [], [], 1)[0]:
                self._shown += os.read(self._end, 4096).decode(errors="replace")
        self.until(words)

    def exit_code(self) -> int:
        """Wait for the end of the process."""
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    def close(self) -> None:
        """Hang up: that ends what still runs."""
        os.close(self._end)


@pytest.fixture
def open_terminal(folder: Path) -> Iterator[Callable[..., Terminal]]:
    """Return how to open a terminal on a command."""
    opened: list[Terminal] = []

    def open_it(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield open_it
    for terminal in opened:
        terminal.close()


def test_a_conversation_with_an_interrupted_reply(
    server: OpenAIServer, open_terminal: Callable[..., Terminal]
) -> None:
    held = text("One two three.", hold_after=2)
    server.add(text("Hello Ada."), held, text("Back again."))
    terminal = open_terminal("chat", "--thread", "call-1")
    assert "Thread call-1, agent default, model openai:" in terminal.until("you> ")

    terminal.type("I am Ada.\n")
    assert terminal.until("you> ") == "I am Ada.\nHello Ada.\nyou> "

    terminal.type("Count.\n")
    terminal.until("One two")
    terminal.type("\x03")
    assert "(interrupted)\nyou> " in terminal.until("you> ")

    terminal.type_until("\x03", "Ctrl-D leaves.")

    terminal.type("Go on.\n")
    terminal.until("Back again.\nyou> ".replace("\n", "\r\n"))
    terminal.type("\x04")
    terminal.until("Continue with: voicegraph chat --thread call-1")
    assert terminal.exit_code() == 0
    window = [message["content"] for message in server.requests[2].messages][1:]
    assert window == ["I am Ada.", "Hello Ada.", "Count.", "One two", "Go on."]


def test_bytes_of_another_encoding_at_the_keyboard_are_asked_for_again(
    server: OpenAIServer, open_terminal: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")
    server.add(text("Hello."))
    chat = open_terminal("chat")
    chat.until("you> ")
    chat.type_bytes("Grüße\n".encode("latin-1"))
    chat.until("voicegraph: the message is not valid UTF-8")
    chat.type("Hi\n")
    chat.until("Hello.")
    chat.type_until("\x04", "Continue with")
    assert chat.exit_code() == 0


def test_words_from_a_pipe_are_answered_line_by_line(server: OpenAIServer, run: Run) -> None:
    server.add(text("Hello."), text("Fine."))
    ran = run("chat", "--thread", "call-1", stdin="Hi\n\nHow are you?\n")
    assert (ran.code, ran.out) == (0, "Hello.\nFine.\n")
    assert "you>" not in ran.errors
    assert "\x1b" not in ran.errors


def test_a_new_chat_tells_its_thread_and_how_to_come_back(server: OpenAIServer, run: Run) -> None:
    server.add(text("Hello."))
    told = run("chat", stdin="Hi\n").errors
    thread = run("threads").out.split("\t")[0]
    assert re.fullmatch(r"chat-\d{8}-[a-z0-9]{4}", thread)
    assert f"Continue with: voicegraph chat --thread {thread}" in told


def test_a_thread_with_a_past_shows_its_last_exchange(server: OpenAIServer, run: Run) -> None:
    server.add(text("Hello Ada."))
    run("say", "I am Ada.", "--thread", "call-1")
    ran = run("chat", "--thread", "call-1")
    assert "Continuing after 2 messages" in ran.errors
    assert "user: I am Ada.\n  assistant: Hello Ada.\n" in ran.errors


def test_a_failed_turn_does_not_end_the_conversation(
    server: OpenAIServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEGRAPH_MAX_MESSAGE_CHARS", "20")
    server.add(text("Hello."))
    ran = run("chat", stdin=f"{'a' * 21}\nHi\n")
    assert (ran.code, ran.out) == (0, "Hello.\n")
    assert "voicegraph: the message has 21 characters" in ran.errors


def test_the_embedded_model_says_what_it_is(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from voicegraph.nodes.model import catalog as model

    embedded = model.VoiceModel(
        name=model.LOCAL_MODEL, chat=ScriptedChatModel([]), small=True, calls_tools=False
    )
    monkeypatch.setattr(model.Models, "get", lambda self, name: embedded)
    told = run("chat").errors
    assert "model local:smollm2" in told
    assert "a small embedded model without tools" in told and "OPENAI_API_KEY" in told
