"""What goes out to the caller: sentences parted by blanks, and a memory of what was said."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from ear import Ear
from langchain_core.callbacks import AsyncCallbackHandler, AsyncCallbackManager
from langchain_core.outputs import LLMResult


def until(kept: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def wait() -> None:
        await kept.wait()

    return wait


async def test_all_that_is_said_is_heard_and_remembered(ear: Ear) -> None:
    speaker = await ear.listen()
    for text in ("Hel", "lo", " Ada."):
        await speaker.say(text)
    assert ear.heard == speaker.spoken == "Hello Ada."
    assert {event.type for event in ear.events} == {"speech"}


async def test_a_new_sentence_is_parted_by_one_blank(ear: Ear) -> None:
    speaker = await ear.listen()
    await speaker.say("One.")
    speaker.begin_sentence()
    assert await speaker.say("Two. ") == " Two. "
    speaker.begin_sentence()
    await speaker.say("Three.")
    speaker.begin_sentence()
    await speaker.say(" Four.")
    assert ear.heard == "One. Two. Three. Four."


async def test_the_first_sentence_has_no_blank_before_it(ear: Ear) -> None:
    speaker = await ear.listen()
    speaker.begin_sentence()
    assert await speaker.say("One.") == "One."


async def test_each_step_begins_a_sentence(ear: Ear) -> None:
    speaker = await ear.listen()
    await speaker.say("Let me look.")
    await speaker.detach()
    await ear.listen()
    await speaker.say("It is sunny.")
    assert ear.heard == "Let me look. It is sunny."


async def test_nothing_is_said_between_the_steps(ear: Ear) -> None:
    speaker = await ear.listen()
    await speaker.detach()
    assert await speaker.say("Lost.") == ""
    assert speaker.spoken == ""


async def test_empty_text_is_no_speech(ear: Ear) -> None:
    speaker = await ear.listen()
    assert await speaker.say("") == ""
    assert ear.events == []
    assert speaker.first_speech_at is None


async def test_the_time_of_the_first_speech_stays(ear: Ear) -> None:
    speaker = await ear.listen()
    await speaker.say("One.")
    ear.clock.seconds += 5
    await speaker.say(" Two.")
    assert speaker.first_speech_at == 1000.0


async def test_the_filler_is_spoken_once_until_the_next_word(ear: Ear) -> None:
    speaker = await ear.listen()
    await speaker.say("Let me look.")
    await speaker.fill("One moment.")
    await speaker.fill("One moment.")
    await speaker.say("It is sunny.")
    await speaker.fill("One moment.")
    assert ear.heard == "Let me look. One moment. It is sunny. One moment."


async def test_no_filler_comes_beside_a_first_word_that_waited_with_it(ear: Ear) -> None:
    speaker, kept = await ear.listen(), asyncio.Event()
    speaker.hold_until(until(kept))
    saying = [asyncio.create_task(speaker.say("One")), asyncio.create_task(speaker.fill("One moment."))]
    await asyncio.sleep(0)
    kept.set()
    await asyncio.gather(*saying)
    await speaker.say(" two.")
    assert ear.heard == "One two."


async def test_a_filler_before_the_first_step_is_the_beginning_of_the_first_reply_alone(ear: Ear) -> None:
    ear.speaker.attach_ahead(lambda _: None, "reply-1")
    await ear.speaker.fill("One moment.")
    await ear.speaker.detach()
    assert ear.speaker.begin_reply() == ("reply-1", 0)
    await ear.listen()
    await ear.speaker.say("Yes?")
    assert ear.speaker.begin_reply()[1] == len("One moment. Yes?")


async def test_the_answer_waits_for_the_words_of_the_caller_to_be_kept_after_a_filler_too(ear: Ear) -> None:
    ear.speaker.attach_ahead(lambda _: None, "reply")
    await ear.speaker.fill("One moment.")
    speaker, kept = await ear.listen(), asyncio.Event()
    speaker.hold_until(until(kept))
    saying = asyncio.create_task(speaker.say("Yes?"))
    await asyncio.sleep(0)
    assert ear.heard == ""
    kept.set()
    await saying
    assert ear.heard == " Yes?"


async def test_silence_is_counted_from_the_last_word(ear: Ear) -> None:
    speaker = await ear.listen()
    before = time.monotonic()
    await speaker.say("One.")
    assert before <= speaker.quiet_since <= time.monotonic()


async def test_a_resumed_turn_goes_on_behind_what_it_had_said(ear: Ear) -> None:
    ear.speaker.resume("Let me look.", 990.0)
    speaker = await ear.listen()
    await speaker.say("It is sunny.")
    assert speaker.spoken == "Let me look. It is sunny."
    assert ear.heard == " It is sunny."
    assert speaker.first_speech_at == 990.0


class Follower(AsyncCallbackHandler):
    """Takes down what a tracer would see."""

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.tokens: list[tuple[str, str]] = []
        self.ended: list[str] = []

    async def on_chat_model_start(self, *_: Any, metadata: Any = None, **__: Any) -> None:
        self.nodes.append(metadata["langgraph_node"])

    async def on_llm_new_token(self, token: str, *, chunk: Any = None, **_: Any) -> None:
        self.tokens.append((token, chunk.message.id))

    async def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        self.ended += [generation.text for each in response.generations for generation in each]


class Listener(Follower):
    """Takes down what LangGraph's `messages` mode would see."""

    def tap_output_aiter(self, run_id: Any, output: Any) -> Any:
        return output

    tap_output_iter = tap_output_aiter


async def test_message_listeners_get_the_same_words_as_parts_of_the_reply(ear: Ear) -> None:
    listener = Listener()
    manager = AsyncCallbackManager([listener], [listener])
    speaker = await ear.listen(callbacks=manager, metadata={"langgraph_node": "execute_tool"})
    await speaker.say("One moment.")
    await speaker.detach()
    assert listener.tokens == [("One moment.", "reply-1")]
    assert listener.nodes == ["call_llm"]
    assert listener.ended == ["One moment."]


async def test_a_step_that_says_nothing_ends_with_no_message(ear: Ear) -> None:
    listener = Listener()
    speaker = await ear.listen(callbacks=[listener], metadata={"langgraph_node": "execute_tool"})
    await speaker.detach()
    assert (listener.nodes, listener.ended) == (["call_llm"], [])


async def test_a_tracer_sees_no_speech_since_it_sees_the_models_own_run(ear: Ear) -> None:
    follower = Follower()
    speaker = await ear.listen(callbacks=[follower], metadata={"langgraph_node": "call_llm"})
    await speaker.say("Hello.")
    await speaker.detach()
    assert (follower.nodes, follower.tokens, follower.ended) == ([], [], [])


async def test_nothing_is_said_before_the_words_of_the_caller_are_kept(ear: Ear) -> None:
    speaker = await ear.listen()
    kept = asyncio.Event()
    speaker.hold_until(until(kept))
    saying = asyncio.create_task(speaker.say("Hello."))
    for _ in range(5):
        await asyncio.sleep(0)
    assert ear.heard == ""

    kept.set()
    await saying
    assert ear.heard == "Hello."


async def test_a_disk_that_keeps_nothing_leaves_nobody_in_silence(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicegraph.nodes.speech.speech.LONGEST_WAIT", 0.0)
    speaker = await ear.listen()
    speaker.hold_until(until(asyncio.Event()))

    await speaker.say("Hello.")

    assert ear.heard == "Hello."
