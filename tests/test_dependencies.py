"""What the package asks for: versions that were tried, and none that nobody knows."""

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
ASKED_FOR = [
    requirement
    for line in [*PROJECT["dependencies"], *sum(PROJECT["optional-dependencies"].values(), [])]
    if (requirement := Requirement(line)).name != "voicegraph"
]


@pytest.mark.parametrize("requirement", ASKED_FOR, ids=lambda requirement: requirement.name)
def test_each_dependency_has_a_lowest_version_and_one_that_it_stays_below(requirement: Requirement) -> None:
    operators = {clause.operator for clause in requirement.specifier}
    assert operators == ({">="} if requirement.name == "tzdata" else {">=", "<"})


@pytest.mark.parametrize("requirement", ASKED_FOR, ids=lambda requirement: requirement.name)
def test_the_versions_that_are_tested_are_among_them(requirement: Requirement) -> None:
    assert requirement.specifier.contains(version(requirement.name))
