"""Many calls at once on one database, the same each time that they are made from the same seed."""

import random

from .between import begin, between
from .call import Call
from .phone import Phone, served
from .turns import farewell, turn

CALLS = 10
"""Calls of one seed."""


async def drive(url: str, seed: int) -> None:
    """Make the calls of a seed on an empty database."""
    trims = seed % 3 == 0
    window = {"message_buffer_limit": 20, "message_buffer_min": 12} if trims else {}
    async with served(url, **window) as phone:
        await phone.time.run([_talk(phone, seed, place, trims=trims) for place in range(CALLS)])


async def _talk(phone: Phone, seed: int, place: int, *, trims: bool) -> None:
    number = seed * CALLS + place
    dice = random.Random(number)
    call = Call(phone, number, dice, trims=trims)
    try:
        await phone.time.sleep(dice.uniform(0, 10))
        await begin(call)
        for _ in range(dice.randint(2, 5)):
            await turn(call)
            await between(call)
        await farewell(call)
        await call.end(call.open)
        await call.check_record()
    except Exception as error:
        story = "\n".join(call.log)
        error.add_note(f"call {number} of seed {seed}, a client like {call.kind_name}:\n{story}")
        raise
