"""Requests begin their turns in the order in which they came, however long it takes to find their threads."""

from voicegraph.graph.server.chat.arrivals import Arrivals


def test_a_request_whose_thread_was_found_after_that_of_a_newer_one_is_overtaken() -> None:
    arrivals = Arrivals()
    older, newer = arrivals.arrive(), arrivals.arrive()
    assert not arrivals.overtaken(newer, "call")
    arrivals.leave(newer)
    assert arrivals.overtaken(older, "call")


def test_requests_in_order_and_on_other_threads_overtake_nobody() -> None:
    arrivals = Arrivals()
    older, other, newer = arrivals.arrive(), arrivals.arrive(), arrivals.arrive()
    assert not arrivals.overtaken(other, "another")
    assert not arrivals.overtaken(older, "call")
    assert not arrivals.overtaken(newer, "call")


def test_a_request_that_comes_once_more_is_the_newest() -> None:
    arrivals = Arrivals()
    guess, other = arrivals.arrive(), arrivals.arrive()
    arrivals.again(guess)
    assert not arrivals.overtaken(other, "call")
    assert not arrivals.overtaken(guess, "call")


def test_nothing_is_kept_once_no_older_request_may_come() -> None:
    arrivals = Arrivals()
    older, newer = arrivals.arrive(), arrivals.arrive()
    for arrival in (newer, older):
        arrivals.overtaken(arrival, "call")
        arrivals.leave(arrival)
    assert arrivals._begun == {}
