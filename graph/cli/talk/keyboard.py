"""A conversation at the keyboard: the event loop runs in a thread, the main thread reads the input.

Editing a line therefore blocks no turn, and the main thread, which gets Ctrl-C, is free to handle it.
"""

import signal
import sys
from collections.abc import Generator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from anyio.from_thread import BlockingPortal

from ....nodes.model.catalog import LOCAL_MODEL
from ....state.conversations.messages import StoredMessage
from ....state.errors import VoicegraphError
from ...resources import open_resources_sync
from ...settings import Settings, load_settings
from ...turns.run import interrupt, stream_turn
from ..terminal.failures import report, say_error
from ..terminal.options import ConversationOptions
from ..terminal.output import SpokenView, console, printable
from ..terminal.streams import without_mark
from .conversation import Conversation, checked_words, open_conversation, show_turn

_PROMPT = "you> "
_SMALL_MODEL = (
    "a small embedded model without tools. For a better one set OPENAI_API_KEY, "
    "or use --model openai:NAME with OPENAI_BASE_URL for your own server."
)


def converse(options: ConversationOptions) -> None:
    """Hold a conversation until the input ends. Raises what opening it raises; a failed turn is reported."""
    settings = load_settings()
    with open_resources_sync(options.url, model=options.model, settings=settings) as resources:
        portal = resources.portal
        assert portal is not None  # set by open_resources_sync
        conversation = portal.call(_open, resources, options)
        chat = _Chat(portal, conversation, settings)
        chat.greet()
        while (words := chat.listen()) is not None:
            if words:
                chat.reply(words)
        chat.leave()


async def _open(resources: Any, options: ConversationOptions) -> Conversation:
    return await open_conversation(resources, options, kind="chat")


class _Chat:
    """The main thread's side of a conversation."""

    def __init__(self, portal: BlockingPortal, conversation: Conversation, settings: Settings) -> None:
        self._portal = portal
        self._conversation = conversation
        self._settings = settings
        # Notes are shown with the replies only if both go to a terminal.
        self._notes = console(errors=not sys.stdout.isatty())
        self._at_keyboard = sys.stdin.isatty()
        if self._at_keyboard:
            with suppress(ImportError):  # not on Windows
                import readline  # noqa: F401  # pyright: ignore[reportUnusedImport]

    def greet(self) -> None:
        """Show the thread, agent and model, and the last exchange."""
        call = self._conversation
        self._note(f"Thread {call.thread_id}, agent {call.agent.name}, model {call.model.name}")
        if call.model.name == LOCAL_MODEL:
            self._note(f"{LOCAL_MODEL} is {_SMALL_MODEL}")
        if call.known is not None and call.known.messages:
            self._note(f"Continuing after {call.known.messages} messages; the last ones:")
            for message in self._portal.call(_last_exchange, call):
                self._note(f"  {message.role}: {message.heard}")
        if self._at_keyboard:
            self._note("Ctrl-C interrupts a reply, Ctrl-D ends the chat.")

    def listen(self) -> str | None:
        """Return the next message, possibly empty, or `None` at the end of the input."""
        try:
            return without_mark(self._read().strip()).strip()
        except EOFError:
            return None
        except UnicodeDecodeError:  # From the terminal; piped input is checked with the message.
            say_error("the message is not valid UTF-8")
            return ""
        except KeyboardInterrupt:
            if not self._at_keyboard:
                raise
            self._notes.print()
            self._note("Ctrl-D leaves.")
            return ""

    def reply(self, words: str) -> None:
        """Run a turn; Ctrl-C interrupts it, a second one stops waiting for its end."""
        view = SpokenView(self._notes)
        try:
            words = checked_words(words, self._settings)
            turn = self._portal.start_task_soon(_turn, self._conversation, words, view)
            with self._interrupting(turn), suppress(CancelledError):
                turn.result()
        except VoicegraphError as error:
            report(error)

    def leave(self) -> None:
        """Show how to continue the conversation."""
        if self._at_keyboard:
            self._notes.print()
        self._note(f"Continue with: voicegraph chat --thread {self._conversation.thread_id}")

    @contextmanager
    def _interrupting(self, turn: "Future[None]") -> Generator[None]:
        asked = False

        async def stop() -> None:
            call = self._conversation
            if not await interrupt(call.graph, call.thread_id, actor=call.actor):
                turn.cancel()  # It had not started.

        def on_ctrl_c(signal_number: int, frame: FrameType | None) -> None:
            nonlocal asked
            if asked:
                raise KeyboardInterrupt
            asked = True
            self._portal.start_task_soon(stop)

        before = signal.signal(signal.SIGINT, on_ctrl_c)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _read(self) -> str:
        if self._at_keyboard and sys.stdout.isatty():
            return input(_PROMPT)
        if self._at_keyboard:
            sys.stderr.write(_PROMPT)
            sys.stderr.flush()
        line = sys.stdin.buffer.readline()
        if not line:
            raise EOFError
        return line.decode("utf-8", "surrogateescape")

    def _note(self, line: str) -> None:
        self._notes.print(printable(line), style="dim")


async def _turn(call: Conversation, words: str, view: SpokenView) -> None:
    await show_turn(stream_turn(call.graph, words, call.config), view)


async def _last_exchange(call: Conversation) -> tuple[StoredMessage, ...]:
    """Return the user's last message and the messages after it."""
    messages = await call.graph.resources.store.messages.history(
        call.actor, call.thread_id, limit=20, withdrawn=False
    )
    starts = [place for place, message in enumerate(messages) if message.role == "user"]
    return tuple(m for m in messages[starts[-1] if starts else 0 :] if m.heard and m.role != "tool")
