"""Blocks that several agents hold, from the shell."""

import pytest
from command_runs import Run


@pytest.fixture
def agents(run: Run) -> None:
    for name in ("nina", "waiter"):
        assert run("agents", "create", name).code == 0
    run("memory", "set", "menu", "Soup.", "--create", "--agent", "nina")


def test_what_one_agent_changes_the_other_knows(run: Run, agents: None) -> None:
    assert run("memory", "attach", "menu", "--from", "nina", "--agent", "waiter").code == 0
    run("memory", "set", "menu", "Fish.", "--agent", "waiter")
    assert run("memory", "show", "menu", "--agent", "nina").out == "Fish.\n"


def test_a_detached_block_stays_and_can_be_attached_by_its_id(run: Run, agents: None) -> None:
    told = run("memory", "detach", "menu", "--agent", "nina").out
    assert run("memory", "show", "menu", "--agent", "nina").code == 2
    command = told.split("voicegraph ")[1].split()
    assert run(*command).code == 0
    assert run("memory", "show", "menu", "--agent", "nina").out == "Soup.\n"


def test_a_second_block_of_the_same_label_is_refused(run: Run, agents: None) -> None:
    done = run("memory", "attach", "human", "--from", "nina", "--agent", "waiter")
    assert done.code == 2
    assert "already has a block 'human'" in done.errors


def test_a_stranger_s_block_cannot_be_attached(run: Run, agents: None) -> None:
    block = run("memory", "detach", "menu", "--agent", "nina").out.split("attach ")[1].split()[0]
    done = run("--user", "eve", "memory", "attach", block)
    assert done.code == 2
    assert "Soup" not in done.out + done.errors
