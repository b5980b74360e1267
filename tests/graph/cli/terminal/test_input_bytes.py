"""Input that is no text, or that begins with a mark of its encoding."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, text

Run = Callable[..., Any]
MARK = b"\xef\xbb\xbf"
NO_TEXT = [b"\xff\xfeH\x00i\x00\n", b"Gr\xfc\xdfe\n", b"\x80\n", b"Hi \xed\xa0\x80\n"]


@pytest.mark.parametrize("wrong", NO_TEXT, ids=repr)
def test_chat_asks_again_after_bytes_that_are_no_text(server: OpenAIServer, run: Run, wrong: bytes) -> None:
    server.add(text("Hello."))
    ran = run("chat", stdin=wrong + b"Hi\n")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "Hello.")
    assert "voicegraph: the message is not valid UTF-8\n" in ran.errors
    assert server.requests[-1].messages[-1]["content"] == "Hi"


@pytest.mark.parametrize("wrong", NO_TEXT, ids=repr)
def test_say_refuses_bytes_that_are_no_text_in_one_line(run: Run, wrong: bytes) -> None:
    ran = run("say", "-", stdin=wrong)
    assert (ran.code, ran.out) == (2, "")
    assert ran.errors == "voicegraph: the message is not valid UTF-8\n"


def test_a_byte_order_mark_is_not_said(server: OpenAIServer, run: Run) -> None:
    server.add(text("Hello."), text("Hello."), text("Hello."))
    run("chat", stdin=MARK + b"Hi\r\n")
    run("say", "-", stdin=MARK + b"Hi\n")
    run("say", "\ufeffHi")
    assert [request.messages[-1]["content"] for request in server.requests] == ["Hi"] * 3


@pytest.mark.usefixtures("server")
def test_a_mark_alone_is_an_empty_message(run: Run) -> None:
    assert run("say", "-", stdin=MARK).errors == "voicegraph: the message is empty: say something\n"
    assert run("chat", stdin=MARK + b"\n").code == 0


def test_a_mark_is_no_part_of_files_and_blocks(run: Run, folder: Path) -> None:
    (folder / "system.txt").write_bytes(MARK + b"Be kind.")
    assert run("agents", "create", "a", "--system-file", "system.txt").code == 0
    assert "Be kind." in run("agents", "show", "a").out and "\ufeff" not in run("agents", "show", "a").out
    assert run("memory", "set", "human", "-", stdin=MARK + b"Ada").code == 0
    assert run("memory", "show", "human").out == "Ada\n"
    exported = run("memory", "export").out.encode()
    ran = run("memory", "import", "-", stdin=MARK + exported)
    assert (ran.code, ran.out) == (0, "Nothing to add: everything exists already.\n")
