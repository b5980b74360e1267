"""The numbers and sentences that shape a turn, with the defaults that suit a phone call."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator


class TurnLimits(BaseModel):
    """Settings of a turn. Times are in seconds, sizes in characters unless named otherwise."""

    message_buffer_limit: int = Field(50, ge=4)
    """Most messages that the window holds after a turn."""
    message_buffer_min: int = Field(20, ge=2)
    """What the window is cut down to when it is over its limit."""
    max_steps: int = Field(10, ge=1)
    """Most model calls in one turn; the last one is made without tools, so that it answers."""
    max_message_chars: int = Field(100_000, ge=1)
    """Longest message that is taken from the user."""

    max_reply_chars: int = Field(20_000, ge=100)
    """Longest reply of one model call; a model that goes on and on is cut there, as by its own limit."""

    first_token_timeout: float = Field(8.0, gt=0)
    """Longest wait for the first token of one attempt."""
    stall_timeout: float = Field(8.0, gt=0)
    """Longest wait between two tokens, thoughts included."""
    thinking_timeout: float = Field(60.0, gt=0)
    """Longest stretch of thoughts without a word; the filler is spoken meanwhile."""
    thoughts_first: bool = False
    """True for models whose template opens their thoughts: all up to the tag that closes them is unspoken."""
    model_attempts: int = Field(3, ge=1)
    """Attempts with each model before the next one is tried."""
    latency_budget: float = Field(12.0, gt=0)
    """Longest wait for the first token over all attempts and models; each model gets its share."""
    hedge_after: float | None = Field(None, gt=0)
    """Start another request, two more at most, each time none has spoken for so long; the first wins."""
    fallback_models: tuple[str, ...] = ()
    """Models to try, in this order, when the agent's own does not answer."""

    tool_timeout: float = Field(30.0, gt=0)
    """Longest run of a tool that does not set its own limit."""
    tool_result_chars: int = Field(8_000, ge=100)
    """Longest tool result that the model sees."""
    filler_after: float | None = Field(4.0, gt=0)
    """Speak the filler when nothing was heard for so long; `None` for never."""
    filler: str = "One moment, please."
    apology: str = "Sorry, I can't answer right now. Please try again in a moment."
    """Spoken when no model answers."""
    broken_reply: str = "Sorry, I lost my train of thought. Could you say that again?"
    """Spoken when the model's answer breaks off."""
    filtered_reply: str = "Sorry, I can't talk about that."
    """Spoken when the provider's content filter stops the answer."""

    raise_errors: bool = False
    """Raise the error of a turn that failed, once all is spoken and stored."""

    memory_model: str | None = None
    """Model of recall and consolidation; `None` for the agent's own."""
    memory_deadline: float = Field(6.0, gt=0)
    """Longest wait for the memory model in a turn; then the bare search results are told."""
    consolidate_after: float = Field(20.0, ge=0)
    """How long messages that left the window wait for consolidation, so that it stays out of a quick call."""
    recall_mode: Literal["compose", "search"] = "compose"
    """What a recall does: rewrite the memory block from what was found, or tell the hits at once."""
    recall_block: str = "human"
    """Label of the block that a recall rewrites."""
    recall_hits: int = Field(10, ge=1, le=50)
    """Most messages that a recall finds."""

    client_instructions: Literal["append", "ignore"] = "append"
    """What becomes of a client's system notes: they go behind the agent's own prompt, or nowhere."""
    settle_after: float = Field(30.0, ge=0)
    """How long a turn that no later request has confirmed may turn out to be speculative."""
    speculative_grace: float = Field(1.5, ge=0)
    """Age of a request, in a client's own history, before which no tool with side effects runs for it."""

    overlap: Literal["newest", "enqueue", "reject"] = "newest"
    """What a new turn does to one that runs on the same thread: stop it, wait for it, or be refused."""
    checkpoints_kept: int = Field(16, ge=2)
    """Checkpoints of a thread that survive the end of a turn."""

    @model_validator(mode="after")
    def _buffer_order(self) -> Self:
        if self.message_buffer_min >= self.message_buffer_limit:
            raise ValueError("message_buffer_min must be smaller than message_buffer_limit")
        return self
