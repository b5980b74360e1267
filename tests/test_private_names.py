"""What others keep private may change with any release: it is not touched, or there is another way."""

import ast
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]
WITH_ANOTHER_WAY = {
    "nodes/model/request/openai_request.py",
    "nodes/model/openai_stream.py",
    "nodes/speech/speech.py",
}
"""Files that touch private attributes of LangChain's models; their tests take these away."""
FILES = [path for layer in ("graph", "nodes", "state") for path in sorted((HOME / layer).rglob("*.py"))]
DOCUMENTED = {"_replace", "_asdict", "_fields", "_make", "_run", "_arun"}
"""Names that are documented all the same: of named tuples, and what a LangChain tool defines."""


def name_of(path: Path) -> str:
    return path.relative_to(HOME).as_posix()


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED


def own_names() -> set[str]:
    """Return the private names that are defined in the product."""
    names: set[str] = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                if isinstance(node.value, ast.Name) and node.value.id == "self":
                    names.add(node.attr)
    return names


@pytest.fixture(scope="module")
def ours() -> set[str]:
    return own_names()


@pytest.mark.parametrize("path", [p for p in FILES if name_of(p) not in WITH_ANOTHER_WAY], ids=name_of)
def test_no_private_name_of_a_library_is_used(path: Path, ours: set[str]) -> None:
    text = path.read_text()
    used = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
    imported = {
        part
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.level == 0
        for part in [*(node.module or "").split("."), *(alias.name for alias in node.names)]
    }
    assert {name for name in used if is_private(name)} <= ours
    assert not {name for name in imported if is_private(name)}
    assert "__pregel" not in text
