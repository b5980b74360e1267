"""What a memory block knows outlives a model that forgets, and fits its limit."""

from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.memory.merge_facts import merge_facts

facts = st.lists(st.from_regex(r"[a-z]{3,8}( [a-z]{3,8}){0,4}\.", fullmatch=True), max_size=8)


def test_facts_that_the_model_left_out_stay() -> None:
    merged = merge_facts("The user is called Ada.", "The user likes tea.", 200)
    assert merged == "The user is called Ada.\nThe user likes tea."


def test_a_fact_stays_through_any_amount_of_news() -> None:
    block = "The user is called Ada."
    for number in range(50):
        block = merge_facts(block, f"News of day {number}: {'x' * 90}.", 500)
    assert block.startswith("The user is called Ada.")
    assert "day 49" in block


def test_a_fact_that_the_model_tells_at_more_length_is_not_doubled() -> None:
    merged = merge_facts("The user is called Ada.", "The user is called Ada and lives in Rome.", 200)
    assert merged == "The user is called Ada and lives in Rome."


def test_a_fact_goes_when_the_model_says_that_it_ended() -> None:
    old = "The user is called Ada.\nThe user lives in Rome."
    answer = "OUTDATED: The user lives in Rome.\nThe user lives in Oslo."
    assert merge_facts(old, answer, 200) == "The user is called Ada.\nThe user lives in Oslo."


def test_an_empty_answer_changes_nothing() -> None:
    assert merge_facts("The user is called Ada.", "", 200) == "The user is called Ada."


def test_list_marks_are_taken_off() -> None:
    assert merge_facts("", "- Tea.\n* Cats.", 200) == "Tea.\nCats."


@given(old=facts, answer=facts, limit=st.integers(10, 400))
def test_the_limit_holds(old: list[str], answer: list[str], limit: int) -> None:
    assert len(merge_facts("\n".join(old), "\n".join(answer), limit)) <= limit


@given(old=facts, answer=facts)
def test_with_room_every_old_fact_is_still_told(old: list[str], answer: list[str]) -> None:
    merged = merge_facts("\n".join(old), "\n".join(answer), 10_000)
    told = [set(line.rstrip(".").split()) for line in merged.splitlines()]
    assert all(any(set(fact.rstrip(".").split()) <= line for line in told) for fact in old)


@given(old=facts, answer=facts)
def test_merging_again_changes_nothing(old: list[str], answer: list[str]) -> None:
    once = merge_facts("\n".join(old), "\n".join(answer), 10_000)
    assert set(merge_facts(once, "\n".join(answer), 10_000).splitlines()) == set(once.splitlines())
