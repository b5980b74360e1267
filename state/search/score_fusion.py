"""Combine the results of word search and vector search.

By weighted score: four fifths words, one fifth meaning. On LoCoMo, words alone find far more than vectors
alone (evidence recall at 10 of 0.77 against 0.45 with MiniLM), so vectors break near ties between words, and
add entries without any word of the query: then it is 0.77 to 0.78. With equal weights it is 0.75, and fusing
ranks, which trusts both alike, always made it worse.

The two scores are of different kinds, so each is scaled to 0 .. 1 among the candidates: words by the best
score, since 0 means that no word was found; similarity from the least to the greatest, since the similarity
of unrelated texts differs between models.
"""

from .ranking import Found

CANDIDATES = 100
"""Number of candidates from each search."""
WORDS = 0.8
MEANING = 0.2


def fused_scores(by_words: Found, by_meaning: Found) -> Found:
    """Return the entries found by either search, best first, with scores from 0 to 1.

    `by_words` and `by_meaning` are sorted best first. Entries of `by_words` after the candidates follow in
    their order. For an entry without a vector, its score by words also counts as its similarity.
    """
    words = _by_best(dict(by_words[:CANDIDATES]))
    similarity = _by_range(dict(by_meaning))
    scores = {
        number: WORDS * words.get(number, 0.0) + MEANING * similarity.get(number, words.get(number, 0.0))
        for number in {**words, **similarity}
    }
    ordered = sorted(scores.items(), key=lambda found: (-found[1], found[0]))
    rest = [(number, 0.0) for number, _ in by_words[CANDIDATES:] if number not in scores]
    return ordered + rest


def _by_best(scores: dict[int, float]) -> dict[int, float]:
    best = max(scores.values(), default=0.0) or 1.0
    return {number: score / best for number, score in scores.items()}


def _by_range(scores: dict[int, float]) -> dict[int, float]:
    least, greatest = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    return {number: (score - least) / ((greatest - least) or 1.0) for number, score in scores.items()}
