"""Vectors: what waits for one, and which are like that of a query."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .embedder import Meaning
from .ranking import Found

MOST_COMPARED = 10_000
"""Vectors that a query is compared with: the newest of the agent, and those of what its words have found."""


@dataclass(frozen=True, slots=True)
class Due:
    """An entry without a vector."""

    table: str
    number: int
    text: str


def normalised(vector: Sequence[float]) -> bytes | None:
    """Return a vector of length 1 as bytes, `None` for one that points nowhere."""
    import numpy

    values = numpy.asarray(vector, dtype=numpy.float32)
    length = float(numpy.linalg.norm(values))
    if values.ndim != 1 or not 0 < length < float("inf"):
        return None
    return (values / length).tobytes()


def likest(vectors: Mapping[int, bytes], meaning: Meaning, most: int, also: Collection[int]) -> Found:
    """Return the numbers of the vectors that are most like that of the query, the likest first.

    `vectors` are of length 1 and have four bytes a number. Those with the numbers `also` come on top of the
    `most` ones. The score is the cosine.
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
