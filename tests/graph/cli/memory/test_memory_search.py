"""`voicegraph memory search`: what was said, with what stands around it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from openai_server import OpenAIServer, text

Run = Callable[..., Any]


@pytest.fixture
def talked(run: Run, server: OpenAIServer) -> Run:
    """Talk about trains and tea, and return how to run commands."""
    server.add(text("Platform four."), text("Green or black?"), text("Good choice."))
    run("say", "Where does the train to Turin leave?", "--thread", "one")
    run("say", "I would like tea.", "--thread", "two")
    run("say", "Green, please.", "--thread", "two")
    return run


def test_a_hit_comes_with_time_thread_and_what_was_said_around_it(talked: Run) -> None:
    head, *said = talked("memory", "search", "black", "--limit", "1").out.splitlines()
    assert "  two  score " in head
    assert said == [
        "  user       I would like tea.",
        "> assistant  Green or black?",
        "  user       Green, please.",
        "  assistant  Good choice.",
    ]


def test_words_of_the_query_are_never_its_syntax(talked: Run) -> None:
    for query in ('"', "train AND", "NEAR(", "tea*", "text : tea", "-train", "a\0b", "😀", "שלום"):
        assert talked("memory", "search", "--", query).code == 0
    assert "train to Turin" in talked("memory", "search", 'OR "train" ) NOT').out


def test_a_search_can_be_kept_to_role_thread_and_time(talked: Run) -> None:
    assert talked("memory", "search", "tea", "--thread", "one").out == ""
    assert "Nothing found." in talked("memory", "search", "tea", "--until", "2020-01-01").errors
    assert "> user" in talked("memory", "search", "green", "--role", "user", "--since", "2020-01-01").out
    assert talked("memory", "search", "green", "--role", "tool").code == 2


def test_pages_follow_each_other(talked: Run) -> None:
    first = talked("memory", "search", "", "--limit", "4", "--json")
    more = talked("memory", "search", "", "--limit", "4")
    assert "--offset 4" in more.errors
    last = talked("memory", "search", "", "--limit", "4", "--offset", "4", "--json")
    hits = [json.loads(line) for line in (first.out + last.out).splitlines()]
    assert [hit["message"]["text"] for hit in hits][:2] == ["Good choice.", "Green, please."]
    assert len({hit["message"]["number"] for hit in hits}) == 6


def test_the_archive_is_searched_instead(run: Run) -> None:
    run("memory", "archive", "Ada eats no nuts.", "--tag", "health")
    run("memory", "archive", "She has a dog.")
    found = run("memory", "search", "nut", "--archive").out
    assert "health" in found
    assert "  Ada eats no nuts." in found
    assert "dog" not in found


def test_another_user_finds_nothing_of_ours(talked: Run) -> None:
    agent_id = talked("agents", "list").out.split("\t")[3].strip()
    ran = talked("--user", "eve", "memory", "search", "tea", "--agent", agent_id)
    assert (ran.code, ran.out) == (2, "")
    talked("--user", "eve", "memory", "set", "human", "Eve.")
    assert talked("--user", "eve", "memory", "search", "tea").out == ""


def test_what_was_forgotten_is_not_found(talked: Run) -> None:
    assert "Turin" in talked("memory", "search", "train").out
    talked("memory", "forget", "thread", "one")
    assert "Turin" not in talked("memory", "search", "train").out
