"""The process that others are forked from has imported what they need: a name that is gone is passed over."""

from importlib.util import find_spec

import pytest
from forked_python import IMPORTED


@pytest.mark.parametrize("module", IMPORTED)
def test_what_forked_processes_need_can_be_imported(module: str) -> None:
    assert find_spec(module) is not None
