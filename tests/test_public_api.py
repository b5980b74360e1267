"""The public names: sorted, complete, importable."""

import importlib

import pytest


@pytest.mark.parametrize("package", ["voicegraph.graph", "voicegraph.nodes", "voicegraph.state"])
def test_the_public_names_are_sorted_and_there(package: str) -> None:
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(module.__all__)
    assert [name for name in module.__all__ if getattr(module, name, None) is None] == []
