"""Collect the threads that a request without a thread id may continue."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ....nodes.window.matching.same_conversation import Agreement, ThreadItems, agreement
from ....state.agents.actors import Actor
from ....state.conversations.recent_threads import ThreadEnd
from ....state.conversations.turn_journal import JournaledTurn
from ...threads.running import TurnRun
from ...turns.turn_graph import TurnGraph
from .client_conversation import ClientConversation
from .thread_items import journaled_items, running_items, stored_items

RECENT = timedelta(hours=1)
"""How recently a thread must have been used."""
_BEGINNING = 3
"""Number of letters that a draft and the final message must share at the start."""
_MOST, _MOST_READ = 300, 16
"""Maximum number of threads considered, and of those whose conversation is read."""


@dataclass(slots=True)
class Candidates:
    """Candidate threads.

    `too_many` if some were left out. `all_seen` unless only the newest of the agent's recent messages were
    searched. `late` if another process may not have stored what it has spoken.
    """

    too_many: bool
    all_seen: bool
    late: bool = False
    alike: set[str] = field(default_factory=set[str])
    """Threads whose records end like the history."""
    agreements: dict[str, Agreement] = field(default_factory=dict[str, Agreement])
    _read: int = 0

    def may_read(self) -> bool:
        """Return whether one more conversation may be read; if not, set `too_many`."""
        self._read += 1
        self.too_many = self.too_many or self._read > _MOST_READ
        return not self.too_many

    def add(self, thread_id: str, ours: ThreadItems, told: ClientConversation) -> None:
        """Add a thread if the history matches it."""
        agreed = agreement(ours, told.items)
        if agreed is not None:
            self.agreements[thread_id] = agreed


async def find_candidates(graph: TurnGraph, actor: Actor, agent: str, told: ClientConversation) -> Candidates:
    """Return the recent threads of the agent and actor that the history may continue.

    Raises `AgentNotFound`.
    """
    resources, store = graph.resources, graph.resources.store
    running = await _running(graph, told)
    busy = {run.thread_id for run in running}
    now = datetime.fromtimestamp(resources.clock.now(), UTC)
    # The order matters: a turn leaves the journal when its messages are stored, and must not be missed.
    journaled = await store.journal.of_agent(actor, agent, without=busy, limit=_MOST + 1)
    ends = await store.recent.ending_with(
        actor,
        agent,
        told.words,
        told.first_reply,
        newest=told.newest,
        since=now - RECENT,
        settled=now - timedelta(seconds=resources.settings.settle_after),
        limit=_MOST,
    )
    found = Candidates(too_many=ends.too_many or len(journaled) > _MOST, all_seen=ends.complete)
    owner = (actor.organization_id, actor.user_id, ends.agent_id)
    for run in running:
        if resources.known.owner_ids(run.thread_id) == owner:
            await _add_running(graph, run, told, found)
    for turn in journaled:
        await _add_journaled(graph, turn, told, found)
    others = busy | {turn.thread_id for turn in journaled}
    likely = [end for end in ends.found if told.may_follow(end.words, end.replies)]
    found.alike = {end.thread_id for end in likely}
    likely = [end for end in likely if end.thread_id not in others]
    stored = await _said_alike(graph, actor, agent, told, likely, whole=ends.complete)
    for thread_id in stored:
        if found.may_read():
            found.add(thread_id, await stored_items(graph, thread_id), told)
    return found


async def _running(graph: TurnGraph, told: ClientConversation) -> list[TurnRun]:
    """Return the running turns of this process, after loading the calls of those being stored."""
    runs = graph.resources.threads.all()
    if not told.items.results_last:
        return runs
    for run in runs:
        if run.kept and _last_words(run) in told.words:
            await run.done.wait()
    return [run for run in runs if not run.done.is_set()]


async def _add_running(graph: TurnGraph, run: TurnRun, told: ClientConversation, found: Candidates) -> None:
    likely = told.may_follow(_last_words(run), [run.speaker.spoken]) or told.may_follow(*_before_newest(run))
    if likely and found.may_read():
        found.add(run.thread_id, await running_items(graph, run), told)


def _last_words(run: TurnRun) -> str | None:
    said = (message["text"] for message in reversed(run.history) if message["role"] == "user")
    return next(said, None)


def _before_newest(run: TurnRun) -> tuple[str | None, list[str]]:
    """Return the last user message before the newest, and the replies to it."""
    said = [place for place, message in enumerate(run.history) if message["role"] == "user"]
    *_, begin, end = -1, -1, *said
    replies = [m["text"] for m in run.history[begin + 1 : max(0, end)] if m["role"] == "assistant"]
    return (run.history[begin]["text"] if begin >= 0 else None), replies


async def _add_journaled(
    graph: TurnGraph, turn: JournaledTurn, told: ClientConversation, found: Candidates
) -> None:
    """Add a turn of another process, or one that a crash cut off."""
    if graph.resources.owner.keeps(turn):
        return
    words = next((said.text for said in reversed(turn.messages) if said.role == "user"), None)
    spoken = turn.rest("")
    # Drafts begin like the final message; comparing all turns in full would take too long.
    may_be_draft = words is not None and words[:_BEGINNING] == told.newest[:_BEGINNING]
    likely = may_be_draft or told.may_follow(words, [spoken] if spoken else None)
    if not likely or not found.may_read():
        return
    items = await journaled_items(graph, turn)
    found.add(turn.thread_id, items, told)
    if turn.thread_id not in found.agreements and turn.recorded_at is None:
        last = items.items[-1].words if items.items and items.items[-1].role == "assistant" else ""
        found.late = found.late or (told.reply_words != last and told.reply_words.startswith(last))


async def _said_alike(
    graph: TurnGraph,
    actor: Actor,
    agent: str,
    told: ClientConversation,
    likely: Sequence[ThreadEnd],
    *,
    whole: bool,
) -> list[str]:
    """Return the stored threads whose user messages may all be in the history."""
    threads = list(dict.fromkeys(end.thread_id for end in likely))
    if len(threads) < 2:
        return threads
    words = await graph.resources.store.recent.words_of(actor, agent, threads)
    said = (
        (end.thread_id, words.get(end.thread_id, [])[: None if end.newest is None else -1]) for end in likely
    )
    return list(dict.fromkeys(name for name, each in said if told.may_be_said(each, whole=whole)))
