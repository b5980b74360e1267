"""Mix what was found by words with what was found by meaning.

By weighted score: four fifths words, one fifth meaning. On LoCoMo words alone find far more than vectors
alone (evidence recall at 10 of 0.77 against 0.45 with MiniLM), so vectors decide between what words leave
close, and bring in what no word of the query is in: then it is 0.77 to 0.78. Half and half it is 0.75, and a
fusion of ranks, which trusts both alike, always hurt.

Scores of the two are of different kinds, so each is brought to 0 .. 1 within the candidates: words by the
best score, since 0 means there that no word was found; likeness from the least to the greatest one, since
what unlike texts have differs from model to model.
"""

from .ranking import Found

CANDIDATES = 100
"""How many are taken from either side."""
WORDS = 0.8
MEANING = 0.2


def mixed(worded: Found, alike: Found) -> Found:
    """Return what was found either way, the best first, with scores from 0 to 1.

    `worded` and `alike` come best first. Of `worded` what is behind the candidates follows in its order. What
    has no vector yet counts as if its meaning were as good as its words.
    """
    words = _by_best(dict(worded[:CANDIDATES]))
    likeness = _by_range(dict(alike))
    scores = {
        number: WORDS * words.get(number, 0.0) + MEANING * likeness.get(number, words.get(number, 0.0))
        for number in {**words, **likeness}
    }
    ordered = sorted(scores.items(), key=lambda found: (-found[1], found[0]))
    rest = [(number, 0.0) for number, _ in worded[CANDIDATES:] if number not in scores]
    return ordered + rest


def _by_best(scores: dict[int, float]) -> dict[int, float]:
    best = max(scores.values(), default=0.0) or 1.0
    return {number: score / best for number, score in scores.items()}


def _by_range(scores: dict[int, float]) -> dict[int, float]:
    least, greatest = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    return {number: (score - least) / ((greatest - least) or 1.0) for number, score in scores.items()}
