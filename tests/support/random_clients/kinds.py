"""The kinds of voice clients that are driven: what each of them sends, and what each of them does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PROMPT = "You are the receptionist of the restaurant Roma. Take bookings and answer questions about the menu."
OTHER_PROMPT = "Billing desk. Explain invoices politely, check payments, refuse everything concerning tables."

Name = Callable[[str], tuple[Mapping[str, str], Mapping[str, Any]]]
"""Returns the headers and the fields of the body that name a call."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of client, after what such programs do."""

    name: Name
    prompt: str = PROMPT
    """Its system message; empty for none."""
    keeps_history: bool = True
    """False: each request holds the newest words alone, and interruptions are reported."""
    greets: bool = False
    """It says a greeting of its own, which stands in its history."""
    lets_greet: bool = False
    """It may ask for a greeting, or for words after a silence, without words of the caller."""
    drafts: int = 0
    """How many requests it makes at most before the caller's words are final."""
    own_tools: bool = False
    retries: tuple[float, ...] = ()
    """Seconds between attempts, when a proxy fails."""
    shortens: str = ""
    """What becomes of its history in a long call: `cuts`, or how a summary of it is written."""
    summary_role: str = "assistant"
    hands_over: bool = False
    """Another agent of its own, under another prompt, takes over, with the history or without."""
    streams: bool = True
    reports: bool = False
    """It reports interruptions, although it sends its history."""
    marks_cuts: str = ""
    """What it writes after a reply that was cut."""


def _header(name: str) -> Name:
    return lambda call: ({name: call}, {})


KINDS: dict[str, Kind] = {
    # Drafts are on by default, up to three for one turn; those that are dropped are closed.
    "LiveKit": Kind(
        name=_header("X-LiveKit-Job-ID"),
        greets=True,
        lets_greet=True,
        drafts=3,
        own_tools=True,
        retries=(0.2, 3.7, 3.6),
        shortens="<chat_history_summary>\n{}\n</chat_history_summary>",
        hands_over=True,
    ),
    "LiveKit, cutting its history": Kind(
        name=_header("X-LiveKit-Room-ID"), drafts=3, shortens="cuts", retries=(0.2, 3.7), hands_over=True
    ),
    # The openai library retries for it.
    "Pipecat": Kind(
        name=_header("X-Thread-Id"),
        lets_greet=True,
        own_tools=True,
        retries=(0.5, 1.0),
        shortens="Conversation summary: {}",
        summary_role="user",
    ),
    "Pipecat, naming no call": Kind(name=lambda _: ({}, {}), lets_greet=True, own_tools=True, drafts=2),
    "Vapi": Kind(
        name=lambda call: ({}, {"call": {"id": call, "type": "inboundPhoneCall"}}),
        greets=True,
        drafts=2,
        own_tools=True,
        retries=(1.0,),
    ),
    "ElevenLabs": Kind(
        name=lambda call: ({}, {"elevenlabs_extra_body": {"conversation_id": call}}),
        greets=True,
        drafts=2,
        marks_cuts="...",
    ),
    "newest words": Kind(name=_header("X-Thread-Id"), prompt="", keeps_history=False, retries=(0.3,)),
    "newest words after a prompt": Kind(
        name=lambda call: ({}, {"metadata": {"thread_id": call}}), keeps_history=False, drafts=1
    ),
    "one piece": Kind(name=_header("X-Thread-Id"), streams=False, greets=True, retries=(0.5,)),
    "reporting too": Kind(name=_header("X-Thread-Id"), reports=True, drafts=1),
    "no prompt": Kind(name=_header("X-Thread-Id"), prompt="", drafts=2, own_tools=True, retries=(2.0,)),
}
