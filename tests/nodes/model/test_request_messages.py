"""The messages of a request, in the order that a server takes."""

from langchain_core.messages import HumanMessage

from voicegraph.nodes.model.request.request_form import PLAINEST
from voicegraph.nodes.model.request.request_messages import request_messages


def test_speakers_are_told_apart_where_their_messages_are_joined() -> None:
    said = [
        HumanMessage("Hi.", name="ada"),
        HumanMessage("Me too.", name="ada"),
        HumanMessage("Hello.", name="bob"),
        HumanMessage("And?"),
    ]
    [message] = request_messages("", said, None, PLAINEST)
    assert message.text == "ada:\n\nHi.\n\nMe too.\n\nbob:\n\nHello.\n\nAnd?"
