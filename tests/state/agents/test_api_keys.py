"""API keys: what they open, and what the database knows of them."""

from pathlib import Path

import pytest

from voicegraph.state.agents.actors import KEYS_NEEDED, Actor
from voicegraph.state.agents.api_keys import bearer, every_key, keys_stamp
from voicegraph.state.errors import InvalidInput, NotFound
from voicegraph.state.store import Store

ADA, EVE = Actor("acme", "ada"), Actor("other", "eve")


async def test_whoever_bears_a_key_acts_for_its_user(store: Store) -> None:
    _, hers = await store.keys.create(ADA, "phone")
    _, his = await store.keys.create(EVE, "phone")
    assert await bearer(store.database, hers) == ADA
    assert await bearer(store.database, his) == EVE


async def test_a_secret_has_256_random_bits_behind_its_prefix(store: Store) -> None:
    _, one = await store.keys.create(ADA, "one")
    _, two = await store.keys.create(ADA, "two")
    assert one.startswith("vg-")
    assert len(one) == len("vg-") + 43
    assert one != two


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_no_file_holds_the_secret(store: Store, tmp_path: Path) -> None:
    _, secret = await store.keys.create(ADA, "phone")
    files = [file.read_bytes() for file in tmp_path.iterdir()]
    assert any(b"phone" in file for file in files)
    assert not any(secret.encode() in file or secret[3:].encode() in file for file in files)


@pytest.mark.parametrize(
    "wrong", ["", "vg-", "vg-" + "a" * 43, "sk-" + "a" * 43, "vg-\ud800", "vg-" + "a" * 10**6]
)
async def test_another_secret_opens_nothing(store: Store, wrong: str) -> None:
    await store.keys.create(ADA, "phone")
    assert await bearer(store.database, wrong) is None


async def test_a_revoked_key_opens_nothing_and_stays_in_the_list(store: Store) -> None:
    key, secret = await store.keys.create(ADA, "phone")
    revoked = await store.keys.revoke(ADA, key.id)
    assert await bearer(store.database, secret) is None
    assert await store.keys.list(ADA) == (revoked,)


async def test_revoking_again_changes_nothing(store: Store) -> None:
    key, _ = await store.keys.create(ADA, "phone")
    first = await store.keys.revoke(ADA, key.id)
    assert await store.keys.revoke(ADA, key.id) == first


async def test_a_key_that_is_not_there_cannot_be_revoked(store: Store) -> None:
    with pytest.raises(NotFound, match="keys list --all"):
        await store.keys.revoke(ADA, "key-1")


async def test_a_key_needs_a_name(store: Store) -> None:
    with pytest.raises(InvalidInput, match="name of the key is empty"):
        await store.keys.create(ADA, " ")


async def test_the_keys_of_a_deleted_user_open_nothing(store: Store) -> None:
    _, secret = await store.keys.create(ADA, "phone")
    await store.actors.delete(ADA)
    assert await bearer(store.database, secret) is None
    assert [key.owner for key in await every_key(store.database)] == [KEYS_NEEDED]


async def test_all_keys_are_listed_for_whoever_runs_the_server(store: Store) -> None:
    made = [(await store.keys.create(actor, "phone"))[0] for actor in (ADA, EVE)]
    assert list(await every_key(store.database)) == made


async def test_the_stamp_changes_with_every_change_of_a_key(store: Store) -> None:
    stamps = [await keys_stamp(store.database)]
    key, _ = await store.keys.create(ADA, "phone")
    stamps.append(await keys_stamp(store.database))
    await store.keys.revoke(ADA, key.id)
    stamps.append(await keys_stamp(store.database))
    await store.actors.delete(ADA)
    await store.keys.create(EVE, "phone")
    stamps.append(await keys_stamp(store.database))
    assert len(set(stamps)) == len(stamps)
