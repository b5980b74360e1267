"""Requests begin their turns in the order in which they came, however long it takes to find their threads."""

from voicegraph.graph.server.chat.request_order import RequestOrder


def test_a_request_whose_thread_was_found_after_that_of_a_newer_one_is_overtaken() -> None:
    request_order = RequestOrder()
    older, newer = request_order.arrive(), request_order.arrive()
    assert not request_order.overtaken(newer, "call")
    request_order.leave(newer)
    assert request_order.overtaken(older, "call")


def test_requests_in_order_and_on_other_threads_overtake_nobody() -> None:
    request_order = RequestOrder()
    older, other, newer = request_order.arrive(), request_order.arrive(), request_order.arrive()
    assert not request_order.overtaken(other, "another")
    assert not request_order.overtaken(older, "call")
    assert not request_order.overtaken(newer, "call")


def test_a_request_that_comes_once_more_is_the_newest() -> None:
    request_order = RequestOrder()
    guess, other = request_order.arrive(), request_order.arrive()
    request_order.again(guess)
    assert not request_order.overtaken(other, "call")
    assert not request_order.overtaken(guess, "call")


def test_nothing_is_kept_once_no_older_request_may_come() -> None:
    request_order = RequestOrder()
    older, newer = request_order.arrive(), request_order.arrive()
    for arrival in (newer, older):
        request_order.overtaken(arrival, "call")
        request_order.leave(arrival)
    assert request_order._begun == {}
