"""The graph's state: plain data that a checkpoint can store, and the graph's input and output."""

from typing import Annotated, Any, Literal, NotRequired

from langchain_core.messages import AnyMessage
from langgraph.channels import EphemeralValue
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from .usage import Usage

Outcome = Literal["running", "finished", "interrupted", "failed"]


class MadeCall(TypedDict):
    """A tool call that was already made, and its result."""

    tool: str
    arguments: dict[str, Any]
    """As the model wrote them, including the announcement."""
    outcome: str
    result: str


class Refused(TypedDict):
    """Ids of messages that a model's server refused; they stay out of requests but remain in the record."""

    left: list[str]
    """Not sent at all; removed from the window at the end of the turn."""
    in_words: list[str]
    """Sent as text only: without pictures, tool calls and results."""
    withheld: list[str]
    """Tool results sent without their text."""


class Turn(TypedDict):
    """The progress of the current turn."""

    id: str
    outcome: Outcome
    step: int
    """Model calls made so far."""
    started_at: float
    """Seconds since the epoch, when the user's message arrived."""
    first_speech_at: float | None
    """Seconds since the epoch, when the first part of the reply was sent."""
    spoken: str
    """All text sent to the caller in this turn."""
    instruction: str | None
    """Hidden text for the next model call; never stored as the user's."""
    finish_reason: str | None
    """`stop`, `length`, `content_filter`, `interrupted` or `error`."""
    error: str | None
    """The code of the error that failed the turn."""
    error_message: NotRequired[str]
    """What failed the turn, for developers: a safe sentence without anything that was said."""
    usage: Usage
    model: NotRequired[str]
    """The model that answered last."""
    refused: NotRequired[Refused]
    """The messages of the window that the model's server refused."""
    began_with: NotRequired[str]
    """Id of the first message that the caller added; absent if the client sends its whole history."""
    replies_after: NotRequired[str]
    """Id of the message before the turn's first reply; what follows it was added by the turn."""
    client_instructions: NotRequired[str]
    """System messages of the client, sent after the agent's own prompt in each model call of the turn."""
    client_tools: NotRequired[list[dict[str, Any]]]
    """Tools that the client runs itself, in OpenAI's format: a call to one ends the turn."""
    client_names: NotRequired[dict[str, str]]
    """The client's own names of tools that are offered to the model under other names."""
    client_settings: NotRequired[dict[str, Any]]
    """The client's model settings, which override the agent's."""
    made: NotRequired[list[MadeCall]]
    """In a fork: later tool calls of the original thread in this turn; side effects are not repeated."""


class ClientMessage(TypedDict):
    """A message of the client's history, as plain data that serializes quickly."""

    role: Literal["user", "assistant", "tool"]
    text: str
    content: NotRequired[list[Any]]
    """The whole content if it is more than text: pictures."""
    calls: NotRequired[list[dict[str, Any]]]
    """Calls of the client's own tools: `id`, `name`, `args`."""
    call_id: NotRequired[str]
    """The id of the call that a tool result answers."""
    name: NotRequired[str]
    """The speaker, if there are several."""


class LatestTurn(TypedDict):
    """The newest turn, for the next request, which reports what the caller heard of it."""

    turn_id: str
    after: str
    """Id of the message before the turn's first one, empty if there is none."""
    started_at: float
    whole: bool
    """False if the listener left before the end: the turn may have been speculative."""
    ended_at: NotRequired[float]
    """When its last text was sent."""
    confirmed: NotRequired[bool]
    """True if an interruption reported what the caller heard of it: it was not speculative."""
    history_size: NotRequired[int]
    """Number of items (user messages and replies) in the client's history at the start of the turn."""
    request: NotRequired[str]
    """Digest of the client's history, to recognize a repeated request."""
    asked_with: NotRequired[str]
    """Digest of the client's history without the newest user message."""
    keeps_history: NotRequired[bool]
    """True if the client's history held a reply, or several messages, in this turn or an earlier one."""


class AgentFacts(TypedDict):
    """The facts about the agent that the steps need."""

    id: str
    name: str
    model: str | None
    model_settings: dict[str, float | int | str]
    tools: list[str]
    time_zone: str


class VoiceInput(TypedDict):
    """The input of the graph: the user's new messages, or the client's whole history.

    The runner adds `turn`, so that messages and turn are stored in the same checkpoint.
    """

    messages: Annotated[list[AnyMessage], add_messages]
    history: NotRequired[Annotated[list[ClientMessage], EphemeralValue(list)]]
    turn: NotRequired[Turn]


class VoiceState(TypedDict):
    """The state kept between steps and turns; before the first turn only `messages` exists."""

    messages: Annotated[list[AnyMessage], add_messages]
    """The window: the messages that the model sees."""
    turn: Turn
    agent: AgentFacts
    system_prompt: str
    memory_stamp: str
    """The versions of agent and blocks from which `system_prompt` was rendered."""
    stored_through: str
    """Id of the last message in the database; later ones belong to this turn."""
    history: NotRequired[Annotated[list[ClientMessage], EphemeralValue(list)]]
    """The conversation as the client sees it, until the thread is reconciled with it."""
    latest: NotRequired[LatestTurn]
    amended: NotRequired[list[AnyMessage]]
    """Messages that reconciling removed from the window and whose records must still change."""


class VoiceOutput(TypedDict):
    """The output of the graph: the window, ending with the reply, and the turn."""

    messages: Annotated[list[AnyMessage], add_messages]
    turn: NotRequired[Turn]


class VoiceUpdate(TypedDict, total=False):
    """The keys of the state that a step changes.

    `messages` is a list to merge, or LangGraph's `Overwrite` with the whole window.
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
    """Return a new turn; `started_at` is in seconds since the epoch."""
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
