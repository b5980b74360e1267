"""Compare user messages and our replies with the items of the client's history."""

from difflib import SequenceMatcher

from ...text.words import bare_words
from ..barge_in.hearing import has_end, hear
from ..barge_in.rewriting import Hearing
from .items import Item

EQUAL, PREFIX, SIMILAR = 3, 2, 1
"""Scores of a pair in an alignment."""
_CERTAIN = 12
"""Minimum letters of a message's end that identify it without its beginning."""
_ALIKE, _FEW = 0.6, 3
"""Share of equal letters that makes two replies the same; with fewer letters, all must be explained."""
_SAID, _SPOKEN = 100, 600
"""Number of characters compared of a user message and of a reply when there are many pairs."""


def worth(our: Item, their: Item, place: int) -> int:
    """Return the score of a pair whose texts are equal, or one the beginning of the other.

    `place` is the index of their item in the client's history.
    """
    if our.words == their.words:
        return EQUAL
    if our.role == "user" and place > 0:
        return 0
    found = shared(our, their, place)
    if found is None:
        return 0
    # Whole messages at the end; the client has dropped those before.
    whole = found[0] in our.parts and sum(found) == len(our.words) and found[1] == len(their.words)
    return EQUAL if whole else PREFIX


def loose_worth(our: Item, their: Item) -> int:
    """Return the score of a pair of which one was corrected, or rewritten by text-to-speech."""
    if our.role == "user":
        return SIMILAR if similar(our, their) else 0
    return PREFIX if reworded(our, their, _SPOKEN) else 0


def similar(our: Item, their: Item) -> bool:
    """Return whether one of two user messages may be a correction of the other."""
    matcher = SequenceMatcher(None, our.words[:_SAID], their.words[:_SAID], autojunk=False)
    return matcher.real_quick_ratio() >= 0.5 and matcher.quick_ratio() >= 0.5 and matcher.ratio() >= 0.5


def shared(our: Item, their: Item, place: int) -> tuple[int, int] | None:
    """Return where theirs starts in ours, and how many of its letters are ours; `None` for none.

    The first item of a history, at `place` 0, may lack its beginning.
    """
    size = len(their.words)
    if our.words == their.words:
        return 0, size
    first = place == 0 and our.parts
    if first and len(our.words) - size in our.parts and our.words.endswith(their.words):
        return len(our.words) - size, size
    # Cut to what was heard; or longer, by what the client said itself after it.
    if our.role == "assistant" and (said := _said_of(our.words, their)):
        return 0, said
    for part in our.parts if first else ():
        if said := _said_of(our.words[part:], their):
            return part, said
    certain = place == 0 and size >= _CERTAIN and our.words.endswith(their.words)
    return (len(our.words) - size, size) if certain else None


def _said_of(words: str, their: Item) -> int:
    """Return the number of letters of their first messages that are a prefix of ours, or all of ours."""
    if their.words.startswith(words):
        # "We" is not a prefix of "Welcome" by words.
        return len(words) if has_end(their.text, len(words)) else 0
    ends = (*their.parts, len(their.words))
    return next((end for end in reversed(ends) if words.startswith(their.words[:end])), 0)


def reworded(our: Item, their: Item, characters: int | None = None) -> Hearing | None:
    """Return how their reply matches ours as rewritten by text-to-speech; `None` if it does not.

    Their later messages may be the client's own. Only the first `characters` are compared.
    """
    spoken, heard = our.text[:characters], ""
    found: Hearing | None = None
    for text in their.texts:
        heard = f"{heard} {text}" if heard else text
        more = hear(spoken, heard[:characters])
        if found is not None and more.matched - found.matched < len(bare_words(text)) / 2:
            break
        found = more
    return found if found is not None and _is_alike(spoken, found) else None


def _is_alike(spoken: str, found: Hearing) -> bool:
    if found.matched < _FEW:
        return 0 < found.size == len(spoken.rstrip()) and not found.unexplained
    return found.matched >= _ALIKE * (found.matched + found.unexplained)
