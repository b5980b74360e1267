"""Restore replies of which the client has more than our window.

An interruption may have cut them without its answer reaching the client; or a crash has cut them off, and the
last words were sent without being stored.
"""

from collections.abc import Sequence
from dataclasses import replace

from langchain_core.messages import AIMessage, AnyMessage

from ....state.conversations.ended_turns import CUT
from ...tools.results.results import OUTCOME
from ..barge_in.heard import UNHEARD
from ..barge_in.hearing import end_of, has_end
from .items import MOST_CHARACTERS, Item, spoken_words


def lengthened(window: Sequence[AnyMessage], our: Item, their: Item) -> tuple[list[AnyMessage], Item] | None:
    """Return the window with our reply as long as theirs, and the reply; `None` if it is long enough.

    Unknown words are the client's own, unless a crash has cut the reply off.
    """
    place = our.end - 1
    last = window[place]
    if our.role != "assistant" or not isinstance(last, AIMessage) or last.tool_calls:
        return None
    said = their.texts[0] if their.texts else ""
    size = len(our.words)
    if not size or max(size, len(said)) >= MOST_CHARACTERS or not spoken_words(said).startswith(our.words):
        return None
    crashed = last.additional_kwargs.get(OUTCOME) == CUT
    written, words = str(last.text), our.words
    if crashed and not has_end(said, size):
        written, words = _whole_words(written, words)
    more = said[end_of(said, words) :].strip()
    unheard = str(last.additional_kwargs.get(UNHEARD, ""))
    if not crashed:
        more = unheard if _begins_alike(spoken_words(unheard), spoken_words(more)) else ""
    if not more:
        return None
    text = f"{written} {more}".strip()
    extra = {key: value for key, value in last.additional_kwargs.items() if key != UNHEARD}
    whole = last.model_copy(update={"content": text, "additional_kwargs": extra})
    longer = replace(our, words=words + spoken_words(more), texts=(*our.texts[:-1], text))
    return [*window[:place], whole, *window[place + 1 :]], longer


def _whole_words(text: str, words: str) -> tuple[str, str]:
    """Return a text that a crash cut off inside a word, and its words, without the partial word."""
    kept = " ".join(text.rsplit(maxsplit=1)[:-1])
    return kept, words.removesuffix(spoken_words(text[len(kept) :]))


def _begins_alike(one: str, other: str) -> bool:
    return bool(one and other) and (one.startswith(other) or other.startswith(one))
