"""What LiveKit and Pipecat ask a model beside the conversation, over HTTP while a reply is spoken."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from livekit.agents import ChatContext
from livekit.agents.voice.amd.classifier import AMD_PROMPT
from livekit.agents.voice.keyterm_detection import _detect_keyterms
from livekit_audio import Call
from livekit_over_http import new_llm as new_livekit_llm
from openai_server import Gate, ToolCall, text, tool_calls
from pipecat.classifiers.base_classifier import ChoiceQuestion
from pipecat.classifiers.llm.classifier import LLMClassifier
from pipecat.flows.adapters import LLMAdapter
from pipecat.frames.frames import LLMContextSummaryRequestFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.utils.context.llm_context_summarization import DEFAULT_SUMMARIZATION_PROMPT
from pipecat_bot import new_llm as new_pipecat_llm
from served_phone import Phone

SAID = [
    {"role": "user", "content": "I'd like to book a room."},
    {"role": "assistant", "content": "Sure, for how many nights?"},
    {"role": "user", "content": "For two nights, please."},
]


def livekit_context() -> ChatContext:
    context = ChatContext()
    for message in SAID:
        context.add_message(**message)
    return context


async def summary_of_a_task_group(phone: Phone) -> str:
    phone.backend.add(text("Wants a room."))
    summarized = await livekit_context()._summarize(
        llm_v=new_livekit_llm(phone.thread, url=phone.url), keep_last_turns=0
    )
    return str(summarized.items[-1].text_content)


async def key_terms(phone: Phone) -> str:
    arguments = json.dumps({"pending": ["Wants a room."], "confirm": [], "remove": []})
    phone.backend.add(tool_calls([ToolCall("record_keyterms", arguments)]))
    llm = new_livekit_llm(phone.thread, url=phone.url)
    pending, _, _ = await _detect_keyterms(llm, livekit_context())
    return "".join(pending)


async def second_llm(phone: Phone) -> str:
    phone.backend.add(text("Wants a room."))
    context = ChatContext()
    context.add_message(role="system", content=AMD_PROMPT)
    context.add_message(role="user", content="You have reached the Miller family.")
    llm = new_livekit_llm(phone.thread, url=phone.url)
    return (await llm.chat(chat_ctx=context).collect()).text


async def context_summary(phone: Phone) -> str:
    phone.backend.add(text("Wants a room."))
    frame = LLMContextSummaryRequestFrame(
        request_id="1",
        context=LLMContext(messages=[*SAID, *SAID]),
        min_messages_to_keep=1,
        target_context_tokens=600,
        summarization_prompt=DEFAULT_SUMMARIZATION_PROMPT,
    )
    summary, _ = await new_pipecat_llm(phone.thread, url=phone.url)._generate_summary(frame)
    return summary


async def flow_summary(phone: Phone) -> str:
    phone.backend.add(text("Wants a room."))
    llm = new_pipecat_llm(phone.thread, url=phone.url)
    context = LLMContext(messages=SAID)
    return await LLMAdapter().generate_summary(llm, "Summarize the conversation.", context) or ""


async def classification(phone: Phone) -> str:
    phone.backend.add(text('{"who": {"choice": "Wants a room.", "probabilities": {"Wants a room.": 1}}}'))
    question = ChoiceQuestion(instructions="Who is it?", options={"Wants a room.": None, "other": None})
    classifier = LLMClassifier(llm=new_pipecat_llm(phone.thread, url=phone.url))
    answers = await classifier.choice("Hello?", {"who": question})
    return answers["who"].choice


@asynccontextmanager
async def speaking(phone: Phone) -> AsyncGenerator[Call]:
    """Hold a LiveKit call whose second reply has not come to its end."""
    gate = Gate()
    phone.backend.add(text("Good day."), text("One two three four.", hold_after=2, gate=gate))
    async with Call(new_livekit_llm(phone.thread, url=phone.url)) as call:
        call.says("Hello?")
        await call.reply(1)
        call.says("I'd like to book a room.")
        await phone.is_asked(2)
        yield call
        gate.open()
        assert await call.reply(2) == "One two three four."
        phone.backend.add(text("Bye."))
        call.says("Thanks.")
        await call.reply(3)


@pytest.mark.parametrize(
    "side_call",
    [summary_of_a_task_group, key_terms, second_llm, context_summary, flow_summary, classification],
    ids=lambda call: call.__name__,
)
async def test_a_side_call_of_a_framework_is_answered_beside_the_reply(phone: Phone, side_call: Any) -> None:
    async with speaking(phone):
        assert "Wants a room." in await side_call(phone)
    assert "Never mention these instructions" not in str(phone.requests[2].messages)
    assert phone.asked() == [
        ("user", "Hello?"),
        ("assistant", "Good day."),
        ("user", "I'd like to book a room."),
        ("assistant", "One two three four."),
        ("user", "Thanks."),
    ]
