"""Vectors: entries that wait for one, and the vectors most similar to that of a query."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .embedder import Meaning
from .ranking import Found

MOST_COMPARED = 10_000
"""Number of vectors compared with a query: the agent's newest, and those found by its words."""


@dataclass(frozen=True, slots=True)
class Due:
    """An entry without a vector."""

    table: str
    number: int
    text: str


def normalised(vector: Sequence[float]) -> bytes | None:
    """Return the vector scaled to length 1 as bytes, `None` if that is impossible."""
    import numpy

    values = numpy.asarray(vector, dtype=numpy.float32)
    length = float(numpy.linalg.norm(values))
    if values.ndim != 1 or not 0 < length < float("inf"):
        return None
    return (values / length).tobytes()


def most_similar(vectors: Mapping[int, bytes], meaning: Meaning, most: int, also: Collection[int]) -> Found:
    """Return the numbers of the vectors most similar to the query's, the most similar first.

    `vectors` have length 1 and four bytes per component. The numbers in `also` are returned in addition to
    the first `most`. The score is the cosine.
    """
    scores = _likeness(vectors, meaning.vector)
    ordered = sorted(scores, key=lambda found: (-found[1], found[0]))
    return [found for place, found in enumerate(ordered) if place < most or found[0] in also]


def _likeness(vectors: Mapping[int, bytes], query: Sequence[float]) -> Found:
    import numpy

    sought = normalised(query)
    if sought is None or not vectors:
        return []
    table = numpy.frombuffer(b"".join(vectors.values()), dtype=numpy.float32).reshape(len(vectors), -1)
    products = table @ numpy.frombuffer(sought, dtype=numpy.float32)
    return list(zip(vectors, products.tolist(), strict=True))
