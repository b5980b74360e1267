"""The served agent: how calls send requests to it, and what the test sees of it."""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from voicegraph.graph import Settings, build_graph, open_resources
from voicegraph.graph.server.app import create_app
from voicegraph.nodes import voice_tool
from voicegraph.state import Actor

from .model import Plan, PlannedModel
from .timeline import Timeline
from .wire import Answer, post

COMPLETIONS = "/v1/chat/completions"


@dataclass
class Phone:
    """An application over a database, its model and its time."""

    app: Any
    resources: Any
    model: PlannedModel
    time: Timeline
    booked: Counter[str]
    _marks: Any = field(default_factory=itertools.count)

    def plan(self, plan: Plan) -> str:
        """Return the mark of a new request, which the model answers by the plan."""
        mark = f"request {next(self._marks)}"
        self.model.plans[mark] = plan
        return mark

    async def ask(self, body: Mapping[str, Any], headers: Mapping[str, str], **how: Any) -> Answer:
        """Send a request for a completion."""
        return await post(self.app, COMPLETIONS, body, headers, **how)

    async def interrupt(self, thread: str, heard: str) -> None:
        """Report how far a reply was heard."""
        answer = await post(self.app, f"/v1/threads/{thread}/interrupt", {"heard": heard}, {})
        assert answer.status == 200, answer.body

    async def record(self, thread: str) -> list[dict[str, Any]]:
        """Return what is kept of a thread, the oldest first, once its turns are stored."""
        run = self.resources.threads.running(thread)
        if run is not None:
            await run.done.wait()
        transport = httpx.ASGITransport(self.app, client=("127.0.0.1", 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            page = (await client.get(f"/v1/threads/{thread}/messages?limit=100")).json()
        return list(reversed(page["data"]))


@asynccontextmanager
async def served(url: str, **settings: Any) -> AsyncIterator[Phone]:
    """Serve an agent that takes orders."""
    booked: Counter[str] = Counter()

    @voice_tool(side_effects=True)
    def book(order: str) -> str:
        """Book an order."""
        booked[order] += 1
        return f"booked {order}"

    time, model = Timeline(), PlannedModel(script=[])
    patient = Settings(filler_after=None, stall_timeout=600, first_token_timeout=600, **settings)
    async with open_resources(url, model=model, tools=[book], clock=time, settings=patient) as resources:
        app = create_app(build_graph(resources))
        await resources.store.actors.ensure(Actor())
        await resources.store.agents.create(Actor(), "nina")
        yield Phone(app=app, resources=resources, model=model, time=time, booked=booked)
