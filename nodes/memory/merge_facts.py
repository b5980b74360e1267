"""Merge a memory block with what a memory model wrote: facts are kept unless the model says that they ended.

A model that is asked to rewrite a block forgets. What it leaves out stays, so the merge is the code's duty;
the model drops a fact only by naming it: `OUTDATED: the old fact`.
"""

import re
from collections.abc import Iterable

OUTDATED = "OUTDATED:"

_FACT_END = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"\w+")


def merge_facts(old: str, answer: str, limit: int) -> str:
    """Return the new text of a block, one fact a line, of at most `limit` characters.

    `old` is the block's text, `answer` what the model wrote. Old facts that the answer does not repeat come
    first; they may take half of the limit, the earliest of them before the others, so that what was known
    first (a name, say) outlives any amount of news.
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
    """Return the sentences and lines of a text, each once."""
    return list(dict.fromkeys(fact.strip() for fact in _FACT_END.split(text) if fact.strip()))


def _words(fact: str) -> frozenset[str]:
    return frozenset(_WORD.findall(fact.casefold()))


def _is_in(words: frozenset[str], facts: Iterable[frozenset[str]]) -> bool:
    """Tell if one of the facts says all that these words say."""
    return any(words <= fact for fact in facts)


def _same(words: frozenset[str], other: frozenset[str]) -> bool:
    """Tell if the model meant this fact: it may have shortened it a little."""
    return bool(other) and (words == other or (len(words & other) >= 0.7 * len(words | other)))


def _fitting(facts: list[str], room: int) -> list[str]:
    """Return the first facts that fit the room, in characters with line ends."""
    fitting: list[str] = []
    for fact in facts:
        room -= len(fact) + (1 if fitting else 0)
        if room < 0:
            break
        fitting.append(fact)
    return fitting
