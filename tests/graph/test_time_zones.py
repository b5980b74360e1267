"""Machines and agents whose time zone cannot be found: the turn goes on with UTC."""

import logging
import sys
import zoneinfo
from collections.abc import Iterator
from typing import Any

import pytest
from calling import CALL, user_says
from open_voice import OpenVoice
from sqlalchemy import update

from voicegraph.graph import Resources, build_graph
from voicegraph.nodes.testing import ScriptedChatModel, calls
from voicegraph.state import Actor
from voicegraph.state.tables.tables import AgentRow
from voicegraph.state.tables.time_zones import time_zone


@pytest.fixture(autouse=True)
def nothing_cached() -> Iterator[None]:
    time_zone.cache_clear()
    yield
    time_zone.cache_clear()


@pytest.fixture
def no_time_zone_data(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away the system's data and the package, as on Alpine Linux without tzdata."""
    zoneinfo.ZoneInfo.clear_cache()
    zoneinfo.reset_tzpath([])
    for module in [name for name in sys.modules if name.startswith("tzdata.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "tzdata", None)
    with pytest.raises(zoneinfo.ZoneInfoNotFoundError):
        zoneinfo.ZoneInfo("Europe/Paris")
    yield
    zoneinfo.reset_tzpath()
    zoneinfo.ZoneInfo.clear_cache()


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


async def told_time(resources: Resources) -> str:
    result = await build_graph(resources).ainvoke(user_says("What time is it?"), CALL)
    assert result["turn"]["outcome"] == "finished"
    return next(message.text for message in result["messages"] if message.type == "tool")


def clock_model() -> ScriptedChatModel:
    return ScriptedChatModel([calls("current_time", preamble="Let me see."), "Noon."])


@pytest.mark.usefixtures("no_time_zone_data")
async def test_without_any_time_zone_data_a_turn_has_the_time_in_utc(open_voice: OpenVoice) -> None:
    model = clock_model()
    async with open_voice(model) as resources:
        assert (await told_time(resources)).endswith("(UTC)")
    assert "(UTC)" in model.requests[0].messages[0].text


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "Europe", "a\0b", "", "Å" * 300])
async def test_an_agent_of_an_unknown_time_zone_speaks_in_utc(
    open_voice: OpenVoice, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    async with open_voice(clock_model()) as resources:
        await resources.store.actors.ensure(Actor())
        agent = await resources.store.agents.ensure_default(Actor())
        rename = update(AgentRow).where(AgentRow.id == agent.id).values(time_zone=name)
        await resources.store.database.write(lambda session: session.execute(rename))
        assert (await told_time(resources)).endswith("(UTC)")
        await resources.store.recall.index_due()
    [warning] = warnings_of(caplog)
    assert (warning.time_zone, warning.name) == (name, "voicegraph.state.tables.time_zones")


@pytest.mark.usefixtures("no_time_zone_data")
async def test_an_agent_that_had_a_zone_where_the_data_was_speaks_in_utc_where_it_is_not(
    open_voice: OpenVoice, caplog: pytest.LogCaptureFixture
) -> None:
    assert str(time_zone("Europe/Paris")) == "UTC"
    assert str(time_zone("Europe/Paris")) == "UTC"
    assert len(warnings_of(caplog)) == 1


def test_a_known_time_zone_keeps_its_name() -> None:
    assert str(time_zone("Europe/Paris")) == "Europe/Paris"
