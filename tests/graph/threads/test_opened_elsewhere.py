"""Resources that are used in another process or event loop than the one that opened them."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from calling import CALL, user_says
from open_voice import OpenVoice

from voicegraph.graph import TurnGraph, build_graph, interrupt, open_resources_sync
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor
from voicegraph.state.errors import InvalidSetting

HELLO = user_says("Hello.")

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


def in_another_loop(work: Callable[[], Any]) -> list[BaseException | None]:
    """Run a coroutine in an event loop of another thread and return what it raised."""
    raised: list[BaseException | None] = []

    def run() -> None:
        try:
            asyncio.run(work())
            raised.append(None)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    return raised


USES: dict[str, Callable[[TurnGraph], Any]] = {
    "a turn": lambda graph: graph.ainvoke(HELLO, CALL),
    "a state": lambda graph: graph.aget_state(CALL),
    "an update": lambda graph: graph.aupdate_state(CALL, {"messages": []}, as_node="call_llm"),
    "an interruption": lambda graph: interrupt(graph, "call-42", "Hello"),
    "the store": lambda graph: graph.resources.store.agents.list(Actor()),
    "a write to the store": lambda graph: graph.resources.store.agents.create(Actor(), "nina"),
    "the upkeep of the index": lambda graph: graph.resources.store.recall.index_due(),
}


@pytest.mark.parametrize("use", USES)
async def test_another_event_loop_is_refused_in_one_line(open_voice: OpenVoice, use: str) -> None:
    async with open_voice(ScriptedChatModel(["Hi."])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(HELLO, CALL)

        async def elsewhere() -> None:
            await USES[use](graph)

        [error] = await resources.store.database.write(lambda _: in_another_loop(elsewhere))
    assert isinstance(error, InvalidSetting)
    assert "another event loop" in str(error) and "\n" not in str(error)


def test_the_loop_of_a_script_is_refused_for_a_graph_of_open_resources_sync(voice_url: str) -> None:
    with open_resources_sync(voice_url, model=ScriptedChatModel(["Hi."])) as resources:
        graph = build_graph(resources)
        with pytest.raises(InvalidSetting, match="invoke and stream"):
            asyncio.run(_turn(graph))
        assert graph.invoke(HELLO, CALL)["messages"][-1].text == "Hi."


async def _turn(graph: TurnGraph) -> Any:
    return await graph.ainvoke(HELLO, CALL)


FORKED: dict[str, Callable[[TurnGraph], Any]] = {
    "invoke": lambda graph: graph.invoke(HELLO, CALL),
    "stream": lambda graph: list(graph.stream(HELLO, CALL)),
    "ainvoke": lambda graph: asyncio.run(_turn(graph)),
    "an interruption": lambda graph: asyncio.run(interrupt(graph, "call-42")),
    "the store": lambda graph: asyncio.run(_list(graph)),
}


async def _list(graph: TurnGraph) -> Any:
    return await graph.resources.store.agents.list(Actor())


def in_a_fork(work: Callable[[], str]) -> str:
    """Run `work` in a forked process, which is killed when it hangs, and return what it returns."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=lambda: theirs.send(work()))
    child.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(20) else "it hangs"
    finally:
        child.kill()
        child.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
@pytest.mark.parametrize("use", FORKED)
def test_a_forked_process_is_refused_in_one_line(voice_url: str, use: str) -> None:
    with open_resources_sync(voice_url, model=ScriptedChatModel(["Hi."])) as resources:
        graph = build_graph(resources)

        def elsewhere() -> str:
            try:
                FORKED[use](graph)
            except InvalidSetting as error:
                return str(error)
            return "nothing was raised"

        told = in_a_fork(elsewhere)
        assert "open resources in each process" in told and "\n" not in told
        assert graph.invoke(HELLO, CALL)["messages"][-1].text == "Hi."


LEAVE = """
import os, sys
from voicegraph.graph import open_resources_sync, build_graph
with open_resources_sync(sys.argv[1], model="openai:gpt-4.1-mini") as resources:
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        print("parent saw", os.waitstatus_to_exitcode(status), flush=True)
    else:
        try:
            call = {"configurable": {"thread_id": "call-42"}}
            build_graph(resources).invoke({"messages": [("user", "Hi")]}, call)
        except Exception as error:
            print("child saw", type(error).__name__, flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_a_forked_process_leaves_the_block_and_ends(database_url: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LEAVE, database_url],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout.splitlines() == ["child saw InvalidSetting", "parent saw 0"], ran.stderr
    assert (ran.returncode, ran.stderr) == (0, "")
