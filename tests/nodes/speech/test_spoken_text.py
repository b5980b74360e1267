"""The words for the caller in what a model writes: no thoughts, no template tokens, no calls as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.speech.markup import find_tag, tag_beginning
from voicegraph.nodes.speech.spoken_text import SpokenText

cuts = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def spoken(text: str, sizes: list[int] | None = None, **options: bool) -> str:
    words, heard, start = SpokenText(**options), "", 0
    sizes = list(sizes or [len(text) or 1])
    while start < len(text):
        heard += words.feed(text[start : start + sizes[0]])
        start += sizes[0]
        sizes = [*sizes[1:], sizes[0]]
    return heard + words.close()


HARMONY = (
    "<|channel|>analysis<|message|>He asks.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>It is noon.<|return|>"
)
TEXTS = {
    "<think>The user asks.</think>\n\nHello.": "Hello.",
    "Well, <think>what</think> then?": "Well, then?",
    "Well<think>what</think> then?": "Well then?",
    "<think>a</think><think>b</think> Yes.": "Yes.",
    "Hello. <think>never closed": "Hello. ",
    "<think>a <b> c </thin</think>Yes.": "Yes.",
    "<THINK>a</Think>Yes.": "Yes.",
    "<think >a</ think >Yes.": "Yes.",
    '<think lang="en" deep>a</think>Yes.': "Yes.",
    "<thinking>a</thinking>Yes.": "Yes.",
    "<thought>a</thought>Yes.": "Yes.",
    "<reasoning>a</reasoning>Yes.": "Yes.",
    "<seed:think>a</seed:think>Yes.": "Yes.",
    "<think>a</thinking>Yes.": "Yes.",
    "[THINK]a[/THINK]Yes.": "Yes.",
    "[think]a[/think]Yes.": "Yes.",
    "\u25c1think\u25b7a\u25c1/think\u25b7Yes.": "Yes.",
    "<|begin_of_thought|>a<|end_of_thought|>Yes.": "Yes.",
    "<think/>Yes.": "Yes.",
    "He asks.</think>\n\nIt is noon.": "He asks.\n\nIt is noon.",
    "</THINKING>It is noon.": "It is noon.",
    HARMONY: "It is noon.",
    "<|start|>assistant" + HARMONY: "It is noon.",
    "<|channel|>analysis<|message|>never ended": "",
    "<|channel|>final<|message|>It is noon.": "It is noon.",
    "<|channel|>commentary<|message|>Let me look.<|end|><|start|>assistant<|channel|>final<|message|>"
    "It is noon.": "Let me look. It is noon.",
    "<|channel>thought\nHe asks.\n<channel|>It is noon.": "It is noon.",
    "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nAnd then?<|im_end|>": "Hello.\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>": "Hello.",
    "<start_of_turn>model\nHello.<end_of_turn>": "Hello.",
    "<s>[INST] Hello. [/INST]</s>": "Hello. ",
    "<<SYS>>Hello.<</SYS>>": "Hello.",
    "Hello.<|endoftext|>": "Hello.",
    "Hello.<\uff5cend\u2581of\u2581sentence\uff5c>": "Hello.",
    "Hello. <|im_en": "Hello. ",
    "<answer>Hello.</answer>": "Hello.",
    'Sure. <tool_call>{"name": "f"}</tool_call> Done.': "Sure. Done.",
    '[TOOL_CALLS][{"name": "f"}]': "",
    "<function=f>{}</function>": "",
    "<|python_tag|>f()<|eom_id|>": "",
    "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>f{}"
    "<\uff5ctool\u2581call\u2581end\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>Done.": "Done.",
    "<|tool_calls_section_begin|><|tool_call_begin|>f<|tool_call_end|><|tool_calls_section_end|>Hi.": "Hi.",
    "<tool_response>Sunny.</tool_response>It is sunny.": "It is sunny.",
    "Let me look.<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>": "Let me look.",
}
PLAIN = [
    "",
    "3 < 4 and <b>bold</b> <thin <",
    "a <think",
    "a <think about it> b",
    "if x <s and y> 3",
    "[laughs] [TOOLS] [1] a[0] [TH",
    "[thinking]",
    '<speak>Hi <break time="1s"/></speak>',
    "a || b, a <| b",
    "a << b >> c",
    "<email@example.com> <https://example.com>",
    "1 <= 2, <3, <- and ->",
    "<" + "x" * 300 + ">",
]


@pytest.mark.parametrize(("text", "heard"), TEXTS.items())
def test_only_words_for_the_caller_are_spoken(text: str, heard: str) -> None:
    for size in range(1, 14):
        assert spoken(text, [size]) == heard


@pytest.mark.parametrize("text", PLAIN)
def test_ordinary_text_is_spoken_as_it_is(text: str) -> None:
    for size in range(1, 14):
        assert spoken(text, [size]) == text


pieces = st.sampled_from(
    [
        *("<think>", "</think>", "<thinking>", "[THINK]", "[/THINK]", "<|channel|>", "<|start|>", "<|end|>"),
        *("<|message|>", "analysis", "final", "assistant", "\n", "<tool_call>", "</tool_call>", "</s>"),
        *("[TOOL_CALLS]", "<function=f>", "<|im_start|>", "user", "<|im_end|>", "to=functions.f ", "<", "["),
    ]
)
texts = st.lists(st.text("ab <>/[]|think.\n", max_size=10) | pieces, max_size=10).map("".join)


@given(texts, cuts)
def test_where_the_text_is_cut_makes_no_difference(text: str, sizes: list[int]) -> None:
    assert spoken(text, sizes) == spoken(text)


@pytest.mark.parametrize("text", [text for text in TEXTS if find_tag(text)])
def test_each_beginning_of_a_tag_waits_for_its_end(text: str) -> None:
    tag = find_tag(text)
    assert tag is not None
    for size in range(1, len(tag.text)):
        assert tag_beginning(text[: tag.start + size]) <= tag.start


words = st.text("ab ,.éß\n", max_size=12)


@given(st.lists(st.tuples(words, st.text("ab <>[]/.\n", max_size=12)), max_size=4), cuts)
def test_words_around_thoughts_lose_nothing_but_blanks(
    parts: list[tuple[str, str]], sizes: list[int]
) -> None:
    text = "".join(f"{word}<think>{thought}</think>" for word, thought in parts)
    heard = spoken(text, sizes)
    assert "".join(heard.split()) == "".join("".join(word for word, _ in parts).split())


def test_text_without_a_tag_waits_for_nothing() -> None:
    words = SpokenText()
    for text in ("Hello, it is 3 < 4 o'clock. ", "[1] and <b>", "<- left"):
        assert words.feed(text) == text


def test_what_may_begin_a_tag_waits_for_the_next_fragment() -> None:
    words = SpokenText()
    assert [words.feed("a <th"), words.feed("ree"), words.feed(" ["), words.feed("laughs")] == [
        *("a ", "<three", " ", "[laughs"),
    ]


@pytest.mark.parametrize("size", [1, 5, 100])
def test_thoughts_that_the_template_opens_are_held_back(size: int) -> None:
    text = "He asks for the time.</think>\n\nIt is noon."
    assert spoken(text, [size], thoughts_first=True) == "It is noon."
    assert spoken("He asks", [size], thoughts_first=True) == ""
    assert spoken("He asks<|channel|>final<|message|>Noon.", [size], thoughts_first=True) == "Noon."


def test_nothing_is_held_back_when_the_server_parts_the_thoughts() -> None:
    words = SpokenText(thoughts_first=True)
    words.skip_opening()
    assert words.feed("It is noon.") == "It is noon."


def test_calls_that_are_written_as_text_are_kept_apart() -> None:
    words = SpokenText()
    words.feed('Sure. <tool_call>{"name": "f"}</tool_call> <function=g>{}</function>[TOOL_CALLS]h[ARGS]{}')
    words.close()
    assert words.written == ['<tool_call>{"name": "f"}', "<function=g>{}", "[TOOL_CALLS]h[ARGS]{}"]
