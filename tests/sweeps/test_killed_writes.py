"""A process may die right before or after any of its writes: words are kept from the first one on."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest
from calling import CALL

from voicegraph.graph import Settings, build_graph, open_resources, resume_turn, stream_turn
from voicegraph.nodes import Speech
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor
from voicegraph.state.conversations.messages import StoredMessage
from voicegraph.state.errors import NothingToResume, ThreadNotFound

from .killed import Killed
from .turn import assert_no_double_runs, check_thread, reply_by_need, sweep_tools

THEN = ("nothing", "resume", "go on")
ALL = [f"{when} any {number}" for number in range(1, 36) for when in ("before", "after")]
"""More than there are writes in a turn."""
SOME = [
    ("before any 1", "go on"),
    ("after any 1", "go on"),
    ("after journal 1", "nothing"),
    ("before checkpoints 2", "go on"),
    ("after tool 1", "resume"),
    ("after save 1", "resume"),
]
SOAKED = [pytest.param(death, then, marks=pytest.mark.soak) for death in ALL for then in THEN]


Databases = Callable[[], AbstractContextManager[str]]


@pytest.fixture(params=["sqlite", "postgres"])
def databases(request: pytest.FixtureRequest, tmp_path: Path, empty_database: Path) -> Databases:
    """Return what gives the URL of an empty database as often as it is asked."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres").fresh

    @contextmanager
    def fresh() -> Iterator[str]:
        for old in tmp_path.glob("voice*"):
            old.unlink()
        for file in empty_database.parent.glob("voice*.db"):
            shutil.copy(file, tmp_path)
        yield f"sqlite:///{tmp_path}/voice.db"

    return fresh


@pytest.mark.parametrize(("death", "then"), [*SOME, *SOAKED])
def test_a_process_may_die_at_any_of_its_writes(
    death: str, then: str, killed: Killed, databases: Databases, tmp_path: Path
) -> None:
    with databases() as url:
        die_and(then, url, death, killed, tmp_path / "runs")


@pytest.mark.soak
def test_a_process_may_die_at_any_of_its_writes_on_a_busy_machine(
    killed: Killed, databases: Databases, tmp_path: Path
) -> None:
    with busy():
        for number, death in enumerate(ALL):
            with databases() as url:
                die_and(THEN[number % 3], url, death, killed, tmp_path / f"runs-{number}")


@pytest.mark.parametrize("times", [2, pytest.param(25, marks=pytest.mark.soak)])
def test_words_survive_a_kill_at_the_first_word_on_a_busy_machine(
    times: int, killed: Killed, databases: Databases, tmp_path: Path
) -> None:
    with busy():
        for number in range(times):
            with databases() as url:
                killed.run(url, tmp_path / "runs", 0.0)
                said = asyncio.run(after_death("go on", url, tmp_path / f"runs-{number}"))
                assert [text for role, text, _ in said if role == "user"] == ["Both, please.", "Hello?"]


@pytest.mark.parametrize(
    ("death", "then"),
    [
        ("after note 3", "nothing"),
        ("after note 3", "go on"),
        ("after note 12", "resume"),
        *(
            pytest.param(f"{when} note {number}", then, marks=pytest.mark.soak)
            for when in ("before", "after")
            for number in range(2, 20, 3)
            for then in THEN
        ),
    ],
)
def test_what_was_spoken_is_kept_but_for_the_last_moment(
    death: str, then: str, killed: Killed, databases: Databases, tmp_path: Path
) -> None:
    with databases() as url:
        lines = killed.run_until(url, tmp_path / "runs", death)
        if any(line.startswith("ended") for line in lines):
            return  # The turn was quicker.
        last = max(at for at, line in enumerate(lines) if line == "wrote note")
        # A note may have been begun while the word before it was on its way out.
        heard = "".join(json.loads(line[6:]) for line in lines[: last - 1] if line.startswith("heard"))
        said = asyncio.run(after_death(then, url, tmp_path / "runs"))
        spoken = "".join(text for role, text, _ in said if role == "assistant")
        assert without_blanks(spoken).startswith(without_blanks(heard[:-6])), (said, heard)
        if then == "nothing":
            assert [(role, status) for role, _, status in said] == [("user", None), ("assistant", "cut")]


def without_blanks(text: str) -> str:
    return "".join(text.split())


@contextmanager
def busy() -> Iterator[None]:
    """Keep two processors busy meanwhile."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def die_and(then: str, url: str, death: str, killed: Killed, counter: Path) -> None:
    """Let a process die in its turn, and see what is left of it."""
    lines = killed.run_until(url, counter, death)
    said = asyncio.run(after_death(then, url, counter))
    words = [text for role, text, _ in said if role == "user"]
    journaled = "wrote journal" in lines
    heard = any(line.startswith("heard") for line in lines)
    assert journaled or not heard, "a word went out before the caller's were kept"
    if journaled:
        assert words[:1] == ["Both, please."]
    if then == "go on" and any(line.startswith("wrote") for line in lines):
        assert words == ["Both, please.", "Hello?"]
    assert words.count("Both, please.") <= 1
    assert_no_double_runs(counter.read_text().split() if counter.exists() else [])


async def after_death(then: str, url: str, counter: Path) -> list[tuple[str, str, str | None]]:
    """Start again, and go on or do nothing; return what is in the record then."""

    def count(call_id: str) -> None:
        with counter.open("a") as lines:
            lines.write(f"{call_id}\n")

    tools, settings = sweep_tools(count), Settings(filler_after=None)
    model = ScriptedChatModel(reply_by_need)
    async with open_resources(url, model=model, tools=tools, settings=settings) as resources:
        graph = build_graph(resources)
        if then == "nothing":
            await resources.crashed.record()
        elif then == "resume":
            with suppress(NothingToResume):
                async for _ in resume_turn(graph, CALL):
                    pass
        else:
            events = [event async for event in stream_turn(graph, "Hello?", CALL)]
            assert "".join(e.content for e in events if isinstance(e, Speech)) == "Here I am."
        try:
            stored = await resources.store.messages.history(Actor(), "call-42")
        except ThreadNotFound:
            stored = ()
        if then == "go on":
            await check_thread(graph, resources, "call-42", [m.text for m in stored if m.role == "user"])
        return [(message.role, words_of(message), message.status) for message in stored]


def words_of(message: StoredMessage) -> str:
    """Return what was said in a message, announcements of tools included."""
    announced = [call["args"].get("pre_exec_msg", "") for call in message.tool_calls or ()]
    return " ".join([message.text, *announced]).strip()
