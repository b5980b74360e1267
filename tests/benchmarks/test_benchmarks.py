"""The benchmarks run, and figures are compared by their ratio to the bare client's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from forked_python import ForkedPython

from benchmarks.report import worse
from benchmarks.scenarios import measure

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    with ForkedPython(["-m", "benchmarks.mock_model"], cwd=TESTS) as mock:
        yield f"http://127.0.0.1:{int(mock.stdout.readline())}/v1"


@pytest.mark.parametrize(
    ("contender", "scenario"),
    [
        ("voicegraph", "first turn"),
        ("voicegraph, messages", "burst"),
        ("voicegraph, PostgreSQL", "tool"),
        ("voicegraph serve", "first turn"),
    ],
)
async def test_this_project_can_be_measured(
    model: str, contender: str, scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(TESTS)  # The server imports the tool from here.
    monkeypatch.setenv("OPENAI_BASE_URL", model)  # Taken back at the end, whatever sets it.
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    figures = await measure(scenario, contender, model, 0.01)
    assert all(value > 0 for value in figures.values())


def test_a_figure_is_worse_when_its_ratio_to_the_bare_clients_has_grown() -> None:
    before = {"bare client": {"cpu": 10.0, "first": 1.0}, "voicegraph": {"cpu": 10.0, "first": 1.0}}
    slower_machine = {"bare client": {"cpu": 20.0, "first": 2.0}, "voicegraph": {"cpu": 22.0, "first": 2.0}}
    slower_code = {"bare client": {"cpu": 10.0, "first": 1.0}, "voicegraph": {"cpu": 12.0, "first": 1.0}}
    assert worse(slower_machine, before) == []
    assert worse(slower_code, before) == ["voicegraph: cpu was 1.00 of the bare client's, now 1.20"]
