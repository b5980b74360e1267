"""`voicegraph keys`: made, shown once, listed and revoked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
AS_ADA = ("--organization", "acme", "--user", "ada")


def test_a_key_is_printed_alone_so_that_a_script_can_keep_it(run: Run) -> None:
    made = run("keys", "create", "phone")
    assert made.code == 0
    assert made.out.startswith("vg-")
    assert len(made.out.split()) == 1
    assert "shown only once" in made.errors


def test_a_key_belongs_to_the_user_and_organization_of_the_options(run: Run) -> None:
    run(*AS_ADA, "keys", "create", "phone")
    assert run("keys", "list").out == ""
    assert run(*AS_ADA, "keys", "list").out.split("\t")[:3] == ["phone", "acme", "ada"]


def test_all_keys_can_be_listed_by_whoever_has_the_database(run: Run) -> None:
    run(*AS_ADA, "keys", "create", "phone")
    run("keys", "create", "desk")
    lines = run("keys", "list", "--all").out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["phone", "desk"]


def test_a_revoked_key_stays_in_the_list_with_the_time(run: Run) -> None:
    run("keys", "create", "phone")
    before = run("keys", "list").out.strip().split("\t")
    assert before[4] == "-"
    assert run("keys", "revoke", before[5]).out == "Key 'phone' revoked.\n"
    assert run("keys", "list").out.strip().split("\t")[4] != "-"


def test_a_key_is_revoked_by_its_name_too_unless_several_have_it(run: Run) -> None:
    run("keys", "create", "phone")
    assert run("keys", "revoke", "phone").out == "Key 'phone' revoked.\n"
    run("keys", "create", "phone")
    refused = run("keys", "revoke", "phone")
    assert (refused.code, refused.out) == (2, "")
    assert "2 keys are named 'phone'" in refused.errors


def test_the_key_of_another_user_is_not_revoked(run: Run) -> None:
    run(*AS_ADA, "keys", "create", "phone")
    key_id = run("keys", "list", "--all").out.strip().split("\t")[5]
    refused = run("keys", "revoke", key_id)
    assert refused.code == 2
    assert "keys list --all" in refused.errors


def test_the_list_shows_no_secret(run: Run) -> None:
    secret = run("keys", "create", "phone").out.strip()
    listed = run("keys", "list", "--all").out
    assert secret not in listed
    assert secret[-8:] not in listed


def test_listing_makes_no_database(run: Run, folder: Path) -> None:
    assert run("keys", "list").code == 0
    assert list(folder.iterdir()) == []
