"""Recognize side calls: summaries, key terms, voicemail and the like, outside the conversation.

Voice clients make them through the same connection, with the same thread in their headers. A side call
mistaken for a turn interrupts the current reply; a turn mistaken for a side call is answered without memory.
So a single sign is never enough.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...nodes.text.words import bare_words

_CALLER = "user|human|caller|customer|client"
_AGENT = "assistant|agent|ai|bot|model"
_FORMS = (
    r"(?im)^[\W\d_]{{0,40}}(?:{0})\b[^\n:]{{0,24}}:",  # USER: Hello.
    r"(?i)<(?:{0})\b",  # <user>Hello.</user>
    r"(?i)['\"]role['\"]\s*:\s*['\"](?:{0})['\"]",  # {{"role": "user", "content": "Hello."}}
)
_LABELS = [[re.compile(form.format(names)) for form in _FORMS] for names in (_CALLER, _AGENT)]
RECENTLY = 600.0
"""Seconds after a turn during which its call is assumed to continue."""
LONGEST_TEXT = 100_000
"""Number of characters of a message that are searched for a quoted conversation."""
_COMMON = frozenset(
    "a an and are as at be by can do for from have if in is it not of on or that the this to use will with "
    "you your".split()
)
_CLASSIFIER = re.compile(
    r"(?i)[^\w]*(?:task\W+)?(?:you(?:'re| are) (?:an? |the )?(?:[\w-]+ ){0,5}classifier|classify)\b"
)
"""The start of a prompt for classification, as answering machine detectors use."""
_SHORTEST_QUOTE = 6
"""Minimum number of letters of the thread's text that count as quoted."""
_QUOTED_AT_LEAST = 24
"""Number of letters of a reply that are searched for: clients quote what was heard of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The relevant properties of a request. Texts are normalized by `bare_words`."""

    streamed: bool
    prompt: str = ""
    """The client's first system message."""
    caller: Sequence[str] = ()
    replies: Sequence[str] = ()
    texts: Sequence[str] = ()
    """The user's messages and later system messages, unchanged, which may quote a conversation."""
    json: bool = False
    """True if the answer must be JSON."""
    forced: bool = False
    """True if the answer must be a call of one of the client's tools."""
    tools: bool = False

    @property
    def is_single(self) -> bool:
        """True if there is at most one user message, and no reply."""
        return len(self.caller) <= 1 and not self.replies


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known about the thread that a request names. Texts are normalized."""

    caller: Sequence[str] = ()
    replies: Sequence[str] = ()
    prompt: str | None = None
    """The first system message of the client's turns, `None` if unknown."""
    streamed: bool | None = None
    """Whether its turns are streamed, `None` if unknown."""
    recent: bool = False
    """True if the call probably continues: a turn started within the last minutes."""
    running: bool = False
    tells_history: bool | None = None
    """Whether the client's turns include the history, `None` if unknown."""
    hands_over: bool = False
    """True if the last reply called a tool, which may have handed the call over to another prompt."""


def is_side_call(asked: Asked, known: Known | None) -> bool:
    """Return whether a request is a side call; `known` is `None` for a thread without messages."""
    if known is None:
        if not asked.is_single:
            return False
        if any(map(is_transcript, asked.texts)):
            return bool(asked.prompt) or not asked.streamed
        if is_classifier(asked.prompt) or (
            asked.forced and asked.prompt and any(map(_is_labelled, asked.texts))
        ):
            return True
        return asked.json and not asked.streamed and bool(asked.prompt)
    other = _is_other_prompt(asked.prompt, known.prompt)
    in_one_piece = not asked.streamed and (known.streamed or (known.streamed is None and known.recent))
    continued = _continues(asked, known)
    if continued and not asked.is_single:
        # The conversation itself, unless it was sent for an answer that is not spoken.
        return bool(in_one_piece and known.streamed) and (other or asked.json)
    if other and (asked.forced or asked.json or in_one_piece):
        return True
    if asked.json and in_one_piece:
        return True
    if any(_quotes(text, known) for text in asked.texts):
        return True
    return not continued and may_be_second_model(asked, known)


def may_be_second_model(asked: Asked, known: Known) -> bool:
    """Return whether the request may come from a second model of the client, with another prompt.

    False if a hand-over to that prompt is possible, or the client sends only newest messages.
    """
    if not (asked.prompt and len(asked.caller) == 1 and asked.is_single):
        return False
    if asked.tools or known.hands_over or known.tells_history is False:
        return False
    if not (known.prompt or known.tells_history):
        return False
    return (known.running or known.recent) and _is_other_prompt(asked.prompt, known.prompt)


def may_quote(text: str) -> bool:
    """Return whether a text may quote a conversation: speech has no line breaks and no markup."""
    return any(sign in text for sign in ("\n", "<", "role"))


def is_classifier(prompt: str) -> bool:
    """Return whether a prompt starts like a classifier's."""
    return _CLASSIFIER.match(prompt) is not None


def is_transcript(text: str) -> bool:
    """Return whether a text is a transcript of both sides of a conversation."""
    return all(any(form.search(text) for form in labels) for labels in _LABELS)


def _is_labelled(text: str) -> bool:
    return any(form.search(text) for labels in _LABELS for form in labels)


def _quotes(text: str, known: Known) -> bool:
    """Return whether a text quotes the thread's conversation, or what looks like it."""
    labelled = _is_labelled(text)
    if not labelled and "\n" not in text:
        return False
    if is_transcript(text):
        return True
    bare = bare_words(text)
    caller = _is_quoted(known.caller, bare)
    reply = _is_quoted([words[:_QUOTED_AT_LEAST] for words in known.replies], bare)
    return (caller and reply) or (labelled and (caller or reply))


def _is_quoted(said: Iterable[str], bare: str) -> bool:
    return any(len(words) >= _SHORTEST_QUOTE and words != bare and words in bare for words in said)


def _continues(asked: Asked, known: Known) -> bool:
    """Return whether the request's history includes something said on the thread."""
    if not set(filter(None, asked.caller)).isdisjoint(known.caller):
        return True
    return any(
        reply.startswith(words) or words.startswith(reply)
        for words in asked.replies
        for reply in known.replies
        if words and reply
    )


def _is_other_prompt(mine: str, theirs: str | None) -> bool:
    """Return whether two prompts are different, not versions of the same one."""
    if theirs is None or mine == theirs:
        return False
    if not mine or not theirs:
        return True
    if mine in theirs or theirs in mine:
        return False
    one, other = _content_words(mine), _content_words(theirs)
    return 3 * len(one & other) < len(one | other)


def _content_words(text: str) -> set[str]:
    """Return the distinctive words of a prompt, without common words and without numbers, which change."""
    return {word for word in re.findall(r"[^\W\d_]+", text.lower()) if word not in _COMMON}
