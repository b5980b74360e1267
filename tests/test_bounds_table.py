"""The table of bounds is true: each setting and each constant that it names has that value."""

import importlib
import re
from pathlib import Path

import pytest

from voicegraph.graph import Settings

TABLES = (Path(__file__).parents[1] / "docs" / "bounds.md").read_text().partition("## Constants")
_ROW = re.compile(r"^\| `([\w.]+)` \| ([\w.]+) \|", re.MULTILINE)
SETTINGS, CONSTANTS = (dict(_ROW.findall(table)) for table in (TABLES[0], TABLES[2]))


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_the_table_has_that_default(name: str) -> None:
    default = Settings.model_fields[name].default
    assert SETTINGS[name] == ("none" if default is None else str(default))


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_of_the_table_has_that_value(name: str) -> None:
    module, _, constant = name.rpartition(".")
    assert CONSTANTS[name] == str(getattr(importlib.import_module(f"voicegraph.{module}"), constant))


def test_every_setting_that_is_a_limit_is_in_the_table() -> None:
    limits = {
        name
        for name in Settings.model_fields
        if name.startswith("max_")
        or name.endswith(("_chars", "_timeout", "_limit", "_deadline", "_per_user"))
    }
    assert limits <= SETTINGS.keys()


def test_every_row_of_the_tables_is_read() -> None:
    rows = sum(line.startswith("| `") for table in TABLES for line in table.splitlines())
    assert rows == len(SETTINGS) + len(CONSTANTS)
