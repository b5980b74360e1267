"""Which requests are side calls: summaries, key terms, voicemail and the like, beside the conversation.

Voice clients make them through the same connection, with the same thread in their headers. A side call
taken for a turn cuts the reply that is being spoken; a turn taken for a side call is answered without memory.
So one sign alone never makes a side call.
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
"""Seconds after a turn in which its call is taken to go on."""
LONGEST_TEXT = 100_000
"""Characters of a message that are searched for a quoted conversation."""
_COMMON = frozenset(
    "a an and are as at be by can do for from have if in is it not of on or that the this to use will with "
    "you your".split()
)
_CLASSIFIER = re.compile(
    r"(?i)[^\w]*(?:task\W+)?(?:you(?:'re| are) (?:an? |the )?(?:[\w-]+ ){0,5}classifier|classify)\b"
)
"""How a prompt begins that is for no conversation, as those of answering machine detectors do."""
_SHORTEST_QUOTE = 6
"""Letters of the fewest words of the thread that count as quoted."""
_QUOTED_AT_LEAST = 24
"""Letters of a reply that are looked for: clients quote what was heard of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The signs of a request. Words are bare, see `bare_words`."""

    streamed: bool
    prompt: str = ""
    """The client's first system message."""
    caller: Sequence[str] = ()
    replies: Sequence[str] = ()
    texts: Sequence[str] = ()
    """The user's messages and later system messages as they came, in which a conversation may be quoted."""
    json: bool = False
    """True when the answer is to be JSON."""
    forced: bool = False
    """True when the answer is to be a call of one of the client's tools."""
    tools: bool = False

    @property
    def is_single(self) -> bool:
        """True when there is one message of the user at most, and no reply."""
        return len(self.caller) <= 1 and not self.replies


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the thread that a request names. Words are bare."""

    caller: Sequence[str] = ()
    replies: Sequence[str] = ()
    prompt: str | None = None
    """The client's first system message of its turns, `None` when that is not known."""
    streamed: bool | None = None
    """Whether its turns are streamed, `None` when that is not known."""
    recent: bool = False
    """True while the call goes on: a turn began a few minutes ago."""
    running: bool = False
    tells_history: bool | None = None
    """Whether the client's turns hold what was said before, `None` when that is not known."""
    hands_over: bool = False
    """True when the last reply called a tool, which may have handed the call over to another prompt."""


def is_side_call(asked: Asked, known: Known | None) -> bool:
    """Return whether a request is a side call; `known` is `None` for a thread on which nothing was said."""
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
        # The conversation itself, unless all of it was sent for something that is not spoken.
        return bool(in_one_piece and known.streamed) and (other or asked.json)
    if other and (asked.forced or asked.json or in_one_piece):
        return True
    if asked.json and in_one_piece:
        return True
    if any(_quotes(text, known) for text in asked.texts):
        return True
    return not continued and may_be_second_model(asked, known)


def may_be_second_model(asked: Asked, known: Known) -> bool:
    """Return whether the request may come from a second model of the client: its prompt is another one.

    False when a hand-over to that prompt is possible, or the client sends newest words alone.
    """
    if not (asked.prompt and len(asked.caller) == 1 and asked.is_single):
        return False
    if asked.tools or known.hands_over or known.tells_history is False:
        return False
    if not (known.prompt or known.tells_history):
        return False
    return (known.running or known.recent) and _is_other_prompt(asked.prompt, known.prompt)


def may_quote(text: str) -> bool:
    """Return whether a text may hold a conversation: what a caller says has no lines and no marks."""
    return any(sign in text for sign in ("\n", "<", "role"))


def is_classifier(prompt: str) -> bool:
    """Return whether a prompt says at its beginning that it is a classifier's."""
    return _CLASSIFIER.match(prompt) is not None


def is_transcript(text: str) -> bool:
    """Return whether a text holds what both sides of a conversation said."""
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
    """Return whether something that was said on the thread is in the request's history."""
    if not set(filter(None, asked.caller)).isdisjoint(known.caller):
        return True
    return any(
        reply.startswith(words) or words.startswith(reply)
        for words in asked.replies
        for reply in known.replies
        if words and reply
    )


def _is_other_prompt(mine: str, theirs: str | None) -> bool:
    """Return whether two prompts are different ones, not one that was changed or added to."""
    if theirs is None or mine == theirs:
        return False
    if not mine or not theirs:
        return True
    if mine in theirs or theirs in mine:
        return False
    one, other = _content_words(mine), _content_words(theirs)
    return 3 * len(one & other) < len(one | other)


def _content_words(text: str) -> set[str]:
    """Return the distinctive words of a prompt: no common ones, and no numbers, which change."""
    return {word for word in re.findall(r"[^\W\d_]+", text.lower()) if word not in _COMMON}
