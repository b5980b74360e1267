"""The graph's state: plain data that a checkpoint can hold, and what goes in and out."""

from typing import Annotated, Any, Literal, NotRequired

from langchain_core.messages import AnyMessage
from langgraph.channels import EphemeralValue
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from .usage import Usage

Outcome = Literal["running", "finished", "interrupted", "failed"]


class MadeCall(TypedDict):
    """A tool call that was made already, and what came of it."""

    tool: str
    arguments: dict[str, Any]
    """As the model wrote them, its announcement included."""
    outcome: str
    result: str


class Refused(TypedDict):
    """Ids of messages that a model's server refused: they stay out of requests, the record keeps them."""

    left: list[str]
    """Not sent at all; they leave the window at the turn's end."""
    in_words: list[str]
    """Sent as words alone: without pictures, tool calls and results."""
    withheld: list[str]
    """Tool results that are sent without their text."""


class Turn(TypedDict):
    """How far the current turn is."""

    id: str
    outcome: Outcome
    step: int
    """Model calls made so far."""
    started_at: float
    """Seconds since the epoch, when the user's message came in."""
    first_speech_at: float | None
    """Seconds since the epoch, when the first sound of the reply went out."""
    spoken: str
    """All text that went out to the caller in this turn."""
    instruction: str | None
    """Hidden words for the next model call; never stored as the user's."""
    finish_reason: str | None
    """`stop`, `length`, `content_filter`, `interrupted` or `error`."""
    error: str | None
    """The code of the error that failed the turn."""
    usage: Usage
    model: NotRequired[str]
    """The model that spoke last."""
    refused: NotRequired[Refused]
    """What of the window the model's server refused."""
    began_with: NotRequired[str]
    """Id of the first message that the caller added; absent when the client's history tells what is new."""
    replies_after: NotRequired[str]
    """Id of the message before the turn's first reply; what follows it was added by the turn."""
    client_instructions: NotRequired[str]
    """System notes of the client, behind the agent's own prompt in each model call of the turn."""
    client_tools: NotRequired[list[dict[str, Any]]]
    """Tools that the client runs itself, in OpenAI's form: calls of them end the turn."""
    client_names: NotRequired[dict[str, str]]
    """The client's own names of its tools that are offered under others."""
    client_settings: NotRequired[dict[str, Any]]
    """The client's settings for the model, which count before the agent's."""
    made: NotRequired[list[MadeCall]]
    """In a fork: what the first thread did later in this turn. Tools with side effects do not do it again."""


class ClientMessage(TypedDict):
    """A message of the client's history, as plain data that a checkpoint takes quickly."""

    role: Literal["user", "assistant", "tool"]
    text: str
    content: NotRequired[list[Any]]
    """The whole content, where it is more than text: pictures."""
    calls: NotRequired[list[dict[str, Any]]]
    """Calls of the client's own tools: `id`, `name`, `args`."""
    call_id: NotRequired[str]
    """The call that a tool's result answers."""
    name: NotRequired[str]
    """Who of several speakers said it."""


class LatestTurn(TypedDict):
    """What must be known of the newest turn when the next request tells what the caller heard of it."""

    turn_id: str
    after: str
    """Id of the message before the turn's first one, empty when there was none."""
    started_at: float
    whole: bool
    """False when its listener left before its end: then it may have been speculative."""
    ended_at: NotRequired[float]
    """When its last word was sent."""
    confirmed: NotRequired[bool]
    """True when an interruption reported what the caller heard of it: it was not speculative."""
    history_size: NotRequired[int]
    """Number of items (user messages and replies) in the client's history when it began."""
    request: NotRequired[str]
    """Digest of the client's history, by which the same request is known again."""
    asked_with: NotRequired[str]
    """Digest of what the client's history held before the newest words."""
    keeps_history: NotRequired[bool]
    """True when the client's history held a reply, or several words, in this turn or an earlier one."""


class AgentFacts(TypedDict):
    """What the steps need to know of the agent."""

    id: str
    name: str
    model: str | None
    model_settings: dict[str, float | int | str]
    tools: list[str]
    time_zone: str


class VoiceInput(TypedDict):
    """What a caller puts in: the new messages of the user, or the client's whole history.

    The runner adds `turn`, so that words and turn come into being in one checkpoint.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    history: NotRequired[Annotated[list[ClientMessage], EphemeralValue(list)]]
    turn: NotRequired[Turn]


class VoiceState(TypedDict):
    """What is kept between steps and turns; before the first turn all but `messages` is absent."""

    messages: Annotated[list[AnyMessage], add_messages]
    """The window: the messages that the model sees."""
    turn: Turn
    agent: AgentFacts
    system_prompt: str
    memory_stamp: str
    """The versions of agent and blocks that `system_prompt` was rendered from."""
    stored_through: str
    """Id of the last message that is in the database; all after it are this turn's."""
    history: NotRequired[Annotated[list[ClientMessage], EphemeralValue(list)]]
    """The client's view of the conversation, until the thread is reconciled with it."""
    latest: NotRequired[LatestTurn]
    amended: NotRequired[list[AnyMessage]]
    """Messages that left the window by reconciling, and whose records must still change."""


class VoiceOutput(TypedDict):
    """What `invoke` gives back: the window, the reply last, and how the turn went."""

    messages: Annotated[list[AnyMessage], add_messages]
    turn: NotRequired[Turn]


class VoiceUpdate(TypedDict, total=False):
    """What a step gives back: the keys that it changes.

    `messages` may be a list to merge or LangGraph's `Overwrite` with the whole window.
    """

    messages: object
    turn: Turn
    agent: AgentFacts
    system_prompt: str
    memory_stamp: str
    stored_through: str
    latest: LatestTurn
    amended: list[AnyMessage]


def new_turn(turn_id: str, started_at: float) -> Turn:
    """Return the turn that begins with the user's message, `started_at` in seconds since the epoch."""
    return Turn(
        id=turn_id,
        outcome="running",
        step=0,
        started_at=started_at,
        first_speech_at=None,
        spoken="",
        instruction=None,
        finish_reason=None,
        error=None,
        usage=Usage(input_tokens=0, output_tokens=0, cached_tokens=0),
    )
