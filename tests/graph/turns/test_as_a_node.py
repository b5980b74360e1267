"""The graph inside another graph: the conversation there keeps its order, and nothing is added twice."""

from typing import Any

import pytest
from calling import CALL, user_says
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from open_voice import OpenVoice

from voicegraph.graph import TurnGraph, build_graph, open_resources_sync
from voicegraph.nodes.testing import ScriptedChatModel, calls
from voicegraph.state.schema import VoiceInput

SAVERS = pytest.mark.parametrize("saver", [None, InMemorySaver], ids=["no saver", "saver"])


def parent_of(node: Any, saver: Any = None) -> Any:
    graph = StateGraph(MessagesState).add_node("voice", node).add_edge(START, "voice")
    return graph.compile(checkpointer=saver() if saver else None)


def as_function(graph: TurnGraph) -> Any:
    async def ask(state: VoiceInput) -> dict[str, Any]:
        return {"messages": (await graph.ainvoke(state))["messages"]}

    return ask


def as_function_with_config(graph: TurnGraph) -> Any:
    async def ask(state: VoiceInput, config: RunnableConfig) -> dict[str, Any]:
        return {"messages": (await graph.ainvoke(state, config))["messages"]}

    return ask


def within_another(graph: TurnGraph) -> Any:
    return parent_of(graph)


def as_it_is(graph: TurnGraph) -> Any:
    return graph


NODES = pytest.mark.parametrize(
    "node",
    [as_it_is, as_function, as_function_with_config, within_another],
    ids=["node", "function", "function with config", "node of a node"],
)


def words(result: Any) -> list[str]:
    return [message.text for message in result["messages"]]


def two_fines() -> ScriptedChatModel:
    return ScriptedChatModel(["Fine.", "Fine again."])


@NODES
@SAVERS
async def test_a_parent_that_is_run_twice_with_new_words_keeps_them_in_order(
    open_voice: OpenVoice, node: Any, saver: Any
) -> None:
    async with open_voice(two_fines()) as resources:
        parent = parent_of(node(build_graph(resources)), saver)
        first = await parent.ainvoke(user_says("hi"), CALL)
        second = await parent.ainvoke(user_says("again"), CALL)
    before = ["hi", "Fine."] if saver else []
    assert words(first) == ["hi", "Fine."]
    assert words(second) == [*before, "again", "Fine again."]


@NODES
async def test_a_parent_that_is_given_the_whole_conversation_gets_the_reply_alone(
    open_voice: OpenVoice, node: Any
) -> None:
    model = two_fines()
    async with open_voice(model) as resources:
        parent = parent_of(node(build_graph(resources)))
        first = await parent.ainvoke(user_says("hi"), CALL)
        second = await parent.ainvoke({"messages": [*first["messages"], ("user", "again")]}, CALL)
    assert words(second) == ["hi", "Fine.", "again", "Fine again."]
    assert second["messages"][:2] == first["messages"]
    assert [message.text for message in model.requests[1].messages[1:]] == ["hi", "Fine.", "again"]


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."


@SAVERS
async def test_calls_and_results_of_a_turn_stand_in_order_and_are_not_asked_for_again(
    open_voice: OpenVoice, saver: Any
) -> None:
    model = ScriptedChatModel(
        [calls("weather", city="Rome", preamble="Let me look."), "Sunny.", "You are welcome."]
    )
    async with open_voice(model, tools=[weather]) as resources:
        parent = parent_of(build_graph(resources), saver)
        first = await parent.ainvoke(user_says("Weather?"), CALL)
        kinds = [message.type for message in first["messages"]]
        new: list[Any] = [("user", "Thanks.")]
        second = await parent.ainvoke({"messages": new if saver else [*first["messages"], *new]}, CALL)
    assert kinds == ["human", "ai", "tool", "ai"]
    assert [message.type for message in second["messages"]] == [*kinds, "human", "ai"]
    assert [message.type for message in model.requests[2].messages] == ["system", *kinds, "human"]
    assert len({message.id for message in second["messages"]}) == 6


async def test_a_message_that_another_node_added_is_not_given_back(open_voice: OpenVoice) -> None:
    def greet(state: MessagesState) -> dict[str, list[AnyMessage]]:
        return {"messages": [AIMessage("Welcome!")]}

    async with open_voice(ScriptedChatModel(["Fine."])) as resources:
        graph = StateGraph(MessagesState).add_node("greet", greet).add_node("voice", build_graph(resources))
        parent = graph.add_edge(START, "greet").add_edge("greet", "voice").compile()
        result = await parent.ainvoke(user_says("hi"), CALL)
    assert words(result) == ["hi", "Welcome!", "Fine."]


@SAVERS
async def test_a_parent_that_is_streamed_says_each_word_once(open_voice: OpenVoice, saver: Any) -> None:
    async with open_voice(two_fines()) as resources:
        parent = parent_of(build_graph(resources), saver)
        said: list[str] = []
        last: Any = None
        for words_of_user in ("hi", "again"):
            given = user_says(words_of_user)
            async for mode, part in parent.astream(given, CALL, stream_mode=["messages", "values"]):
                if mode == "messages":
                    said.append(part[0].text)
                else:
                    last = part
    assert "".join(said) == "Fine.Fine again."
    assert words(last)[-2:] == ["again", "Fine again."]


async def test_a_parent_whose_events_are_followed_keeps_the_order_too(open_voice: OpenVoice) -> None:
    async with open_voice(two_fines()) as resources:
        parent = parent_of(build_graph(resources), InMemorySaver)
        for given in ("hi", "again"):
            async for _ in parent.astream_events(user_says(given), CALL, version="v2"):
                pass
        state = await parent.aget_state(CALL)
    assert words(state.values) == ["hi", "Fine.", "again", "Fine again."]


def test_a_parent_without_asyncio_keeps_the_order(database_url: str) -> None:
    with open_resources_sync(database_url, model=two_fines()) as resources:
        parent = parent_of(build_graph(resources), InMemorySaver)
        parent.invoke(user_says("hi"), CALL)
        second = parent.invoke(user_says("again"), CALL)
    assert words(second) == ["hi", "Fine.", "again", "Fine again."]


async def test_outside_another_graph_a_run_gives_the_whole_window(open_voice: OpenVoice) -> None:
    async with open_voice(two_fines()) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("hi"), CALL)
        second = await graph.ainvoke(user_says("again"), CALL)
    assert words(second) == ["hi", "Fine.", "again", "Fine again."]


async def test_a_tool_of_a_turn_needs_a_thread_of_its_own_for_another_turn(open_voice: OpenVoice) -> None:
    graphs: list[TurnGraph] = []

    async def ask_a_colleague(question: str) -> str:
        """Ask a colleague."""
        result = await graphs[0].ainvoke(user_says(question))
        return result["messages"][-1].text

    model = ScriptedChatModel(
        [calls("ask_a_colleague", question="?", preamble="I will ask."), "Nobody knows."]
    )
    async with open_voice(model, tools=[ask_a_colleague]) as resources:
        graphs.append(build_graph(resources))
        result = await graphs[0].ainvoke(user_says("hi"), CALL)
    assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]
    assert result["messages"][-2].status == "error"
