"""Each notebook runs from top to bottom, offline, and is kept with its pictures alone."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from patience import PATIENCE

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PICTURES = {"image/svg+xml", "text/html"}


# Runs before anything else in each Python: a kernel, and the processes that a notebook starts.
NO_NETWORK = """
import sys

def refuse(event, given):
    if event == "socket.connect" and isinstance(given[1], tuple) and given[1][0] not in ("127.0.0.1", "::1"):
        raise OSError(f"a notebook asked the network: {given[1]}")

sys.addaudithook(refuse)
"""


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let the kernels reach nothing but this machine."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "sitecustomize.py").write_text(NO_NETWORK)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    # Jupyter and matplotlib keep files in the home folder, which may not be writable.
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("MPLCONFIGDIR", str(folder / "matplotlib"))


# The kernel's client lags behind: it warns about its own use of asyncio and of platform folders.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=PATIENCE, resources={"metadata": {"path": str(tmp_path)}}).execute()
    complaints = [o.text for cell in code(notebook) for o in cell.outputs if o.get("name") == "stderr"]
    assert complaints == []
    assert [cell.source for cell in pictures(notebook) if not shown(cell) & PICTURES] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_with_its_pictures_alone(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    bare = [cell for cell in code(notebook) if cell not in pictures(notebook)]
    assert [cell.source for cell in bare if cell.outputs] == []
    assert [cell.source for cell in pictures(notebook) if not shown(cell)] == [], "run: make pictures"
    assert [cell.source for cell in pictures(notebook) if shown(cell) - PICTURES] == []
    assert [cell.source for cell in code(notebook) if cell.execution_count is not None] == []
    assert path.stat().st_size < 500_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_that_it_runs_offline_and_on_which_model(path: Path) -> None:
    first = nbformat.read(path, as_version=4).cells[0].source
    assert "offline" in first
    assert "scripted" in first or "embedded" in first


def test_pictures_of_the_docs_are_small_and_have_a_text() -> None:
    page = (FOLDER.parent / "docs" / "time-travel.md").read_text()
    for name in ("turn.svg", "waterfall.svg"):
        before, _, _ = page.partition(f"](../notebooks/pictures/{name})")
        assert before != page
        assert len(before.rpartition("![")[2]) > 60
        assert (FOLDER / "pictures" / name).stat().st_size < 200_000


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pictures(notebook: Any) -> list[Any]:
    return [cell for cell in code(notebook) if "picture" in cell.metadata.get("tags", ())]


def shown(cell: Any) -> set[str]:
    return {kind for output in cell.outputs for kind in output.get("data", ())}
