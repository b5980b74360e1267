"""What is told of requests by their signs: side calls as clients make them, and turns that look like some."""

from dataclasses import replace
from typing import Any

import pytest

from voicegraph.graph.clients.side_call_rules import Asked, Known, is_side_call, is_transcript
from voicegraph.nodes.window.barge_in.heard import bare_words


def asked(*said: str, prompt: str = "", notes: tuple[str, ...] = (), **signs: Any) -> Asked:
    """Return a request in which the caller and the agent speak in turns."""
    return Asked(
        streamed=signs.pop("streamed", True),
        prompt=prompt,
        caller=tuple(map(bare_words, said[::2])),
        replies=tuple(map(bare_words, said[1::2])),
        texts=(*said[::2], *notes),
        **signs,
    )


PROMPT = "You are the friendly receptionist of a small hotel. Take bookings and answer questions about rooms."
HELLO, ROOM, WHICH, DOUBLE = "Hello?", "I'd like a room.", "Sure, single or double?", "A double please."
CALL = Known(
    caller=tuple(map(bare_words, (HELLO, ROOM))),
    replies=tuple(map(bare_words, ("Hotel Sun, good day.", WHICH))),
    prompt=PROMPT,
    streamed=True,
    recent=True,
    tells_history=True,
)
ANOTHER_PROCESS = replace(CALL, streamed=None, tells_history=None)
FIRST = Known(caller=(bare_words(ROOM),), prompt=PROMPT, streamed=True, recent=True, running=True)
QUIET = replace(CALL, streamed=False)
BARE = replace(CALL, prompt="")

SUMMARIZE = "Compress the older part of a conversation into a short summary that keeps facts and decisions."
TERMS = "You keep the key terms of a speech recognizer up to date. Call record_keyterms once."
MACHINE = "Classify the greeting of a phone call: human, voicemail, menu, or not certain yet."
CLASSIFY = "You are a classifier. Reply with one JSON object that answers each question."
AMD = "Task:\nClassify the call greeting transcript into exactly one of these categories:\n\nhuman: A person."
IVR = "You are an IVR detection classifier. Analyze the transcribed text."
VOICEMAIL = "You are a voicemail detection classifier for an OUTBOUND calling system."
RATE = "Rate how angry a caller sounds, from one to five."
XML = f"Conversation to summarize:\n\n<user>{ROOM}</user>\n<assistant>{WHICH}</assistant>"
LABELLED = f"Conversation history:\nUSER: {ROOM}\n\nASSISTANT: {WHICH}\n\nUSER: {DOUBLE}"
DICTS = (
    f"Conversation history: {[{'role': 'user', 'content': ROOM}, {'role': 'assistant', 'content': WHICH}]}"
)
KEYTERMS = f"## Transcript (USER = raw STT, ASSISTANT = correct)\nUSER: {ROOM}\n\n## Applied keyterms\n(none)"
QUESTION = (
    'Input:\nHello?\n\nQuestion "voicemail": did a person answer?\nOptions:\n- conversation\n- voicemail'
)

SIDE: dict[str, tuple[Asked, Known | None]] = {
    "a task group's summary": (asked(XML, prompt=SUMMARIZE), CALL),
    "a task group's summary during the first reply": (asked(XML, prompt=SUMMARIZE), FIRST),
    "a task group's summary on a thread of another process": (asked(XML, prompt=SUMMARIZE), ANOTHER_PROCESS),
    "a context summary": (asked(LABELLED, prompt=SUMMARIZE, streamed=False), CALL),
    "a context summary where turns are not streamed": (
        asked(LABELLED, prompt=SUMMARIZE, streamed=False),
        QUIET,
    ),
    "a context summary without a thread": (asked(LABELLED, prompt=SUMMARIZE, streamed=False), None),
    "a flow's summary": (asked(prompt=SUMMARIZE, notes=(DICTS,), streamed=False), CALL),
    "a flow's summary that comes as the user's words": (asked(DICTS, prompt=SUMMARIZE, streamed=False), None),
    "key terms": (asked(KEYTERMS, prompt=TERMS, tools=True, forced=True), CALL),
    "key terms of the first words": (asked(KEYTERMS, prompt=TERMS, tools=True, forced=True), FIRST),
    "an answering machine": (asked("You've reached Dana.", prompt=MACHINE, tools=True, forced=True), CALL),
    "an answering machine of which the agent heard the same": (
        asked(HELLO, prompt=MACHINE, tools=True, forced=True),
        CALL,
    ),
    "an answering machine where the client has no prompt": (
        asked("You've reached Dana.", prompt=MACHINE, tools=True, forced=True),
        BARE,
    ),
    "voicemail": (asked(QUESTION, prompt=CLASSIFY, json=True, streamed=False), CALL),
    "voicemail before the first words": (asked(QUESTION, prompt=CLASSIFY, json=True, streamed=False), None),
    "voicemail on a thread of another process": (
        asked(QUESTION, prompt=CLASSIFY, json=True, streamed=False),
        replace(ANOTHER_PROCESS, prompt=None),
    ),
    "an answering machine detector before the first words": (
        asked("You've reached Dana.", prompt=AMD, tools=True, forced=True),
        None,
    ),
    "an answering machine detector before the first words, without tools": (
        asked("Hello?", prompt=VOICEMAIL),
        None,
    ),
    "a detector of menus before the first words": (asked("Press 1 for billing.", prompt=IVR), None),
    "key terms before the first words": (
        asked(
            f"## Transcript\nUSER: {ROOM}\n\n## Applied keyterms\n(none)",
            prompt=TERMS,
            tools=True,
            forced=True,
        ),
        None,
    ),
    "data from words, streamed": (asked("Ada, 5 May", prompt=CLASSIFY, json=True), CALL),
    "a summary of the whole call, sent as it is": (
        asked(ROOM, WHICH, DOUBLE, prompt=SUMMARIZE, streamed=False),
        CALL,
    ),
    "data of the whole call, sent with its own prompt": (
        asked(ROOM, WHICH, "Give the booking as JSON.", prompt=PROMPT, json=True, streamed=False),
        CALL,
    ),
    "examples and something else": (
        asked("I hate this.", "5", "How nice.", "1", "Fine.", prompt=RATE, streamed=False),
        CALL,
    ),
    "a second model between turns": (asked("I am waiting for ages now.", prompt=RATE), CALL),
    "a second model while the first reply is spoken": (
        asked("I am waiting for ages now.", prompt=RATE),
        FIRST,
    ),
    "a second model where the conversation has no prompt": (asked("I am waiting.", prompt=RATE), BARE),
    "anything that is not streamed, under another prompt": (
        asked("Bonjour", prompt=RATE, streamed=False),
        CALL,
    ),
    "a judge of the whole call": (
        asked(
            f"Criteria: polite.\n\nuser: {ROOM}\nassistant: {WHICH}", prompt="You judge calls.", forced=True
        ),
        CALL,
    ),
}

TURNS: dict[str, tuple[Asked, Known | None]] = {
    "the first words": (asked(ROOM, prompt=PROMPT), None),
    "the first words, not streamed": (asked(ROOM, streamed=False), None),
    "the first words, under a prompt, not streamed": (asked(ROOM, prompt=PROMPT, streamed=False), None),
    "the first words with a tool that must be called": (
        asked(ROOM, prompt=PROMPT, tools=True, forced=True),
        None,
    ),
    "the first words for an agent that sorts": (
        asked(
            ROOM,
            prompt="You are a receptionist. Classify what the caller wants and call the tool.",
            tools=True,
        ),
        None,
    ),
    "the first words in a message with labels": (asked(f"USER: {ROOM}", prompt=PROMPT), None),
    "the first words with JSON wanted": (asked(ROOM, json=True, streamed=False), None),
    "a history on a new thread": (asked(ROOM, WHICH, DOUBLE, prompt=PROMPT), None),
    "the first words again": (asked(ROOM, prompt=PROMPT), FIRST),
    "a draft that goes on": (asked("I'd like a room for two nights", prompt=PROMPT), FIRST),
    "the agent is to begin": (asked(prompt=PROMPT), None),
    "the next words": (asked(ROOM, WHICH, DOUBLE, prompt=PROMPT), CALL),
    "the next words, not streamed": (asked(ROOM, WHICH, DOUBLE, prompt=PROMPT, streamed=False), CALL),
    "the next words with JSON wanted, streamed": (asked(ROOM, WHICH, DOUBLE, prompt=PROMPT, json=True), CALL),
    "the next words where turns are not streamed": (
        asked(ROOM, WHICH, DOUBLE, prompt=PROMPT, streamed=False, json=True),
        QUIET,
    ),
    "newest words alone": (asked(DOUBLE), BARE),
    "newest words alone with a note": (
        asked(DOUBLE, prompt="The caller is in a hurry."),
        replace(BARE, tells_history=None),
    ),
    "newest words alone under the same prompt": (asked(DOUBLE, prompt=PROMPT), CALL),
    "newest words alone, not streamed": (asked(DOUBLE, prompt=PROMPT, streamed=False), CALL),
    "newest words alone under the prompt of each turn": (
        asked(DOUBLE, prompt="Ask for the date of birth now."),
        replace(CALL, tells_history=False),
    ),
    "a prompt that tells the time": (asked(DOUBLE, prompt=f"{PROMPT} It is 10:42."), CALL),
    "a prompt that was added to": (
        asked(DOUBLE, prompt=f"{PROMPT}\nGreet the caller warmly, by name."),
        CALL,
    ),
    "a prompt for another caller": (asked(DOUBLE, prompt=PROMPT.replace("small hotel", "guest house")), CALL),
    "a hand-over with the history": (asked(ROOM, WHICH, DOUBLE, prompt=RATE, tools=True), CALL),
    "a hand-over that begins anew": (asked(DOUBLE, prompt=RATE), replace(CALL, hands_over=True)),
    "a hand-over to an agent with tools": (asked(DOUBLE, prompt=RATE, tools=True), CALL),
    "a hand-over to an agent that begins": (asked(prompt=RATE), CALL),
    "a new call on an old thread under a new prompt": (
        asked("Good morning", prompt=RATE),
        replace(CALL, recent=False),
    ),
    "a restarted client": (asked("Hello, it's me.", "Yes?", "A room.", prompt=PROMPT), CALL),
    "another client on an old thread": (asked("Hello, it's me.", "Yes?", "A room.", prompt=RATE), CALL),
    "words that quote a reply": (asked("You said: sure, single or double?", prompt=PROMPT), CALL),
    "words that quote both": (asked(f"I said {ROOM} and you said {WHICH}", prompt=PROMPT), CALL),
    "words in two lines": (asked("A double.\nFor two nights.", prompt=PROMPT), CALL),
    "a word that was said before": (asked(HELLO, prompt=RATE), CALL),
    "a tool that must be called, with the history": (
        asked(ROOM, WHICH, DOUBLE, prompt=PROMPT, tools=True, forced=True),
        CALL,
    ),
    "a summary in place of older words": (
        asked("Hello?", f"<chat_history_summary>{ROOM}</chat_history_summary>", DOUBLE, prompt=PROMPT),
        CALL,
    ),
    "a thread of which the prompt is not known": (asked(DOUBLE, prompt=RATE), replace(CALL, prompt=None)),
}


@pytest.mark.parametrize(("request_", "known"), SIDE.values(), ids=SIDE)
def test_a_side_call_is_known_by_its_signs(request_: Asked, known: Known | None) -> None:
    assert is_side_call(request_, known)


@pytest.mark.parametrize(("request_", "known"), TURNS.values(), ids=TURNS)
def test_a_turn_is_no_side_call(request_: Asked, known: Known | None) -> None:
    assert not is_side_call(request_, known)


TRANSCRIPTS = {
    "USER: Hi\nASSISTANT: Hello": True,
    "[00:01] Caller: Hi\n[00:03] Agent (Nina): Hello": True,
    "- customer: Hi\n- bot: Hello": True,
    "<user>Hi</user><assistant>Hello</assistant>": True,
    '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]': True,
    "USER: Hi\nUSER: Hello": False,
    "The user said hi, the assistant said hello": False,
    "I am a user of your model: it is fine": False,
    "": False,
}


@pytest.mark.parametrize(("text", "is_one"), TRANSCRIPTS.items())
def test_a_transcript_names_both_sides(text: str, is_one: bool) -> None:
    assert is_transcript(text) is is_one
