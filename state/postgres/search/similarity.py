"""Find the vectors most similar to that of a query.

Vectors are plain arrays, so any PostgreSQL can store them. With the extension `vector` the server compares
them; otherwise they are fetched and compared by numpy.
"""

from collections.abc import Collection
from typing import Any

from ...search.embedder import Meaning
from ...search.ranking import Found
from ...search.similarity import MOST_COMPARED, most_similar, normalised
from .scope import Scope
from .vectors import as_bytes

_COMPARED = """
    WITH compared AS (
        (SELECT vectors.number, vectors.vector FROM {vectors} AS vectors {join}
        WHERE vectors.number BETWEEN :first AND :last AND {of_model} {conditions}
        ORDER BY vectors.number DESC LIMIT :most_compared)
        UNION
        SELECT vectors.number, vectors.vector FROM {vectors} AS vectors
        WHERE vectors.number = ANY(CAST(:also AS bigint[])) AND {of_model}
    )
"""
_BY_SERVER = """
    , scored AS MATERIALIZED (
        SELECT number, -(CAST(vector AS vector) <#> CAST(CAST(:sought AS real[]) AS vector)) AS score
        FROM compared
    )
    (SELECT number, score FROM scored ORDER BY score DESC, number LIMIT :most)
    UNION SELECT number, score FROM scored WHERE number = ANY(CAST(:also AS bigint[]))
    ORDER BY score DESC, number
"""
_BY_NUMPY = "SELECT number, array_send(vector) AS vector FROM compared"


def similar_rows(scope: Scope, meaning: Meaning, most: int, also: Collection[int]) -> Found:
    """Return the rows of a scope whose vectors are most similar to the query's, the most similar first.

    The numbers in `also` are returned in addition to the first `most` rows. The score is the cosine.
    """
    sought = normalised(meaning.vector)
    if sought is None:
        return []
    given: dict[str, Any] = {
        "model": meaning.model,
        "dimension": len(meaning.vector),
        "most_compared": MOST_COMPARED,
        "also": list(also),
    }
    compared = _COMPARED.format(
        vectors=scope.vectors,
        join=f"JOIN {scope.table} AS row ON row.number = vectors.number" if scope.conditions else "",
        of_model="vectors.model = :model AND cardinality(vectors.vector) = :dimension",
        conditions="".join(f" AND {condition}" for condition in scope.conditions),
    )
    if _has_extension(scope):
        given |= {"sought": _numbers(sought), "most": most}
        return [(number, float(score)) for number, score in scope.rows(compared + _BY_SERVER, given)]
    vectors = {number: as_bytes(sent) for number, sent in scope.rows(compared + _BY_NUMPY, given)}
    return most_similar(vectors, meaning, most, also)


def _has_extension(scope: Scope) -> bool:
    ((there,),) = scope.rows("SELECT to_regtype('vector') IS NOT NULL")
    return there


def _numbers(vector: bytes) -> list[float]:
    import numpy

    return numpy.frombuffer(vector, dtype=numpy.float32).tolist()
