"""`voicegraph memory embed`, and searches by meaning from the shell."""

import pytest
from command_runs import Run

FAKE = "embedding_fake:FakeEmbeddings"


@pytest.fixture
def kept(run: Run) -> None:
    for text in ("She has an allergy.", "She drives an automobile."):
        assert run("memory", "archive", text).code == 0


def test_what_was_kept_before_is_found_by_meaning_afterwards(
    run: Run, kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("memory", "embed", "--embedder", FAKE)
    assert (done.code, done.out) == (0, "2 vectors computed; everything is embedded.\n")
    assert "2 embedded, 0 left" in done.errors
    monkeypatch.setenv("VOICEGRAPH_EMBEDDER", FAKE)
    assert "allergy" in run("memory", "search", "nuts", "--archive", "--limit", "1").out


def test_a_second_time_nothing_is_made(run: Run, kept: None) -> None:
    run("memory", "embed", "--embedder", FAKE)
    assert run("memory", "embed", "--embedder", FAKE).out == "0 vectors computed; everything is embedded.\n"


def test_without_an_embedder_it_tells_how_to_name_one(run: Run) -> None:
    done = run("memory", "embed")
    assert done.code == 2
    assert "VOICEGRAPH_EMBEDDER" in done.errors


def test_an_export_holds_no_vectors(run: Run, kept: None) -> None:
    plain = run("memory", "export").out
    run("memory", "embed", "--embedder", FAKE)
    assert plain.split('"agents"')[1] == run("memory", "export").out.split('"agents"')[1]
