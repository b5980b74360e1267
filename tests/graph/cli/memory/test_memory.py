"""`voicegraph memory`: blocks and archive, as a person sees and corrects them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, text

Run = Callable[..., Any]


def test_show_lists_blocks_with_size_limit_and_version(run: Run) -> None:
    run("agents", "create", "nina", "--block", "human=Ada 😀", "--block", "persona=Kind.")
    run("memory", "set", "human", "Bea.", "--agent", "nina")
    assert run("memory", "show", "--agent", "nina").out == (
        "persona (5 of 5000 characters, version 1)\nKind.\n\nhuman (4 of 5000 characters, version 2)\nBea.\n"
    )


def test_show_writes_one_text_alone_now_or_then(run: Run) -> None:
    run("memory", "set", "human", "Ada.")
    assert run("memory", "show", "human").out == "Ada.\n"
    assert run("memory", "show", "human", "--version", "1").out == "Nothing is known about the user yet.\n"
    assert "has no text of version 9" in run("memory", "show", "human", "--version", "9").errors


def test_set_takes_the_text_from_the_input_stream(run: Run) -> None:
    assert run("memory", "set", "human", "-", stdin="אדה\nגרה כאן\n").code == 0
    assert run("memory", "show", "human").out == "אדה\nגרה כאן\n"


def test_set_can_make_a_block_of_a_size_of_its_own(run: Run) -> None:
    refused = run("memory", "set", "goals", "Tea.")
    assert (refused.code, "no block 'goals' (it has: persona, human)" in refused.errors) == (2, True)
    made = run("memory", "set", "goals", "Tea.", "--create", "--limit", "9")
    assert made.out == "goals (4 of 9 characters, version 1) set.\n"


def test_set_changes_text_and_limit_together_both_ways(run: Run) -> None:
    run("memory", "set", "goals", "Tea.", "--create", "--limit", "4")
    assert "(7 of 7 characters, version 2)" in run("memory", "set", "goals", "Coffee.", "--limit", "7").out
    assert "(1 of 1 characters, version 3)" in run("memory", "set", "goals", "T", "--limit", "1").out
    assert "(1 of 5 characters, version 3)" in run("memory", "set", "goals", "--limit", "5").out


def test_a_text_over_the_limit_is_refused_with_limit_and_size(run: Run) -> None:
    ran = run("memory", "set", "human", "x" * 5001)
    assert (ran.code, ran.out) == (2, "")
    assert ran.errors == "voicegraph: block 'human' holds at most 5000 characters, the new text has 5001\n"


def test_a_stale_change_is_refused(run: Run) -> None:
    run("memory", "set", "human", "Ada.")
    for command in (["set", "human", "Bob."], ["undo", "human"], ["redo", "human"]):
        ran = run("memory", *command, "--expect", "1")
        assert (ran.code, "is at version 2, not 1" in ran.errors) == (1, True)
    assert run("memory", "show", "human").out == "Ada.\n"


def test_undo_and_redo_tell_what_changed(run: Run) -> None:
    run("memory", "set", "human", "Called Ada, likes tea.")
    run("memory", "set", "human", "Called Bob, likes tea.")
    undone = run("memory", "undo", "human")
    assert undone.out == ("human (22 of 5000 characters, version 4): Called [-Bob-]{+Ada+}, likes tea.\n")
    assert "[-Ada-]{+Bob+}" in run("memory", "redo", "human").out
    nothing = run("memory", "redo", "human")
    assert (nothing.code, "no undone change" in nothing.errors) == (2, True)


def test_history_tells_version_author_and_change(run: Run) -> None:
    run("memory", "set", "goals", "Tea.", "--create")
    run("memory", "set", "goals", "Green tea.")
    run("memory", "undo", "goals")
    rows = [line.split("\t") for line in run("memory", "history", "goals").out.splitlines()]
    assert [[row[0], row[2], row[3]] for row in rows] == [
        ["3", "undo", "[-Green tea-]{+Tea+}."],
        ["2", "user", "[-Tea-]{+Green tea+}."],
        ["1", "user", "{+Tea.+}"],
    ]
    assert len(run("memory", "history", "goals", "--limit", "1").out.splitlines()) == 1


def test_control_characters_of_a_block_do_not_reach_the_terminal(run: Run) -> None:
    run("memory", "set", "human", "-", stdin="a\x1b[2Jb\u202e")
    assert "\x1b" not in run("memory", "show").out + run("memory", "history", "human").out


def test_the_archive_keeps_lists_and_deletes(run: Run) -> None:
    assert run("memory", "archive", "Ada eats no nuts.", "--tag", "health", "--tag", "food").code == 0
    run("memory", "archive", "-", stdin="She has a dog.\n")
    rows = [line.split("\t") for line in run("memory", "archive").out.splitlines()]
    assert [row[2:] for row in rows] == [["health, food", "Ada eats no nuts."], ["-", "She has a dog."]]
    assert run("memory", "archive", "--delete", rows[0][0]).code == 0
    assert [line.split("\t")[3] for line in run("memory", "archive").out.splitlines()] == ["She has a dog."]
    assert run("memory", "archive", "--delete", rows[0][0]).code == 2


def test_memory_tools_are_named_like_that_when_an_agent_is_made(run: Run, server: OpenAIServer) -> None:
    names = ["memory_append", "memory_replace", "archive"]
    tools = [part for name in names for part in ("--tool", name)]
    assert run("agents", "create", "nina", *tools).code == 0
    server.add(text("Hello."))
    run("say", "Hi", "--agent", "nina")
    offered = [tool["function"]["name"] for tool in server.requests[0].body["tools"]]
    assert offered[-3:] == names


WRONG: dict[str, tuple[list[str], str]] = {
    "an unknown agent": (["show", "--agent", "nobody"], "no agent 'nobody'"),
    "an unknown label": (["undo", "goals"], "no block 'goals'"),
    "nothing to undo": (["undo", "human"], "at its first text"),
    "nothing to set": (["set", "human"], "give a text or --limit"),
    "a limit of nothing": (["set", "human", "--limit", "0"], "--limit"),
    "a version without a label": (["show", "--version", "1"], "--version needs the label"),
    "an empty passage": (["archive", " "], "the passage is empty"),
    "a text and a deletion": (["archive", "a", "--delete", "b"], "not both"),
    "a file that is not there": (["import", "none.json"], "none.json cannot be read: No such file"),
    "a folder to write into": (["export", "--out", "/no/such/x.json"], "cannot be written"),
    "something else to forget": (["forget", "planet", "Mars"], "'planet'"),
    "an unknown thread to forget": (["forget", "thread", "none"], "no thread 'none'"),
    "an unknown user to forget": (["forget", "user", "eve"], "no user 'eve' in organization 'default'"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(run: Run, arguments: list[str], words: str) -> None:
    run("memory", "set", "persona", "Kind.")
    ran = run("memory", *arguments)
    assert (ran.code, ran.out, ran.errors.count("\n")) == (2, "", 1)
    assert words in ran.errors


def test_looking_at_memory_makes_no_database(run: Run, folder: Path) -> None:
    for command in (["show"], ["history", "human"], ["archive"], ["forget", "user", "default"]):
        assert run("memory", *command).code == 2
    assert list(folder.iterdir()) == []


def test_another_user_sees_and_changes_nothing_of_ours(run: Run) -> None:
    run("memory", "set", "human", "A secret.")
    run("memory", "archive", "A secret.")
    agent_id = run("agents", "list").out.split("\t")[3].strip()
    for command in (["show"], ["history", "human"], ["set", "human", "x"], ["undo", "human"], ["archive"]):
        ran = run("--user", "eve", "memory", *command, "--agent", agent_id)
        assert (ran.code, "secret" in ran.out + ran.errors) == (2, False)
    assert "secret" not in run("--user", "eve", "memory", "export").out
    assert run("memory", "show", "human").out == "A secret.\n"
