"""Processes to be killed. Started once, it forks one process a line: `DATABASE_URL COUNTER_FILE`.

Each begins the swept turn, prints its number at the first word and all that it speaks, and goes on until it
is killed. With `before` or `after`, a kind of write and a number behind these it kills itself, see `killing`.
"""

import json
import os
from pathlib import Path

from calling import CALL

from sweeps.forking import fork_for_each_line
from sweeps.killing import kill_at
from sweeps.turn import reply_by_need, sweep_tools
from voicegraph.graph import Settings, build_graph, open_resources, stream_turn
from voicegraph.nodes import Speech
from voicegraph.nodes.testing import ScriptedChatModel


async def run_turn(url: str, counter: str, *death: str) -> None:
    """Run the swept turn to its end, and say when it has begun."""
    if death:
        when, kind, number = death
        kill_at(when, kind, int(number))

    def ran(call_id: str) -> None:
        with Path(counter).open("a") as file:
            file.write(f"{call_id}\n")

    model = ScriptedChatModel(reply_by_need)
    settings = Settings(filler_after=None)
    async with open_resources(url, model=model, tools=sweep_tools(ran), settings=settings) as resources:
        graph = build_graph(resources)
        began = False
        async for event in stream_turn(graph, "Both, please.", CALL):
            if isinstance(event, Speech):
                print(f"heard {json.dumps(event.content)}", flush=True)
            if not began:
                print(f"begun {os.getpid()}", flush=True)
            began = True
    print(f"ended {os.getpid()}", flush=True)


if __name__ == "__main__":
    fork_for_each_line(run_turn)
