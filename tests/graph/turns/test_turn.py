"""Whole turns through the graph, with a scripted model and a real database."""

import asyncio
from typing import Any

import pytest
from calling import CALL, user_says
from hold import Hold
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from open_voice import OpenVoice

from voicegraph.graph import build_graph, open_resources_sync, stream_turn
from voicegraph.nodes import Speech, ToolFinished, ToolStarted, TurnFinished
from voicegraph.nodes.testing import ScriptedCall, ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor
from voicegraph.state.conversations.threads import Threads
from voicegraph.state.errors import AgentNotFound, InvalidMessage, InvalidSetting, ThreadTaken


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."


async def test_a_turn_needs_only_messages_and_a_thread(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["Hello Ada."])) as resources:
        result = await build_graph(resources).ainvoke(user_says("I'm Ada."), CALL)
    assert [message.text for message in result["messages"]] == ["I'm Ada.", "Hello Ada."]
    assert result["turn"]["outcome"] == "finished"


async def test_the_next_turn_knows_the_one_before(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(["Hello Ada.", "You are Ada."])
    async with open_voice(model) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("I'm Ada."), CALL)
        await graph.ainvoke(user_says("Who am I?"), CALL)
    asked = [message.text for message in model.requests[1].messages[1:]]
    assert asked == ["I'm Ada.", "Hello Ada.", "Who am I?"]


async def test_a_new_process_on_the_same_thread_knows_the_turn_before(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["Hello Ada."])) as resources:
        await build_graph(resources).ainvoke(user_says("I'm Ada."), CALL)
    model = ScriptedChatModel(["You are Ada."])
    async with open_voice(model) as resources:
        await build_graph(resources).ainvoke(user_says("Who am I?"), CALL)
    assert "I'm Ada." in [message.text for message in model.requests[0].messages]


async def test_threads_do_not_hear_each_other(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(["Hello.", "Hi."])
    async with open_voice(model) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("A secret."), CALL)
        await graph.ainvoke(user_says("Hi."), {"configurable": {"thread_id": "call-43"}})
    assert [message.text for message in model.requests[1].messages[1:]] == ["Hi."]


async def test_the_preamble_is_spoken_before_the_tool_runs(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel([calls("get_weather", "Let me look.", city="Rome"), "It is sunny in Rome."])
    async with open_voice(model, tools=[get_weather]) as resources:
        graph = build_graph(resources)
        events = [event async for event in stream_turn(graph, "Weather in Rome?", CALL)]
    kinds = [event.type for event in events if event.type != "speech" or event.content.strip()]
    assert kinds.index("tool_started") > kinds.index("speech")
    spoken = "".join(event.content for event in events if isinstance(event, Speech))
    assert spoken == "Let me look. It is sunny in Rome."
    started = next(event for event in events if isinstance(event, ToolStarted))
    assert started.arguments == {"city": "Rome"}
    assert next(event for event in events if isinstance(event, ToolFinished)).status == "success"
    assert isinstance(events[-1], TurnFinished)


async def test_the_model_gets_the_result_and_a_hidden_instruction(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel([calls("get_weather", "Let me look.", city="Rome"), "It is sunny."])
    async with open_voice(model, tools=[get_weather]) as resources:
        await build_graph(resources).ainvoke(user_says("Weather?"), CALL)
        stored = await resources.store.messages.history(Actor(), "call-42")
    result = model.requests[1].messages[-1]
    assert isinstance(result, ToolMessage)
    assert result.text.startswith("Sunny in Rome.\n\n<instructions>")
    assert [record.text for record in stored if record.role == "tool"] == ["Sunny in Rome."]
    assert [record.role for record in stored] == ["user", "assistant", "tool", "assistant"]


async def test_two_calls_of_a_reply_are_answered_in_their_order(open_voice: OpenVoice) -> None:
    both = ScriptedReply(
        calls=[
            ScriptedCall(name="get_weather", arguments='{"pre_exec_msg": "Rome first.", "city": "Rome"}'),
            ScriptedCall(name="get_weather", arguments='{"pre_exec_msg": "Then Oslo.", "city": "Oslo"}'),
        ]
    )
    model = ScriptedChatModel([both, "Both sunny."])
    async with open_voice(model, tools=[get_weather]) as resources:
        result = await build_graph(resources).ainvoke(user_says("Rome and Oslo?"), CALL)
    assert [m.text for m in result["messages"] if isinstance(m, ToolMessage)] == [
        "Sunny in Rome.",
        "Sunny in Oslo.",
    ]
    assert result["turn"]["spoken"] == "Rome first. Then Oslo. Both sunny."


async def test_messages_mode_holds_exactly_the_spoken_text(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(
        [calls("get_weather", "Let me look.", city="Rome"), "<think>hm</think>It is sunny."]
    )
    async with open_voice(model, tools=[get_weather]) as resources:
        graph = build_graph(resources)
        parts = [part async for part in graph.astream(user_says("Weather?"), CALL, stream_mode="messages")]
    assert "".join(message.text for message, _ in parts) == "Let me look. It is sunny."
    assert {metadata["langgraph_node"] for _, metadata in parts} == {"call_llm"}


async def test_only_speech_events_carry_content(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel([calls("get_weather", "Let me look.", city="Rome"), "Sunny."])
    async with open_voice(model, tools=[get_weather]) as resources:
        graph = build_graph(resources)
        parts = [part async for part in graph.astream(user_says("Weather?"), CALL, stream_mode="custom")]
    assert all(("content" in part) == (part["type"] == "speech") for part in parts)


async def test_the_last_step_of_the_budget_answers_without_tools(open_voice: OpenVoice) -> None:
    again = [calls("get_weather", city="Rome") for _ in range(2)]
    model = ScriptedChatModel([*again, "I give up."])
    async with open_voice(model, tools=[get_weather], max_steps=3) as resources:
        result = await build_graph(resources).ainvoke(user_says("Weather?"), CALL)
    assert [bool(request.tools) for request in model.requests] == [True, True, False]
    assert result["messages"][-1].text == "I give up."


async def test_the_clock_tool_is_always_there(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel([calls("current_time", "One second."), "It is late."])
    async with open_voice(model) as resources:
        result = await build_graph(resources).ainvoke(user_says("What time is it?"), CALL)
    assert "UTC" in next(m.text for m in result["messages"] if isinstance(m, ToolMessage))


@pytest.mark.parametrize(
    "bad",
    [
        {"messages": []},
        user_says("  "),
        {},
        user_says("x" * 1_000_000),
        {"messages": [3]},
    ],
)
async def test_bad_input_is_refused_and_leaves_nothing(open_voice: OpenVoice, bad: Any) -> None:
    async with open_voice(ScriptedChatModel([])) as resources:
        graph = build_graph(resources)
        with pytest.raises(InvalidMessage):
            await graph.ainvoke(bad, CALL)
        assert await resources.store.threads.list(Actor()) == ()
        assert (await graph.aget_state(CALL)).values == {}


async def test_a_turn_without_a_thread_says_what_is_missing(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([])) as resources:
        with pytest.raises(InvalidSetting, match="thread_id"):
            await build_graph(resources).ainvoke(user_says("Hi."), {"configurable": {}})


async def test_an_unknown_agent_is_an_error(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([])) as resources:
        with pytest.raises(AgentNotFound, match="nobody"):
            await build_graph(resources).ainvoke(
                user_says("Hi."), {"configurable": {"thread_id": "x", "agent": "nobody"}}
            )


async def test_a_thread_belongs_to_one_agent(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["Hi."])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("Hi."), CALL)
        await resources.store.agents.create(Actor(), "helper")
        with pytest.raises(ThreadTaken):
            await graph.ainvoke(
                user_says("Hi."), {"configurable": {"thread_id": "call-42", "agent": "helper"}}
            )


async def test_agent_and_user_may_come_as_context(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["Hi."])) as resources:
        await resources.store.actors.ensure(Actor("acme", "ada"))
        await resources.store.agents.create(Actor("acme", "ada"), "helper", system="Be kind.")
        context = {"organization": "acme", "user": "ada", "agent": "helper"}
        result = await build_graph(resources).ainvoke(user_says("Hi."), CALL, context=context)
        assert result["messages"][-1].text == "Hi."
        assert [t.id for t in await resources.store.threads.list(Actor("acme", "ada"))] == ["call-42"]


async def test_the_prompt_is_rendered_again_only_when_a_block_changed(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(["One.", "Two.", "Three."])
    async with open_voice(model) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("1"), CALL)
        await graph.ainvoke(user_says("2"), CALL)
        agent = await resources.store.agents.get(Actor(), "default")
        human = next(
            b for b in await resources.store.blocks.of_agent(Actor(), agent.id) if b.label == "human"
        )
        await resources.store.blocks.write(Actor(), human.id, "The user is called Ada.")
        await graph.ainvoke(user_says("3"), CALL)
    prompts = [request.messages[0].text for request in model.requests]
    assert prompts[0] == prompts[1]
    assert "called Ada" in prompts[2]


def test_a_script_without_asyncio_does_the_same(voice_url: str) -> None:
    model = ScriptedChatModel(["Hello Ada.", "You are Ada."])
    with open_resources_sync(voice_url, model=model) as resources:
        graph = build_graph(resources)
        assert graph.invoke(user_says("I'm Ada."), CALL)["messages"][-1].text == "Hello Ada."
        parts = list(graph.stream(user_says("Who am I?"), CALL, stream_mode="custom"))
        assert "".join(part["content"] for part in parts if part["type"] == "speech") == "You are Ada."
        window = graph.get_state(CALL).values["messages"]
        assert [type(message) for message in window] == [HumanMessage, AIMessage] * 2
        assert len(list(graph.get_state_history(CALL))) > 4


async def test_invoke_inside_asyncio_says_what_to_use(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([])) as resources:
        with pytest.raises(InvalidSetting, match="open_resources_sync"):
            build_graph(resources).invoke(user_says("Hi."), CALL)


async def test_a_thread_that_a_process_has_forgotten_goes_on_as_before(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicegraph.graph.threads.known_threads.MOST_KNOWN_THREADS", 2)
    threads: list[Any] = [{"configurable": {"thread_id": f"call-{number}"}} for number in (1, 2, 3)]
    async with open_voice(ScriptedChatModel(["One."] * 4)) as resources:
        graph = build_graph(resources)
        for thread in threads:
            await graph.ainvoke(user_says("Hi."), thread)
        known = [resources.known.owner_ids(f"call-{number}") is not None for number in (1, 2, 3)]
        assert known == [False, True, True]

        after = await graph.ainvoke(user_says("Again."), threads[0])

    assert [message.text for message in after["messages"]] == ["Hi.", "One.", "Again.", "One."]


async def test_of_two_first_requests_the_second_one_deletes_nothing(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, whole_claim = Hold(), Threads.claim

    async def slow_once(self: Threads, actor: Actor, agent_id: str, thread_id: str) -> Any:
        if not late.is_set():
            monkeypatch.setattr(Threads, "claim", whole_claim)
            await late.wait()
        return await whole_claim(self, actor, agent_id, thread_id)

    async with open_voice(ScriptedChatModel(["Hello Ada.", "You are Ada."])) as resources:
        graph = build_graph(resources)
        monkeypatch.setattr(Threads, "claim", slow_once)
        second = asyncio.create_task(resources.known.claim(Actor(), "", "call-42"))
        await late.reached.wait()
        await graph.ainvoke(user_says("I'm Ada."), CALL)
        late.set()
        await second
        after = await graph.ainvoke(user_says("Who am I?"), CALL)

    assert [message.text for message in after["messages"]][:2] == ["I'm Ada.", "Hello Ada."]
