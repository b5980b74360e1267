"""Search queries, and pages of hits."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar

from ..errors import InvalidInput
from .embedder import Meaning
from .neighbours import SEARCHED_ROLES
from .query_words import QueryWords, query_words
from .ranking import Found
from .score_fusion import CANDIDATES, fused_scores

Order = Literal["best", "newest"]
Numbers = Mapping[str, Collection[int]]
"""Numbers of rows by table, `messages` or `passages`; their entries have the same numbers."""
T = TypeVar("T")

MOST_HITS = 100
"""Maximum number of hits of a page."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Consecutive hits, and the `offset` of the next page (`None` if there are no more)."""

    hits: tuple[T, ...]
    next_offset: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """A search query with its filters; only messages have roles and threads, only passages have tags.

    `thread_id` is the key of a thread.
    """

    query: str
    start: datetime | None
    end: datetime | None
    order: str
    limit: int
    offset: int
    role: str | None = None
    thread_id: str | None = None
    tags: tuple[str, ...] = ()
    meaning: Meaning | None = None

    @property
    def ranked(self) -> bool:
        """True if results are sorted best first, false if newest first."""
        return self.order == "best" and bool(query_words(self.query).words)

    def check(self) -> None:
        """Raise `InvalidInput` if the query is invalid."""
        if self.order not in ("best", "newest"):
            raise InvalidInput(f"the order must be 'best' or 'newest', it is '{self.order[:40]}'")
        if not 1 <= self.limit <= MOST_HITS:
            raise InvalidInput(f"the limit must be between 1 and {MOST_HITS}, it is {self.limit}")
        if self.offset < 0:
            raise InvalidInput(f"the offset must not be negative, it is {self.offset}")
        for name, instant in (("start", self.start), ("end", self.end)):
            if instant is not None and instant.tzinfo is None:
                raise InvalidInput(f"the {name} of a search needs a time zone")
        if self.role is not None and self.role not in SEARCHED_ROLES:
            raise InvalidInput(f"the role must be 'user' or 'assistant', it is '{self.role[:40]}'")


class Finder(Protocol):
    """The rows of one agent within a query's filters, and the ways to search them."""

    def best(self, query: QueryWords, limit: int, offset: int) -> Found:
        """Return the best matches, best first; equal ones in the order of storage."""
        ...

    def similar_rows(self, meaning: Meaning, most: int, also: Collection[int]) -> Found:
        """Return the rows whose vectors are most similar to the query's, the most similar first.

        The numbers in `also` are returned in addition to the first `most` rows. The score is the cosine.
        """
        ...

    def newest(self, words: tuple[str, ...], limit: int, offset: int) -> Found:
        """Return the rows whose own text contains one of the words, newest first; their score is 0."""
        ...

    def listed(self, sought: str, limit: int, offset: int) -> Found:
        """Return the rows whose text contains `sought` literally, newest first; their score is 0."""
        ...


def find(finder: Finder, search: SearchQuery) -> Found:
    """Return the rows that match the query, up to one more than its limit.

    An empty query matches everything, newest first. One without letters and digits, such as an emoji, matches
    texts that contain it literally.
    """
    query, limit, offset = query_words(search.query), search.limit + 1, search.offset
    if search.ranked and search.meaning is not None:
        by_words = finder.best(query, max(CANDIDATES, offset + limit), 0)
        also = {number for number, _ in by_words[:CANDIDATES]}
        return fused_scores(by_words, finder.similar_rows(search.meaning, CANDIDATES, also))[offset:][:limit]
    if search.ranked:
        return finder.best(query, limit, offset)
    if query.words:
        return finder.newest(query.words, limit, offset)
    return finder.listed(search.query.strip(), limit, offset)


def page_of(search: SearchQuery, found: Found, hits: Sequence[T]) -> Page[T]:
    """Return the page of `hits`, made from the first entries of `found`."""
    return Page(tuple(hits), search.offset + search.limit if len(found) > search.limit else None)
