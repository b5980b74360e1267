"""How a turn is told to stop: whether it was dropped stays known, however often it is told."""

from voicegraph.nodes.turn.interruption import Interruption


def test_a_turn_that_was_dropped_stays_dropped_when_a_newer_turn_stops_it_too() -> None:
    stop = Interruption()
    stop.drop()
    stop.drop()
    assert stop.dropped


def test_a_turn_that_was_interrupted_is_not_dropped_when_its_listener_leaves() -> None:
    stop = Interruption()
    stop.request("Hello")
    stop.drop()
    assert not stop.dropped


def test_a_report_of_what_was_heard_says_that_a_turn_was_not_dropped() -> None:
    stop = Interruption()
    stop.drop()
    stop.request("Hello")
    assert not stop.dropped
