"""Callers who name no thread and say what everybody says are never answered on each other's threads."""

import asyncio
import random
import time
from typing import Any

import pytest
from everyday_callers import Caller, Replies, Tally, asked, is_told

from voicegraph.graph import build_graph, open_resources
from voicegraph.graph.server.app import create_app
from voicegraph.nodes.testing import ScriptedChatModel

CALLERS = 30


async def talk(
    servers: list[Any], model: ScriptedChatModel, replies: Replies, seed: int, turns: int
) -> Tally:
    """Let callers talk at random with the processes of a server, and check what the model is asked."""
    dice, tally, done = random.Random(seed), Tally(), 0
    began = time.process_time()
    callers = [Caller(number, servers, replies, tally, dice) for number in range(CALLERS)]
    while done < turns:
        at_once = dice.sample(callers, dice.choice([1, 1, 1, 2, 5]))
        before = len(model.requests)
        said = await asyncio.gather(*(caller.turn() for caller in at_once))
        done += len(said)
        conversations = [
            (told, caller.sends_all)
            for caller, all_told in zip(at_once, said, strict=True)
            for told in all_told
        ]
        for prompt in (asked(request.messages) for request in model.requests[before:]):
            if not any(is_told(prompt, told, all_told=all_told) for told, all_told in conversations):
                tally.wrong.append(f"the model was asked {prompt[-5:]}")
        if dice.random() < 0.7:
            replies.let_go()
    replies.let_go()
    seconds = time.process_time() - began
    print(f"\n{done} turns, {tally.found} of {tally.later} later ones on their thread, {seconds:.1f} s")
    return tally


# Of few turns many are those in which two calls are still alike.
@pytest.mark.parametrize(
    ("seed", "turns", "share"),
    [(1, 80, 0.8), *(pytest.param(seed, 2_000, 0.9, marks=pytest.mark.soak) for seed in range(2, 5))],
)
async def test_no_prompt_holds_words_of_two_callers(
    each_url: str, seed: int, turns: int, share: float
) -> None:
    replies = Replies(random.Random(seed))
    model = ScriptedChatModel(replies)
    async with open_resources(each_url, model=model) as resources:
        tally = await talk([create_app(build_graph(resources)).state.turns], model, replies, seed, turns)
    assert tally.wrong == []
    assert tally.found > share * tally.later


@pytest.mark.soak
async def test_no_prompt_holds_words_of_two_callers_of_two_processes(postgres_url: str) -> None:
    replies = Replies(random.Random(5))
    model = ScriptedChatModel(replies)
    async with (
        open_resources(postgres_url, model=model) as one,
        open_resources(postgres_url, model=model) as other,
    ):
        servers = [create_app(build_graph(resources)).state.turns for resources in (one, other)]
        tally = await talk(servers, model, replies, 5, 2_000)
    assert tally.wrong == []
    assert tally.found > 0.9 * tally.later
