"""Imports to be killed. Started once, it forks one process a line: `DATABASE_URL WHEN NUMBER`.

Each imports a memory file for Ada, and kills itself `before` or `after` the commit of this number.
"""

from ada import ADA
from memory_files import large_file

from sweeps.forking import fork_for_each_line
from sweeps.killing_commits import kill_at
from voicegraph.state import open_store
from voicegraph.state.upkeep.importing.import_memory import import_memory
from voicegraph.state.upkeep.portions import MOST_ROWS

FILE = large_file(MOST_ROWS)


async def import_file(url: str, when: str, number: str) -> None:
    """Import the file, and say when that is done."""
    kill_at(when, int(number))
    store = await open_store(url)
    await import_memory(store, ADA, FILE)
    await store.close()
    print("ended", flush=True)


if __name__ == "__main__":
    fork_for_each_line(import_file)
