"""When a model counts as late, thinking, stalled or done, by a clock of which seconds take no time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from ear import Ear
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from virtual_time import run

from voicegraph.nodes.model.catalog import VoiceModel
from voicegraph.nodes.model.completion import Request
from voicegraph.nodes.replies.reply import Reply
from voicegraph.nodes.replies.reply_stream import stream_reply
from voicegraph.nodes.turn.limits import TurnLimits
from voicegraph.state.errors import ModelTimeout, ModelUnavailable

Step = tuple[float, AIMessageChunk | Exception]


def says(text: str, reason: str | None = None) -> AIMessageChunk:
    metadata = {} if reason is None else {"finish_reason": reason}
    return AIMessageChunk(content=text, response_metadata=metadata)


def thinks(text: str = "hm ") -> AIMessageChunk:
    return AIMessageChunk(content="", additional_kwargs={"reasoning_content": text})


class PacedModel(BaseChatModel):
    """Streams the chunks of the next script, each so many seconds after the one before it."""

    scripts: list[Any]
    asked: list[float] = []

    @property
    def _llm_type(self) -> str:
        return "paced"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.asked.append(round(asyncio.get_running_loop().time(), 1))
        for seconds, step in self.scripts.pop(0):
            await asyncio.sleep(seconds)
            if isinstance(step, Exception):
                raise step
            yield ChatGenerationChunk(message=step)


def paced(*scripts: Sequence[Step]) -> PacedModel:
    return PacedModel(scripts=list(scripts), asked=[])


REQUEST = Request(prompt="", window=[HumanMessage("What time is it?")])
NOON = (1.0, says("It is noon.", "stop"))
PATIENT: dict[str, Any] = {
    "first_token_timeout": 4.0,
    "stall_timeout": 4.0,
    "latency_budget": 8.0,
    "filler_after": None,
}


def heard(ear: Ear, *models: PacedModel, **settings: Any) -> tuple[str, float]:
    """Return what the caller hears of the first model that answers, and after how many seconds."""
    limits = TurnLimits(**(PATIENT | settings))
    context: Any = SimpleNamespace(limits=limits, thread_id="call-42")

    async def turn() -> str:
        speaker = await ear.listen()
        voices = [VoiceModel(name=f"model-{n}", chat=model) for n, model in enumerate(models)]
        turn: Any = {}
        await stream_reply(context, turn, Reply(speaker), voices, lambda _: REQUEST)
        return ear.heard

    return run(turn())


def test_a_model_that_thinks_is_waited_for(ear: Ear) -> None:
    model = paced([*[(3.0, thinks())] * 6, NOON])
    assert heard(ear, model) == ("It is noon.", 19.0)
    assert model.asked == [0.0]


def test_thoughts_between_tags_are_waited_for_too(ear: Ear) -> None:
    model = paced([(3.0, says("<think>")), *[(3.0, says("hm "))] * 5, (3.0, says("</think>")), NOON])
    assert heard(ear, model) == ("It is noon.", 22.0)
    assert model.asked == [0.0]


def test_no_second_request_races_a_model_that_thinks(ear: Ear) -> None:
    model = paced([(0.5, thinks()), *[(1.0, thinks())] * 5, NOON])
    assert heard(ear, model, hedge_after=1.0) == ("It is noon.", 6.5)
    assert model.asked == [0.0]


def test_a_second_request_races_a_model_that_shows_no_life(ear: Ear) -> None:
    model = paced([(3.0, says("Too late."))], [(0.5, says("It is noon.", "stop"))])
    assert heard(ear, model, hedge_after=1.0) == ("It is noon.", 1.5)
    assert model.asked == [0.0, 1.0]


def test_a_model_without_a_sign_of_life_is_late(ear: Ear) -> None:
    model = paced([(9.0, thinks())], [NOON])
    with pytest.raises(ModelTimeout, match=r"no first token within 4\.0 seconds"):
        heard(ear, model, model_attempts=1)
    assert heard(ear, paced([(9.0, thinks())], [NOON]))[0] == "It is noon."


def test_thoughts_have_a_limit_of_their_own(ear: Ear) -> None:
    model = paced([(1.0, thinks())] * 100)
    with pytest.raises(ModelTimeout, match="no word within 10 seconds of thoughts"):
        heard(ear, model, thinking_timeout=10.0)
    assert model.asked == [0.0]  # The latency budget is spent.


def test_a_model_that_stops_thinking_has_stalled(ear: Ear) -> None:
    with pytest.raises(ModelTimeout, match="nothing more came for 4 seconds"):
        heard(ear, paced([(1.0, thinks()), (30.0, thinks())]), model_attempts=1)


def test_a_failure_among_the_thoughts_is_tried_again(ear: Ear) -> None:
    model = paced([(1.0, thinks()), (1.0, ModelUnavailable("no"))], [NOON])
    assert heard(ear, model)[0] == "It is noon."


def test_thoughts_among_the_words_have_the_same_limits(ear: Ear) -> None:
    well, now = (1.0, says("Well, ")), (1.0, says("now. "))
    model = paced([well, *[(3.0, thinks())] * 4, now, *[(3.0, thinks())] * 4, NOON])
    assert heard(ear, model, thinking_timeout=15.0)[0] == "Well, now. It is noon."
    with pytest.raises(ModelTimeout, match="no word within 6 seconds of thoughts"):
        heard(ear, paced([well, *[(1.0, thinks())] * 9]), thinking_timeout=6.0)


def test_blanks_alone_are_no_words(ear: Ear) -> None:
    with pytest.raises(ModelTimeout, match="no word within 6 seconds"):
        heard(ear, paced([(1.0, says("\n"))] * 50), thinking_timeout=6.0, model_attempts=1)


@pytest.mark.parametrize("reason", ["stop", "null", "length"])
def test_words_after_a_finish_reason_are_heard(ear: Ear, reason: str) -> None:
    words = ["Your ", "table ", "is ", "booked ", "for ", "eight."]
    model = paced([(1.0, says(word, reason)) for word in words])
    assert heard(ear, model) == ("Your table is booked for eight.", 6.0)


def test_after_words_behind_a_finish_reason_the_stall_limit_counts_again(ear: Ear) -> None:
    model = paced([(1.0, says("One. ", "stop")), (1.5, says("Two. ", "stop")), (3.0, says("Three.", "stop"))])
    assert heard(ear, model) == ("One. Two. Three.", 5.5)
    with pytest.raises(ModelTimeout, match="nothing more came for 4 seconds"):
        heard(
            ear, paced([(1.0, says("One. ", "stop")), (1.5, says("Two. ", "stop")), (30.0, says("Three."))])
        )


def test_after_a_finish_reason_the_end_is_not_waited_for_long(ear: Ear) -> None:
    model = paced([NOON, (60.0, says(""))])
    text, seconds = heard(ear, model)
    assert text == "It is noon."
    assert seconds < 4.0


def test_a_failure_after_the_finish_reason_costs_nothing(ear: Ear) -> None:
    assert heard(ear, paced([NOON, (1.0, ModelUnavailable("no"))]))[0] == "It is noon."


def test_a_failure_after_words_behind_a_finish_reason_breaks_the_reply_off(ear: Ear) -> None:
    model = paced([(1.0, says("One. ", "stop")), (1.0, says("Two ", "stop")), (1.0, ModelUnavailable("no"))])
    with pytest.raises(ModelUnavailable):
        heard(ear, model)


def test_a_model_that_gives_no_reason_has_ended_when_its_stream_does(ear: Ear) -> None:
    assert heard(ear, paced([(1.0, says("It is ")), (1.0, says("noon."))])) == ("It is noon.", 2.0)


def test_a_reason_that_means_failure_breaks_the_reply_off(ear: Ear) -> None:
    with pytest.raises(ModelUnavailable, match=r"could not end its answer \(network_error\)"):
        heard(ear, paced([(1.0, says("It is ")), (1.0, says("", "network_error"))]))
    assert ear.heard == "It is "


def test_a_failure_before_the_first_word_is_tried_again_and_logged(
    ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        text, _ = heard(ear, paced([(1.0, says("", "error"))], [NOON]))
    assert text == "It is noon."
    (record,) = caplog.records
    known = vars(record)
    assert (known["model"], known["thread_id"], known["error"]) == ("model-0", "call-42", "model_unavailable")
