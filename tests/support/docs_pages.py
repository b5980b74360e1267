"""README and the pages in docs, and what their fenced blocks hold."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language; an empty one is that of blocks that name none."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [block for named, block in fenced if named == language]


def shell_lines(text: str) -> list[str]:
    """Return the commands of the shell blocks, without their comments."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    return [bare for line in lines if (bare := re.sub(r"(^| +)#.*", "", line))]
