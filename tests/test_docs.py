"""README and the pages in docs are true: programs run, commands and paths exist, tables are complete."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from docs_pages import CONTRIBUTING, PAGES, ROOT, blocks, shell_lines
from forked_python import run_python
from typer.main import get_command

from voicegraph.graph import Settings
from voicegraph.graph.cli import app, main

README = PAGES["README.md"]
ALL = {**PAGES, "CONTRIBUTING.md": CONTRIBUTING}
PROGRAMS = [
    pytest.param(program, id=f"{page}-{number}")
    for page, text in PAGES.items()
    for number, program in enumerate(blocks(text, "python"), 1)
]
SHELL = [line for text in ALL.values() for line in shell_lines(text)]
INLINE = [code for text in ALL.values() for code in re.findall(r"`((?:voicegraph|make) [^`]+)`", text)]
# `graph/build.py`, `state/sqlite/`; `nodes/NAME.py` stands for a file that a reader will add.
_PATH = re.compile(r"(?<![\w./-])((?:graph|nodes|state|tests|notebooks|docs)/[\w./-]*\b/?)")
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs_as_it_stands(program: str, tmp_path: Path) -> None:
    code, out, errors = run_python(
        ["-c", f"import warnings; warnings.simplefilter('error')\n{program}"], cwd=tmp_path
    )
    assert code == 0, errors
    assert out.strip()


@pytest.mark.parametrize(
    "line", sorted({line for line in (*SHELL, *INLINE) if line.startswith("voicegraph ")})
)
def test_a_command_takes_the_options_that_are_shown(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*shlex.split(line)[1:], "--help"])
    assert ended.value.code == 0, capsys.readouterr().err


def test_every_make_target_that_is_shown_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = [words for line in (*SHELL, *INLINE) if (words := line.split())[0] == "make"]
    assert [words for words in shown if not targets.issuperset(words[1:2])] == []


@pytest.mark.parametrize("page", ALL)
def test_every_path_that_is_named_exists(page: str) -> None:
    paths = [path for path in _PATH.findall(ALL[page]) if "NAME" not in path]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [path for path in paths if path.endswith("/") and not (ROOT / path).is_dir()] == []


@pytest.mark.parametrize("page", ALL)
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    for path, heading in _LINK.findall(ALL[page]):
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), path
        if heading:
            titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
            assert heading in slugs, path


def test_the_readme_links_to_every_page_and_stays_short() -> None:
    linked = {path for path, _ in _LINK.findall(README)}
    assert [page for page in PAGES if page != "README.md" and page not in linked] == []
    assert len(README.splitlines()) < 180


def test_the_map_draws_folders_and_files_that_exist() -> None:
    (tree,) = blocks(PAGES["docs/map.md"], "")
    parents: list[str] = []
    for line in tree.splitlines():
        entry = line.lstrip("│├└─ ")
        del parents[(len(line) - len(entry)) // 3 :]
        names = re.split(r" {2,}", entry)[0].split(", ")
        assert [name for name in names if not ROOT.joinpath(*parents, name).exists()] == []
        parents.append(names[0])
    missing = [path.name for path in ROOT.glob("[gns]*/*/") if (path / "__init__.py").exists()]
    assert [name for name in missing if f"{name}/" not in tree] == []


def test_the_map_names_one_or_two_places_for_each_change() -> None:
    table = PAGES["docs/map.md"].partition("## Where to change what")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 10
    assert [row for row in rows if len(_PATH.findall(row)) not in (1, 2)] == []


def test_the_readme_and_the_page_on_speed_have_the_same_table() -> None:
    def table(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.count("|") == 8]

    assert table(README) == table(PAGES["docs/speed.md"]) != []


def test_the_page_on_settings_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", PAGES["docs/settings.md"], re.MULTILINE)
    shown = {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    assert shown.keys() == Settings.model_fields.keys()
    for name, default in shown.items():
        value = Settings.model_fields[name].default
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert float(default) == value, name
        elif value is None or value == ():
            assert not re.fullmatch(r"[\d.]+|`(true|false)`", default), name
        elif f"{value}".isalpha():
            assert default.lower() == f"`{value}`".lower(), name


def test_the_page_on_commands_lists_every_command() -> None:
    root: Any = get_command(app)
    page = PAGES["docs/commands.md"]
    assert [name for name in root.commands if f"`voicegraph {name}" not in page] == []


def test_the_page_on_turns_lists_every_event_with_its_fields() -> None:
    from dataclasses import fields
    from typing import get_args

    from voicegraph.nodes.turn.events import Event

    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGES["docs/turns.md"], re.MULTILINE))
    events = {kind.__dataclass_fields__["type"].default: kind for kind in get_args(Event)}
    assert rows.keys() == events.keys()
    for name, kind in events.items():
        assert [field.name for field in fields(kind) if f"`{field.name}`" not in rows[name]] == ["type"]


def test_the_readme_draws_the_edges_of_the_graph() -> None:
    from voicegraph.graph.build import wire

    drawn = wire().compile().get_graph()
    (block,) = blocks(README, "mermaid")
    arrows = [line.split() for line in block.splitlines() if ">" in line]
    shown = {(words[0].partition("([")[0], words[-1].partition("([")[0]) for words in arrows}
    assert shown == {(edge.source, edge.target) for edge in drawn.edges}
