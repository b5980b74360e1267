"""Stems of words, kept by all tasks of a process: PostgreSQL's index."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from voicegraph.state.postgres.search import lexemes


class FakeConnection:
    """Answers with upper-case stems, and lets another task run while its query waits."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.asked: list[set[str]] = []
        self._meanwhile = meanwhile

    def execute(self, _statement: object, values: dict[str, list[str]]) -> list[Any]:
        self.asked.append(set(values["words"]))
        self._meanwhile()
        return [SimpleNamespace(word=word, stem=word.upper()) for word in values["words"]]


@pytest.fixture(autouse=True)
def stems(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    known: dict[str, str] = {}
    monkeypatch.setattr(lexemes, "_stems", known)
    return known


def stems_of(connection: Any, *words: str) -> dict[str, str]:
    return lexemes.stems_of(connection, words)


def test_a_word_is_asked_for_once() -> None:
    connection = FakeConnection()
    stems_of(connection, "dogs", "cats")
    assert stems_of(connection, "cats", "birds") == {"cats": "CATS", "birds": "BIRDS"}
    assert connection.asked == [{"dogs", "cats"}, {"birds"}]


def test_known_stems_survive_that_another_task_clears_the_cache(stems: dict[str, str]) -> None:
    stems_of(FakeConnection(), "dogs")
    assert stems_of(FakeConnection(stems.clear), "dogs", "cats") == {"dogs": "DOGS", "cats": "CATS"}


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch, stems: dict[str, str]) -> None:
    monkeypatch.setattr(lexemes, "_MOST_STEMS", 3)
    for word in "abcdefgh":
        stems_of(FakeConnection(), word)
        assert len(stems) <= 3
