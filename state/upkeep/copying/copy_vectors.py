"""Copy vectors between search indexes, which saves the cost of embedding again."""

from collections.abc import Callable

from ...search.search_index import SearchIndex

_BATCH = 64


async def copy_vectors(source: SearchIndex, target: SearchIndex, progress: Callable[[int], None]) -> int:
    """Store the vectors of `source` for the same entries of `target`; return their number.

    The entries must exist already. If `target` has vectors of another model, nothing is done. `progress` is
    called with the number of vectors done.
    """
    model = await source.wanted_model()
    if model is None or await target.wanted_model() not in (None, model):
        return 0
    await target.want(model)
    done = 0
    for table in ("recall", "archive"):
        after = 0
        while some := await source.made(table, after, _BATCH):
            await target.keep(model, some)
            done, after = done + len(some), some[-1][0].number
            progress(done)
    return done
