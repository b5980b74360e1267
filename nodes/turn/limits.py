"""The settings of a turn, with defaults for phone calls."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator


class TurnLimits(BaseModel):
    """Settings of a turn. Times are in seconds, sizes in characters unless stated otherwise."""

    message_buffer_limit: int = Field(default=50, ge=4)
    """Maximum number of messages in the window after a turn."""
    message_buffer_min: int = Field(default=20, ge=2)
    """Number of messages to which the window is trimmed when it exceeds its limit."""
    max_steps: int = Field(default=10, ge=1)
    """Maximum number of model calls in a turn; the last one is made without tools, so that it answers."""
    max_message_chars: int = Field(default=100_000, ge=1)
    """Maximum length of a user message."""

    max_reply_chars: int = Field(default=20_000, ge=100)
    """Maximum length of the reply of one model call; a longer one is cut, as by the model's own limit."""

    first_token_timeout: float = Field(default=8.0, gt=0)
    """Maximum wait for the first token of one attempt."""
    stall_timeout: float = Field(default=8.0, gt=0)
    """Maximum wait between two tokens, including thoughts."""
    thinking_timeout: float = Field(default=60.0, gt=0)
    """Maximum time of thinking without a word; the filler is spoken meanwhile."""
    thoughts_first: bool = False
    """True for models whose template opens their thoughts: nothing is spoken up to the closing tag."""
    model_attempts: int = Field(default=3, ge=1)
    """Attempts with each model before the next one is tried."""
    latency_budget: float = Field(default=12.0, gt=0)
    """Maximum wait for the first token over all attempts and models; each model gets a share."""
    hedge_after: float | None = Field(default=None, gt=0)
    """Start another request (at most two) each time none has answered for this long; the first wins."""
    fallback_models: tuple[str, ...] = ()
    """Models to try, in this order, if the agent's own does not answer."""

    tool_timeout: float = Field(default=30.0, gt=0)
    """Maximum run time of a tool that does not set its own."""
    tool_result_chars: int = Field(default=8_000, ge=100)
    """Maximum length of a tool result for the model."""
    filler_after: float | None = Field(default=4.0, gt=0)
    """Speak the filler after this much silence; `None` for never."""
    filler: str = "One moment, please."
    apology: str = "Sorry, I can't answer right now. Please try again in a moment."
    """Spoken if no model answers."""
    broken_reply: str = "Sorry, I lost my train of thought. Could you say that again?"
    """Spoken if the model's answer breaks off."""
    filtered_reply: str = "Sorry, I can't talk about that."
    """Spoken if the provider's content filter stops the answer."""

    raise_errors: bool = False
    """Raise the error of a failed turn after everything is spoken and stored."""

    memory_model: str | None = None
    """Model of recall and consolidation; `None` for the agent's own."""
    memory_deadline: float = Field(default=6.0, gt=0)
    """Maximum wait for the memory model in a turn; after that the model gets the search results."""
    consolidate_after: float = Field(default=20.0, ge=0)
    """Delay before messages that left the window are consolidated, to keep it out of a short call."""
    recall_mode: Literal["compose", "search"] = "compose"
    """What a recall does: rewrite the memory block from the results, or return the hits at once."""
    recall_block: str = "human"
    """Label of the block that a recall rewrites."""
    recall_hits: int = Field(default=10, ge=1, le=50)
    """Maximum number of messages that a recall finds."""

    client_instructions: Literal["append", "ignore"] = "append"
    """How a client's system notes are used: appended to the agent's own prompt, or ignored."""
    settle_after: float = Field(default=30.0, ge=0)
    """How long a turn not confirmed by a later request may turn out to be speculative."""
    speculative_grace: float = Field(default=1.5, ge=0)
    """Minimum age of a request with a client's own history before tools with side effects run for it."""

    overlap: Literal["newest", "enqueue", "reject"] = "newest"
    """How a new turn treats a running one on the same thread: stop it, wait for it, or be rejected."""
    checkpoints_kept: int = Field(default=16, ge=2)
    """Number of a thread's checkpoints kept at the end of a turn."""

    @model_validator(mode="after")
    def _buffer_order(self) -> Self:
        if self.message_buffer_min >= self.message_buffer_limit:
            raise ValueError("message_buffer_min must be smaller than message_buffer_limit")
        return self
