"""Imports to be killed. Started once, it forks one process a line: `DATABASE_URL WHEN NUMBER`.

Each imports a memory file for Ada, and kills itself `before` or `after` the commit of this number.
"""

import asyncio
import os
import sys

from memory_files import large_file

from sweeps.killing_commits import kill_at
from voicegraph.state import Actor, open_store
from voicegraph.state.import_memory import import_memory
from voicegraph.state.portions import MOST_ROWS

ADA = Actor("acme", "ada")
FILE = large_file(MOST_ROWS)


async def import_file(url: str) -> None:
    """Import the file, and tell when that is done."""
    store = await open_store(url)
    await import_memory(store, ADA, FILE)
    await store.close()
    print("ended", flush=True)


def main() -> None:
    """Fork a process for each line."""
    for line in sys.stdin:
        url, when, number = line.split()
        pid = os.fork()
        if pid == 0:
            kill_at(when, int(number))
            asyncio.run(import_file(url))
            os._exit(0)
        os.waitpid(pid, 0)
        print(f"gone {pid}", flush=True)


if __name__ == "__main__":
    main()
