"""Whatever voice clients do, prompt and record hold what the caller said and heard, once and in order."""

import pytest

from .driver import drive

SEEDS = [*range(3), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 100))]


@pytest.mark.parametrize("seed", SEEDS)
async def test_words_that_were_said_and_heard_stand_in_prompt_and_record_once(
    each_url: str, seed: int
) -> None:
    await drive(each_url, seed)
