"""A reply is cut at its limit, in words and in arguments of tools."""

import asyncio

from ear import Ear
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.model.stream.delta import CallFragment, Delta
from voicegraph.nodes.replies.reply import BAD_ARGUMENTS, Reply


@given(st.lists(st.text("ab ", max_size=9)), st.integers(0, 30))
def test_a_reply_is_cut_at_its_limit_wherever_its_chunks_end(
    new_ear: type[Ear], pieces: list[str], longest: int
) -> None:
    async def check() -> None:
        reply = Reply(await new_ear().listen(), longest=longest)
        for piece in pieces:
            await reply.feed(Delta(text=piece))
        await reply.close()
        assert reply.said == "".join(pieces)[:longest]
        assert reply.finish_reason == ("length" if len("".join(pieces)) > longest else None)

    asyncio.run(check())


async def test_arguments_are_cut_at_the_limit_of_a_reply(ear: Ear) -> None:
    reply = Reply(await ear.listen(), longest=20)
    await reply.feed(Delta(text="Hello.", calls=(CallFragment(0, "1", "f", '{"a": "' + "b" * 100),)))
    await reply.feed(Delta(calls=(CallFragment(0, None, None, '"}'),)))
    assert (reply.finish_reason, reply.size > 20) == ("length", True)
    assert reply.message("m", 1.0, ()).additional_kwargs[BAD_ARGUMENTS] == ["1"]
