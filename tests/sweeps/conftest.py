"""Processes to be killed."""

from collections.abc import Iterator

import pytest

from .killed import Killed


@pytest.fixture(scope="session")
def killed() -> Iterator[Killed]:
    process = Killed()
    yield process
    process.close()
