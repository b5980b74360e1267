"""Memory in a turn: tools that edit blocks, and the prompt that the next model call gets."""

from typing import Any

import pytest
from calling import call_with, user_says
from langchain_core.messages import ToolMessage
from open_voice import OpenVoice

from voicegraph.graph import Resources, build_graph
from voicegraph.nodes.testing import ScriptedCall, ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


CALL = call_with(agent="nina")
TOOLS = ["memory_append", "memory_replace", "archive"]
BLOCKS = {"persona": "I am kind.", "human": "Called Ada.", "goals": "Tea."}


async def nina(resources: Resources, *, tools: list[str] = TOOLS) -> str:
    await resources.store.actors.ensure(Actor())
    agent = await resources.store.agents.create(
        Actor(), "nina", system="Be brief.", tools=tools, blocks=BLOCKS
    )
    return agent.id


async def say(resources: Resources, words: str = "Go.") -> Any:
    return await build_graph(resources).ainvoke(user_says(words), CALL)


def prompts(model: ScriptedChatModel) -> list[str]:
    return [request.messages[0].text for request in model.requests]


async def told(open_voice: OpenVoice, reply: ScriptedReply) -> str:
    """Run a turn in which nina's model gives this reply; return the result that it then sees."""
    async with open_voice(ScriptedChatModel([reply, "Done."])) as resources:
        await nina(resources)
        result = await say(resources)
    [message] = [message for message in result["messages"] if isinstance(message, ToolMessage)]
    return message.text


async def test_the_next_model_call_sees_what_a_tool_wrote(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel([calls("memory_append", label="human", content="Likes tea."), "Noted."])
    async with open_voice(model) as resources:
        agent_id = await nina(resources)
        await say(resources, "I like tea.")
        block = await resources.store.blocks.by_label(Actor(), agent_id, "human")
        [_, newest] = await resources.store.blocks.history(Actor(), block.id)
    before, after = prompts(model)
    assert "Likes tea." not in before
    assert '<block label="human">\nCalled Ada.\nLikes tea.\n</block>' in after
    assert (block.version, newest.changed_by) == (2, "agent")


async def test_words_of_a_block_are_replaced(open_voice: OpenVoice) -> None:
    call = calls("memory_replace", label="human", old="Ada", new="Bea 🌊")
    model = ScriptedChatModel([call, "Noted."])
    async with open_voice(model) as resources:
        await nina(resources)
        result = await say(resources)
    assert '<block label="human">\nCalled Bea 🌊.\n</block>' in prompts(model)[1]
    [message] = [message for message in result["messages"] if isinstance(message, ToolMessage)]
    assert message.text == "Done. Block 'human' now uses 13 of 5000 characters."


async def test_a_text_is_kept_in_the_archive_of_the_calling_agent(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel([calls("archive", content="She has been to Rome."), "Kept."])
    async with open_voice(model) as resources:
        agent_id = await nina(resources)
        await say(resources)
        kept = await resources.store.passages.list(Actor(), agent_id)
    assert [passage.text for passage in kept] == ["She has been to Rome."]


async def test_what_is_known_replaces_the_words_that_nothing_is(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel([calls("memory_append", label="human", content="Called Ada."), "Noted."])
    async with open_voice(model) as resources:
        agent = await resources.store.agents.create(Actor(), "nina", tools=TOOLS)
        await say(resources)
        block = await resources.store.blocks.by_label(Actor(), agent.id, "human")
    assert block.value == "Called Ada."


async def test_edits_of_one_reply_are_all_kept(open_voice: OpenVoice) -> None:
    both = ScriptedReply(
        calls=[
            ScriptedCall(name="memory_append", arguments=f'{{"label": "human", "content": "Fact {number}."}}')
            for number in range(6)
        ]
    )
    model = ScriptedChatModel([both, "Noted."])
    async with open_voice(model) as resources:
        agent_id = await nina(resources)
        await say(resources)
        block = await resources.store.blocks.by_label(Actor(), agent_id, "human")
    assert sorted(block.value.splitlines()) == ["Called Ada.", *(f"Fact {number}." for number in range(6))]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            calls("memory_append", label="human", content="x" * 5000),
            "block 'human' holds at most 5000 characters, the new text has 5012",
        ),
        (
            calls("memory_append", label="friends", content="Bea."),
            "the agent has no block 'friends' (it has: persona, human, goals)",
        ),
        (calls("memory_append", label="human", content=" \n"), "the content is empty"),
        (calls("memory_append", label="human", content="a\0b"), "contains a NUL character"),
        (
            calls("memory_replace", label="human", old="Bob", new="Ada"),
            "the old text is not in block 'human'",
        ),
        (calls("memory_replace", label="human", old="a", new="b"), "occurs 2 times in block 'human'"),
        (calls("memory_replace", label="human", old="", new="b"), "the old text is empty"),
        (calls("archive", content=""), "is empty"),
    ],
    ids=["over the limit", "label", "nothing", "NUL", "not there", "there twice", "no old text", "archive"],
)
async def test_what_cannot_be_done_is_told_to_the_model(
    open_voice: OpenVoice, reply: ScriptedReply, words: str
) -> None:
    result = await told(open_voice, reply)
    assert result.startswith("Not done: ")
    assert words in result


async def test_memory_tools_are_off_unless_the_agent_names_them(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(["Hello."])
    async with open_voice(model) as resources:
        await nina(resources, tools=["memory_append"])
        await say(resources)
    assert set(TOOLS) & set(model.requests[0].tools) == {"memory_append"}


async def test_a_stranger_s_agent_has_its_own_blocks(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel([calls("memory_append", label="human", content="Secret."), "Noted."])
    async with open_voice(model) as resources:
        ada = await nina(resources)
        eve = Actor(user_id="eve")
        await resources.store.agents.create(eve, "nina", tools=TOOLS, blocks=BLOCKS)
        await build_graph(resources).ainvoke(user_says("Go."), call_with(user="eve", agent="nina"))
        blocks = await resources.store.blocks.of_agent(Actor(), ada)
    assert [block.value for block in blocks] == list(BLOCKS.values())


async def test_the_prompt_keeps_its_bytes_while_no_block_changes(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(
        ["Hello.", calls("archive", content="She said hi."), "Kept.", "Not at all.", "Bye."]
    )
    async with open_voice(model) as resources:
        await nina(resources)
        for words in ("Hi.", "Keep that.", "Thanks.", "Bye."):
            await say(resources, words)
        other = call_with(thread_id="call-43", agent="nina")
        same = [text.encode() for text in prompts(model)]
        model.script = lambda messages: "Hello again."
        await build_graph(resources).ainvoke(user_says("Me again."), other)
    assert len(same) == 5
    assert len(set(same)) == 1
    facts = same[0].index(b"Your memory also has")
    # Another call counts anew how much is kept; that stands last.
    assert prompts(model)[-1].encode()[:facts] == same[0][:facts]


async def test_the_prompt_keeps_its_bytes_up_to_the_changed_block(open_voice: OpenVoice) -> None:
    edit = calls("memory_append", label="human", content="Likes tea.")
    model = ScriptedChatModel(["Hello.", edit, "Noted."])
    async with open_voice(model) as resources:
        await nina(resources)
        await say(resources, "Hi.")
        await say(resources, "I like tea.")
    first, second, third = (text.encode() for text in prompts(model))
    assert second == first
    unchanged = first.index(b"Called Ada.") + len(b"Called Ada.")
    assert third[:unchanged] == first[:unchanged]
    assert third[unchanged:].startswith(b"\nLikes tea.")


async def test_a_write_from_outside_is_seen_by_the_next_turn_of_every_agent_that_shares(
    open_voice: OpenVoice,
) -> None:
    model = ScriptedChatModel(["Hello.", "Hello.", "Hello Bea.", "Hello Bea."])
    omar: Any = {"configurable": {"thread_id": "call-43", "agent": "omar"}}
    async with open_voice(model) as resources:
        store, graph = resources.store, build_graph(resources)
        shared = await store.blocks.by_label(Actor(), await nina(resources), "human")
        other = await store.agents.create(Actor(), "omar", blocks={"persona": "I am Omar."})
        await store.blocks.attach(Actor(), other.id, shared.id)
        for call in (CALL, omar):
            await graph.ainvoke(user_says("Hi."), call)
        await store.blocks.write(Actor(), shared.id, "Called Bea.")
        for call in (CALL, omar):
            await graph.ainvoke(user_says("Who am I?"), call)
    assert ["Called Ada." in text for text in prompts(model)] == [True, True, False, False]
    assert ["Called Bea." in text for text in prompts(model)] == [False, False, True, True]
