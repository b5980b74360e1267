"""Whatever a client sends to any documented route: no 5xx, no data of somebody else, errors in one form.

Schemathesis makes the requests from the OpenAPI document, right ones and wrong ones.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from calling import user_says
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from voicegraph.graph import Resources, build_graph, open_resources_sync
from voicegraph.graph.server.app import create_app
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor

ADA, EVE = Actor("acme", "ada"), Actor("other", "eve")
WORDS = "xyzzy"
"""Stands in everything that Ada keeps, and in nothing else."""

SOME = 2
MANY = 50


@dataclass(frozen=True, kw_only=True)
class Site:
    """A server with what Ada and Eve keep, asked from outside its event loop."""

    portal: Any
    client: httpx.AsyncClient
    resources: Resources
    document: dict[str, Any]
    operations: dict[str, Any]
    key: str

    def send(self, case: Any, key: str) -> httpx.Response:
        sent = case.as_transport_kwargs(base_url="http://localhost")
        content = sent.get("data")
        request = httpx.Request(
            sent["method"],
            sent["url"],
            params=sent.get("params"),
            headers={
                **{name: value for name, value in sent["headers"].items() if value.isascii()},
                "Authorization": f"Bearer {key}",
            },
            content=content if isinstance(content, bytes | str) else None,
            json=sent.get("json"),
        )
        return self.portal.call(self.client.send, request)

    async def furnish(self) -> dict[str, list[str]]:
        """Give Eve something of each kind, and return ids: hers, and Ada's."""
        kept: dict[str, list[str]] = {"agent": [], "block_id": [], "thread_id": [], "passage_id": []}
        store = self.resources.store
        for actor, words in ((EVE, "tea"), (ADA, WORDS)):
            if not any(agent.name == "nina" for agent in await store.agents.list(actor)):
                await store.agents.create(actor, "nina", system=words, blocks={"human": words})
            agent = await store.agents.get(actor, "nina")
            thread = f"call-{actor.user_id}"
            call = {
                "thread_id": thread,
                "organization": actor.organization_id,
                "user": actor.user_id,
                "agent": "nina",
            }
            if self.resources.known.owner_ids(thread) is None:
                turn = user_says(words)
                await build_graph(self.resources).ainvoke(turn, {"configurable": call})
            [passage] = await store.passages.insert(actor, agent.id, words)
            block = await store.blocks.create(actor, "loose", words)
            for name, id_ in zip(kept, (agent.id, block.id, thread, passage.id), strict=True):
                kept[name].append(id_)
        return kept


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    model = ScriptedChatModel(lambda _: "Yes.")
    with open_resources_sync(f"sqlite:///{folder}/voice.db", model=model) as resources:
        assert resources.portal is not None
        portal = resources.portal
        app = portal.call(create_app, build_graph(resources))
        _, key = portal.call(resources.store.keys.create, EVE, "test")
        document = json.loads(json.dumps(app.openapi()))
        schema = schemathesis.openapi.from_dict(document)
        all_found: list[Any] = list(schema.get_all_operations())
        operations = {found.ok().label: found.ok() for found in all_found}
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
        yield Site(
            portal=portal,
            client=client,
            resources=resources,
            document=document,
            operations=operations,
            key=key,
        )
        portal.call(client.aclose)


def run(site: Site, mode: GenerationMode, examples: int) -> None:
    """Send `examples` requests to each route, and each of them with a wrong key too; check the answers."""
    for label, operation in site.operations.items():
        run_one(site, label, operation.as_strategy(generation_mode=mode), examples)


def run_one(site: Site, label: str, cases: st.SearchStrategy[Any], examples: int) -> None:
    ids = site.portal.call(site.furnish)
    all_checks: Any = list(HealthCheck)

    @settings(
        max_examples=examples,
        derandomize=examples == SOME,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=all_checks,
    )
    @given(cases, st.data())
    def send(case: Any, data: Any) -> None:
        if case.path_parameters and data.draw(st.integers(0, 3)):
            names = [name for name in case.path_parameters if name in ids]
            known = {name: data.draw(st.sampled_from(ids[name])) for name in names}
            case.path_parameters = {**case.path_parameters, **known}
        if isinstance(case.body, dict) and case.body.get("what") == "user":
            return  # Eve would be gone, with her key.
        answer = site.send(case, site.key)
        check(case, answer)
        assert answer.status_code != 401
        refused = site.send(case, "vg-wrong")
        check(case, refused)
        assert refused.status_code >= 400 or label in OPEN_TO_ALL

    try:
        send()
    except Unsatisfiable:
        pass  # Nothing wrong can be sent to a route that takes nothing.


def check(case: Any, answer: httpx.Response) -> None:
    asked = f"{case.method} {case.path} {case.path_parameters} {case.query} {case.body!r}"
    shown = f"{asked}: {answer.status_code} {answer.text[:500]}"
    assert answer.status_code < 500, shown
    assert WORDS not in answer.text or WORDS in repr(case.body), shown
    if answer.status_code >= 400:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}, shown


MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
OPEN_TO_ALL = {"GET /health", "GET /ready", "GET /metrics"}


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_some_requests_with_a_right_key_and_with_a_wrong_one(site: Site, mode: GenerationMode) -> None:
    run(site, mode, SOME)


@pytest.mark.soak
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_many_requests_with_a_right_key_and_with_a_wrong_one(site: Site, mode: GenerationMode) -> None:
    run(site, mode, MANY)
