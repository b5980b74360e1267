"""Merge a memory block with what a memory model wrote: facts stay unless the model marks them as outdated.

A model that rewrites a block forgets facts. So the code merges: omitted facts stay, and the model drops a
fact only by naming it: `OUTDATED: the old fact`.
"""

import re
from collections.abc import Iterable

OUTDATED = "OUTDATED:"

_FACT_END = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"\w+")


def merge_facts(old: str, answer: str, limit: int) -> str:
    """Return the new text of a block, one fact a line, of at most `limit` characters.

    `old` is the block's text, `answer` what the model wrote. Old facts that the answer does not repeat come
    first. They may take half of the limit, earliest first, so that early facts (a name, say) survive any
    amount of news.
    """
    lines = [line.strip(" -*•\t") for line in answer.splitlines()]
    ended = [_words(line[len(OUTDATED) :]) for line in lines if line.upper().startswith(OUTDATED)]
    news = _facts("\n".join(line for line in lines if not line.upper().startswith(OUTDATED)))
    told = [_words(fact) for fact in news]
    kept = [
        fact
        for fact in _facts(old)
        if not _is_in(_words(fact), told) and not any(_same(_words(fact), words) for words in ended)
    ]
    kept = _fitting(kept, limit // 2 if news else limit)
    room = limit - len("\n".join(kept)) - (1 if kept else 0)
    return "\n".join([*kept, *_fitting(news, room)])


def _facts(text: str) -> list[str]:
    """Return the distinct sentences and lines of a text."""
    return list(dict.fromkeys(fact.strip() for fact in _FACT_END.split(text) if fact.strip()))


def _words(fact: str) -> frozenset[str]:
    return frozenset(_WORD.findall(fact.casefold()))


def _is_in(words: frozenset[str], facts: Iterable[frozenset[str]]) -> bool:
    """Return whether one of the facts contains all these words."""
    return any(words <= fact for fact in facts)


def _same(words: frozenset[str], other: frozenset[str]) -> bool:
    """Return whether the model meant this fact, which it may have shortened slightly."""
    return bool(other) and (words == other or (len(words & other) >= 0.7 * len(words | other)))


def _fitting(facts: list[str], room: int) -> list[str]:
    """Return the first facts that fit `room`, in characters with line breaks."""
    fitting: list[str] = []
    for fact in facts:
        room -= len(fact) + (1 if fitting else 0)
        if room < 0:
            break
        fitting.append(fact)
    return fitting
