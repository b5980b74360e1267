"""Whatever voice clients do, prompt and record hold what the caller said and heard, once and in order."""

import pytest

from .driver import drive

IN_THE_SUITE = {"sqlite": 4, "postgres": 2}
"""Seeds of ten calls; all others are for the soak."""


@pytest.mark.parametrize(
    ("each_url", "seed"),
    [
        pytest.param(kind, seed, marks=[pytest.mark.soak] if seed >= few else [])
        for kind, few in IN_THE_SUITE.items()
        for seed in range(100)
    ],
    indirect=["each_url"],
)
async def test_words_that_were_said_and_heard_stand_in_prompt_and_record_once(
    each_url: str, seed: int
) -> None:
    await drive(each_url, seed)
