"""What the README shows is true: its programs run, its tables are complete."""

import re
from pathlib import Path

import pytest
from forked_python import run_python
from typer.main import get_command

from voicegraph.graph import Settings
from voicegraph.graph.cli import app

README = (Path(__file__).parents[1] / "README.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_of_the_readme_runs_as_it_stands(number: int, tmp_path: Path) -> None:
    program = f"import warnings; warnings.simplefilter('error')\n{PROGRAMS[number]}"
    code, out, errors = run_python(["-c", program], cwd=tmp_path)
    assert code == 0, errors
    assert out.strip()


def test_the_readme_tells_of_every_setting() -> None:
    assert [name for name in Settings.model_fields if f"`{name}`" not in README] == []


def test_the_readme_tells_of_every_command() -> None:
    root = get_command(app)
    assert [name for name in root.commands if f"`voicegraph {name}" not in README] == []


def test_the_readme_draws_the_edges_of_the_graph() -> None:
    from voicegraph.graph.build import wire

    drawn = wire().compile().get_graph()
    block = README.split("```mermaid")[1].split("```")[0]
    arrows = [line.split() for line in block.splitlines() if ">" in line]
    shown = {(words[0].partition("([")[0], words[-1].partition("([")[0]) for words in arrows}
    assert shown == {(edge.source, edge.target) for edge in drawn.edges}
