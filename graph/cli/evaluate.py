"""`voicegraph eval`: measure retrieval from memory with questions whose answers are known."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...state.agents.actors import Actor
    from ...state.store import Store
    from .locomo import Conversation, Question

commands = typer.Typer(help="Measure how well memory works.")

_DEPTHS = (5, 10, 20)


@dataclass(slots=True)
class _Measured:
    """The results so far, one figure per question; `seconds` is the time of each query."""

    recall: dict[int, list[float]] = field(
        default_factory=lambda: {depth: list[float]() for depth in _DEPTHS}
    )
    reciprocal_ranks: list[float] = field(default_factory=list[float])
    seconds: list[float] = field(default_factory=list[float])

    def add(self, question: "Question", found: list[str], seconds: float) -> None:
        """Score the ids that a query found, best first."""
        for depth, shares in self.recall.items():
            shares.append(len(question.evidence.intersection(found[:depth])) / len(question.evidence))
        ranks = (1 / rank for rank, id_ in enumerate(found, start=1) if id_ in question.evidence)
        self.reciprocal_ranks.append(next(ranks, 0.0))
        self.seconds.append(seconds)

    def figures(self) -> dict[str, float]:
        """Return the means and the median time under the names that `--json` uses."""
        return {
            **{f"recall_at_{depth}": round(fmean(shares), 4) for depth, shares in self.recall.items()},
            "mrr": round(fmean(self.reciprocal_ranks), 4),
            "median_ms": round(median(self.seconds) * 1000, 3),
        }


@commands.command("recall", epilog="Example: voicegraph eval recall --data locomo.json --json")
def recall(
    data: Annotated[Path, typer.Option("--data", metavar="FILE", help="Conversations in LoCoMo's format.")],
    as_json: Annotated[bool, typer.Option("--json", help="Write the figures as one JSON object.")] = False,
    embedder: Annotated[
        str | None,
        typer.Option(
            "--embedder", metavar="NAME", help="openai:NAME or package.module:factory. [default: none]"
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--db", metavar="URL", help="Database to use: postgresql://... [default: a temporary SQLite file]"
        ),
    ] = None,
) -> None:
    """Ask recall memory the questions of a LoCoMo file. Nothing is stored; no model but --embedder is used.

    Prints recall at 5, 10 and 20 (the share of the answering messages found), the mean reciprocal rank of the
    first one, and the time of a query.
    """
    figures = asyncio.run(_recall(data, embedder, database))
    if as_json:
        import orjson

        sys.stdout.write(orjson.dumps(figures).decode() + "\n")
        return
    from .terminal.output import write_rows

    write_rows(["figure", "value"], [[name, f"{value:g}"] for name, value in figures.items()], nothing="")


async def _recall(data: Path, embedder: str | None, url: str | None) -> dict[str, float]:
    from .locomo import read_locomo
    from .terminal.output import console

    progress, measured = console(errors=True), _Measured()
    conversations = await asyncio.to_thread(read_locomo, data)
    async with _temporary_store(embedder, url) as (store, actor):
        loaded: list[str] = []
        for number, conversation in enumerate(conversations, start=1):
            loaded.append(await _load(store, actor, conversation, number))
            messages = sum(map(len, conversation.sessions))
            progress.print(f"{number}/{len(conversations)} loaded: {messages} messages")
        await store.embedding.embed_due(lambda done, left: progress.print(f"{done} embedded, {left} left …"))
        for number, (agent_id, conversation) in enumerate(zip(loaded, conversations, strict=True), start=1):
            for question in conversation.questions:
                await _ask(store, actor, agent_id, question, measured)
            progress.print(f"{number}/{len(conversations)} asked: {len(conversation.questions)} questions")
    return measured.figures()


@asynccontextmanager
async def _temporary_store(embedder: str | None, url: str | None) -> AsyncGenerator[tuple["Store", "Actor"]]:
    """Yield a store and a temporary actor, whose data is deleted on exit."""
    from ...nodes.model.embedder import open_embedder
    from ...state.agents.actors import Actor
    from ...state.store import open_store
    from ...state.tables.names import new_id

    with TemporaryDirectory(prefix="voicegraph-eval-") as folder:
        async with open_embedder(embedder) as model:
            url = url or f"sqlite:///{folder}/voice.db"
            # A slow embedder gets the time it needs: quality and latency are both measured.
            store = await open_store(url, embedder=model, embed_deadline=30.0)
            actor = Actor(new_id("eval"), "eval")
            try:
                await store.actors.ensure(actor)
                yield store, actor
            finally:
                await store.actors.delete(actor)
                await store.close()


async def _load(store: "Store", actor: "Actor", conversation: "Conversation", number: int) -> str:
    """Store and index a conversation as an agent with a thread for each session; return the agent's id."""
    from ...state.conversations.message_rows import MessageRecord

    agent = await store.agents.create(actor, f"conversation {number}")
    speakers = [turn.speaker for session in conversation.sessions for turn in session]
    for place, session in enumerate(conversation.sessions, start=1):
        thread_id = f"{actor.organization_id}-{number}-{place}"
        await store.threads.claim(actor, agent.id, thread_id)
        records = [
            MessageRecord(
                id=turn.id,
                turn_id=turn.id,
                role="user" if turn.speaker == speakers[0] else "assistant",
                name=turn.speaker,
                text=turn.text,
                created_at=turn.at,
            )
            for turn in session
        ]
        await store.messages.save(actor, agent.id, thread_id, records)
    await store.recall.index_due(agent.id)
    return agent.id


async def _ask(
    store: "Store", actor: "Actor", agent_id: str, question: "Question", measured: _Measured
) -> None:
    began = time.perf_counter()
    page = await store.recall.search(actor, agent_id, question.text, limit=max(_DEPTHS))
    seconds = time.perf_counter() - began
    measured.add(question, [hit.message.id for hit in page.hits], seconds)
