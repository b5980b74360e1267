"""A change of a text in one short line."""

import pytest

from voicegraph.graph.cli.memory.text_diff import text_diff


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("", "Ada.", "{+Ada.+}"),
        ("Ada.", "", "[-Ada.-]"),
        ("same", "same", "(the same)"),
        ("called Bob and likes tea", "called Ada and likes tea", "called [-Bob-]{+Ada+} and likes tea"),
        (
            "one two three four five six seven eight",
            "one two three four five six seven 8",
            "…five six seven [-eight-]{+8+}",
        ),
        ("a b c d e f g h i", "A b c d e f g h I", "[-a-]{+A+} b c d…f g h [-i-]{+I+}"),
        ("first\nsecond", "first\nsecond\nthird", "first second{+ third+}"),
        ("", "x" * 100, "{+" + "x" * 59 + "…+}"),
    ],
)
def test_words_that_changed_are_marked_and_those_far_off_left_out(
    before: str, after: str, shown: str
) -> None:
    assert text_diff(before, after) == shown
