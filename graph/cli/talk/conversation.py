"""Open the conversation that a command names, and run one turn of it."""

import asyncio
import random
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import datetime

from langchain_core.runnables import RunnableConfig

from ....nodes.model.catalog import LOCAL_MODEL, VoiceModel
from ....nodes.turn.events import Event, TurnFailed
from ....state.agents.actors import Actor
from ....state.agents.agents import DEFAULT_AGENT, Agent
from ....state.conversations.threads import Thread
from ....state.errors import InvalidMessage, InvalidSetting, NothingToResume, ThreadNotFound
from ...clients.incoming import incoming_messages
from ...resources import Resources, open_resources
from ...settings import Settings, load_settings
from ...time_travel.checkpoint_table import checkpoints
from ...time_travel.forking import fork
from ...turns.build_graph import build_graph
from ...turns.run import resume_turn, stream_turn
from ...turns.turn_graph import TurnGraph
from ..terminal.failures import say_error
from ..terminal.options import Caller, ConversationOptions
from ..terminal.output import JsonView, SpokenView, View, console
from ..terminal.storage import url_to_read
from ..terminal.streams import without_mark
from .time_travel import whole_id

# Without letters and digits that look alike.
_ID_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A thread with its agent and model, ready for turns."""

    graph: TurnGraph
    actor: Actor
    agent: Agent
    model: VoiceModel
    thread_id: str
    known: Thread | None
    """The thread as it is stored, `None` for a new one."""

    @property
    def config(self) -> RunnableConfig:
        """The configuration for a run of the graph."""
        return {
            "configurable": {
                "thread_id": self.thread_id,
                "agent": self.agent.name,
                "organization": self.actor.organization_id,
                "user": self.actor.user_id,
            }
        }


def actor_of(caller: Caller) -> Actor:
    """Return the actor for the database."""
    return Actor(caller.organization, caller.user)


def checked_words(text: str, settings: Settings) -> str:
    """Return `text` if it can start a turn, or raise `InvalidMessage`."""
    text = without_mark(text.strip())
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidMessage("the message is not valid UTF-8") from None
    incoming_messages({"messages": [("user", text)]}, settings, 0.0)
    return text


async def open_conversation(resources: Resources, options: ConversationOptions, *, kind: str) -> Conversation:
    """Find the thread, its agent and its model; the name of a new thread starts with `kind`.

    Stores nothing but the default agent. Raises `AgentNotFound`, and `InvalidSetting` for a thread of another
    agent, a model that cannot be used or a tool that cannot be loaded.
    """
    actor = actor_of(options.caller)
    thread_id = await _new_id(resources, actor, kind) if options.thread is None else options.thread
    known = await _find(resources, actor, thread_id)
    agent = await _find_agent(
        resources, actor, options.agent or (known.agent_name if known else DEFAULT_AGENT)
    )
    if known is not None and known.agent_id != agent.id:
        raise InvalidSetting(
            f"the thread '{thread_id}' belongs to agent '{known.agent_name}': "
            "omit --agent or start a new thread"
        )
    if options.model and agent.model:
        resources.models.substitute(agent.model, options.model)
    with _loading(agent.model or resources.models.default):
        model = resources.models.get(agent.model)
    resources.toolbox.check(agent.tools)
    graph = build_graph(resources)
    return Conversation(graph=graph, actor=actor, agent=agent, model=model, thread_id=thread_id, known=known)


async def show_turn(events: AsyncGenerator[Event], view: View) -> Event | None:
    """Show a turn to its end and return its last event; a failure is also written to stderr."""
    last: Event | None = None
    try:
        async with aclosing(events):
            async for event in events:
                view.show(event)
                last = event
    finally:
        view.end()
    if isinstance(last, TurnFailed):
        say_error(f"the turn failed: {last.message}")
    return last


def say_once(text: str, options: ConversationOptions, *, as_json: bool) -> bool:
    """Run one turn with `text` as the user's message; return whether it succeeded."""
    settings = load_settings()
    words = checked_words(text, settings)

    async def run() -> bool:
        async with open_resources(options.url, model=options.model, settings=settings) as resources:
            conversation = await open_conversation(resources, options, kind="say")
            if options.thread is None:
                _note(f"Continue with: voicegraph say --thread {conversation.thread_id} TEXT")
            events = stream_turn(conversation.graph, words, conversation.config)
            return not isinstance(await show_turn(events, _view(as_json=as_json)), TurnFailed)

    return asyncio.run(run())


def resume_once(
    options: ConversationOptions, checkpoint: str | None = None, new: str | None = None, *, as_json: bool
) -> bool:
    """Resume the turn that a crash left on the thread; return whether it succeeded.

    From a `checkpoint` it resumes in a new thread, named `new` if given.
    """
    settings = load_settings()

    async def run() -> bool:
        url = url_to_read(options.url, settings)
        async with open_resources(url, model=options.model, settings=settings) as resources:
            # Look the thread up first: a mistyped id must not create one.
            await resources.store.threads.get(actor_of(options.caller), options.thread or "")
            conversation = await open_conversation(resources, options, kind="say")
            config = conversation.config
            if checkpoint is not None:
                config = await _other_course(conversation, checkpoint, new)
            events = resume_turn(conversation.graph, config)
            return not isinstance(await show_turn(events, _view(as_json=as_json)), TurnFailed)

    return asyncio.run(run())


async def _other_course(conversation: Conversation, checkpoint: str, new: str | None) -> RunnableConfig:
    """Fork the thread at an earlier point, print a note, and return the fork's configuration."""
    graph, actor, thread_id = conversation.graph, conversation.actor, conversation.thread_id
    table = await checkpoints(graph, thread_id, actor=actor)
    place = whole_id(table, checkpoint)
    if any(row.id == place and row.next is None for row in table):
        raise NothingToResume(
            f"checkpoint '{checkpoint}' is the end of a turn: continue from it with "
            f"voicegraph fork {thread_id} --checkpoint {checkpoint}"
        )
    made = await fork(graph, thread_id, place, new, actor=actor)
    _note(f"Continuing as thread {made.thread_id}; {thread_id} is not changed.")
    return made.config


def _view(*, as_json: bool) -> View:
    return JsonView() if as_json else SpokenView(console(errors=True))


def _note(line: str) -> None:
    console(errors=True).print(line, style="dim")


async def _new_id(resources: Resources, actor: Actor, kind: str) -> str:
    while True:
        letters = "".join(random.choices(_ID_LETTERS, k=4))
        thread_id = f"{kind}-{datetime.now():%Y%m%d}-{letters}"
        if await _find(resources, actor, thread_id) is None:
            return thread_id


async def _find(resources: Resources, actor: Actor, thread_id: str) -> Thread | None:
    try:
        return await resources.store.threads.get(actor, thread_id)
    except ThreadNotFound:
        return None


async def _find_agent(resources: Resources, actor: Actor, name: str) -> Agent:
    if name == DEFAULT_AGENT:
        await resources.store.actors.ensure(actor)
        return await resources.store.agents.ensure_default(actor)
    return await resources.store.agents.get(actor, name)


@contextmanager
def _loading(model: str) -> Generator[None]:
    """Show a status line while the embedded model loads."""
    if model != LOCAL_MODEL or not sys.stderr.isatty():
        yield
        return
    with console(errors=True).status("Loading the embedded model..."):
        yield
