"""What hosts ask of a graph besides its runs: the schemas of its input and output, and a tool made of it."""

from typing import Any

import pytest
from open_voice import OpenVoice

from voicegraph.graph import build_graph, open_resources_sync
from voicegraph.graph.background.consolidate import build_consolidation
from voicegraph.nodes.testing import ScriptedChatModel


async def test_the_schemas_name_the_messages(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([])) as resources:
        graph = build_graph(resources)
    assert "messages" in graph.get_input_jsonschema()["properties"]
    assert {"messages", "turn"} == set(graph.get_output_jsonschema()["properties"])
    assert {"organization", "user", "agent"} == set((graph.get_context_jsonschema() or {})["properties"])


def test_consolidation_has_schemas_too() -> None:
    assert "messages" in build_consolidation().get_input_jsonschema()["properties"]


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_the_graph_as_a_tool_answers(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["At eight."])) as resources:
        graph = build_graph(resources).with_config(configurable={"thread_id": "call-42"})
        tool = graph.as_tool(name="ask_reception", description="Ask the reception.")
        assert "messages" in tool.args
        answer = await tool.ainvoke({"messages": [{"type": "human", "content": "When is dinner?"}]})
    assert [message.text for message in answer["messages"]] == ["When is dinner?", "At eight."]


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_a_tool_of_the_graph_runs_on_the_thread_of_its_config(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["At eight."])) as resources:
        tool = build_graph(resources).as_tool(name="ask_reception", description="Ask the reception.")
        call: Any = {"configurable": {"thread_id": "call-7"}}
        answer = await tool.ainvoke({"messages": [{"type": "human", "content": "When is dinner?"}]}, call)
    assert answer["messages"][-1].text == "At eight."


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_a_tool_of_the_graph_needs_no_asyncio(database_url: str) -> None:
    with open_resources_sync(database_url, model=ScriptedChatModel(["At eight."])) as resources:
        tool = build_graph(resources).as_tool(name="ask_reception")
        call: Any = {"configurable": {"thread_id": "call-7"}}
        answer = tool.invoke({"messages": ["When is dinner?"]}, call)
    assert [message.text for message in answer["messages"]] == ["When is dinner?", "At eight."]
