"""The commands that the pages show, run in their order on one database a page."""

import json
import re
import shlex
from typing import Any

import pytest
from docs_pages import PAGES, shell_lines
from openai_server import OpenAIServer, text

CHECKPOINT = "4f9e3c981a62"
"""The id that the pages show; each thread has others."""
_WAITS = ("voicegraph serve", "voicegraph chat")


def commands(page: str) -> list[str]:
    lines = [line for line in shell_lines(PAGES[page]) if line.startswith("voicegraph ")]
    return [line for line in lines if not line.startswith(_WAITS) and "postgresql://" not in line]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_the_commands_of_a_page_run_one_after_the_other(
    page: str, run: Any, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEGRAPH_EMBEDDER", "embedding_fake:FakeEmbeddings")
    server.add(text("Hello."))
    assert run("say", "I'm Ada.", "--thread", "call-42").code == 0
    points = [json.loads(line) for line in run("checkpoints", "call-42", "--json").out.splitlines()]
    (middle,) = [point["id"] for point in points if "call_llm" in str(point["next"])]
    for command in commands(page):
        if re.match(r"voicegraph (say|resume) ", command):
            server.add(text("Hello again."))
        ran = run(*shlex.split(command.replace(CHECKPOINT, middle))[1:])
        assert ran.code == 0, f"{command}: {ran.errors}"
