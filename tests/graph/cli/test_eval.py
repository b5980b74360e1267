"""`voicegraph eval recall`, on a hand-made file in LoCoMo's format."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
KEYS = ["recall_at_5", "recall_at_10", "recall_at_20", "mrr", "median_ms"]


def turns(session: int, *texts: str) -> list[dict[str, str]]:
    return [
        {"speaker": ("Ann", "Ben")[place % 2], "dia_id": f"D{session}:{place + 1}", "text": text}
        for place, text in enumerate(texts)
    ]


def ask(question: str, *evidence: str, category: int = 1) -> dict[str, Any]:
    return {"question": question, "answer": "-", "evidence": list(evidence), "category": category}


def sample(*questions: dict[str, Any]) -> dict[str, Any]:
    first = turns(1, "I bought a red bicycle.", "Great!", "Where do you live?", "In Lisbon, near the river.")
    second = turns(2, "My sister plays the cello.", "Look at this.")
    second[1]["blip_caption"] = "a photo of two penguins"
    conversation: dict[str, Any] = {"speaker_a": "Ann", "speaker_b": "Ben"}
    conversation |= {"session_1_date_time": "1:56 pm on 8 May, 2023", "session_1": first}
    conversation |= {"session_2_date_time": "soon", "session_2": second, "session_3_date_time": "-"}
    return {"sample_id": "made-up", "conversation": conversation, "qa": list(questions)}


@pytest.fixture
def evaluate(run: Run, tmp_path: Path) -> Callable[..., Any]:
    def evaluate_it(*samples: dict[str, Any]) -> Any:
        file = tmp_path / "made.json"
        file.write_text(json.dumps(samples))
        return run("eval", "recall", "--data", str(file), "--json")

    return evaluate_it


def test_the_figures_are_one_json_object_and_progress_goes_to_the_error_stream(
    evaluate: Callable[..., Any], folder: Path
) -> None:
    ran = evaluate(sample(ask("What colour is the bicycle?", "D1:1"), ask("Who plays the cello?", "D2:1")))
    figures = json.loads(ran.out)
    assert list(figures) == KEYS
    assert [figures[key] for key in KEYS[:4]] == [1, 1, 1, 1]
    assert figures["median_ms"] > 0
    assert "1/1 asked: 2 questions" in ran.errors
    assert list(folder.iterdir()) == []


def test_recall_is_the_share_of_the_evidence_and_mrr_is_of_the_first_hit(
    evaluate: Callable[..., Any],
) -> None:
    found_half = ask("penguins", "D2:2; D1:3")
    figures = json.loads(evaluate(sample(found_half, ask("nothing of this sort", "D1:2"))).out)
    assert figures["recall_at_10"] == 0.25
    assert figures["mrr"] == 0.5


def test_odd_evidence_is_understood_and_adversarial_questions_are_left_out(
    evaluate: Callable[..., Any],
) -> None:
    questions = [
        ask("Lisbon", "D:1:04"),
        ask("bicycle", "D"),
        ask("bicycle", "D9:9"),
        ask("bicycle"),
        ask("zebra", "D1:1", category=5),
    ]
    ran = evaluate(sample(*questions))
    assert "asked: 1 questions" in ran.errors
    assert json.loads(ran.out)["mrr"] == 1


def test_conversations_are_kept_apart(evaluate: Callable[..., Any]) -> None:
    ran = evaluate(sample(ask("red bicycle", "D1:1")), sample(ask("the cello", "D2:1")))
    assert json.loads(ran.out)["recall_at_5"] == 1


def test_speakers_and_dates_can_be_asked_for(evaluate: Callable[..., Any]) -> None:
    assert json.loads(evaluate(sample(ask("What happened in May 2023?", "D1:1"))).out)["recall_at_5"] == 1


def test_without_json_the_figures_are_rows(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "made.json"
    file.write_text(json.dumps([sample(ask("bicycle", "D1:1"))]))
    rows = [line.split("\t") for line in run("eval", "recall", "--data", str(file)).out.splitlines()]
    assert [row[0] for row in rows] == KEYS
    assert rows[0][1] == "1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not JSON"),
        ("[1]", "not in the format of LoCoMo"),
        ('[{"qa": []}]', "not in the format of LoCoMo"),
        ('[{"qa": [], "conversation": {}}]', "no questions"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_and_exit_code_2(
    run: Run, tmp_path: Path, text: str | None, why: str
) -> None:
    file = tmp_path / "bad.json"
    if text is not None:
        file.write_text(text)
    ran = run("eval", "recall", "--data", str(file))
    assert (ran.code, ran.out, ran.errors.count("\n")) == (2, "", 1)
    assert why in ran.errors


def test_a_turn_that_is_a_picture_without_words_and_a_session_without_turns_can_be_read(
    evaluate: Callable[..., Any],
) -> None:
    made = sample(ask("penguins", "D2:2"))
    del made["conversation"]["session_2"][1]["text"]
    made["conversation"]["session_3"] = None
    assert json.loads(evaluate(made).out)["recall_at_5"] == 1


def test_an_embedder_is_measured_too(evaluate: Callable[..., Any], tmp_path: Path, run: Run) -> None:
    kitten = sample(ask("Who has a feline?", "D1:2"))
    kitten["conversation"]["session_1"][1]["text"] = "A kitten, an automobile."
    assert json.loads(evaluate(kitten).out)["mrr"] == 0
    ran = run(
        "eval", "recall", "--data", str(tmp_path / "made.json"), "--json",
        "--embedder", "embedding_fake:FakeEmbeddings",
    )  # fmt: skip
    assert json.loads(ran.out)["mrr"] == 1
    assert "6 embedded, 0 left" in ran.errors
