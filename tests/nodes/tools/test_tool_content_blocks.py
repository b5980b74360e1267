"""Content blocks in a tool's result, and records that only look like some."""

import base64
import json
from typing import Any

import pytest
from pydantic import BaseModel

from voicegraph.nodes.tools.results.result_text import result_text

DATA = base64.b64encode(bytes(12_345)).decode()

RECORDS = [
    {"type": "document", "title": "Invoice 1", "amount": 100},
    {"type": "file", "path": "/a"},
    {"type": "file", "name": "a.txt", "owner": "Ada", "url": "https://example.com"},
    {"type": "json", "value": 1},
    {"type": "image", "width": 3},
    {"type": "image", "data": "a picture of the sea"},
    {"type": "search_result", "title": "A", "url": "https://example.com"},
    {"type": "text", "text": "hello", "author": "Ada"},
    {"type": "text", "text": 5},
    {"type": "resource", "resource": "room 4"},
    {"type": "resource", "resource": {"name": "room 4"}},
    {"type": "audio", "length": 3},
    {"type": "invoice", "text": "hello"},
    {"type": ["text"], "text": "hello"},
]


@pytest.mark.parametrize("record", RECORDS, ids=str)
def test_records_with_a_type_reach_the_model_as_json(record: dict[str, Any]) -> None:
    assert json.loads(result_text([record])) == [record]
    assert json.loads(result_text(record)) == record
    assert json.loads(result_text([record, {"type": "text", "text": "hello"}]))[0] == record


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "text", "text": "Sunny."}, "Sunny."),
        ({"type": "text", "text": "Sunny.", "annotations": None, "_meta": {}}, "Sunny."),
        ({"type": "image", "data": DATA, "mimeType": "image/png"}, "[image, image/png, 12,345 bytes]"),
        (
            {"type": "image", "base64": DATA, "mime_type": "image/png", "id": "1"},
            "[image, image/png, 12,345 bytes]",
        ),
        (
            {"type": "image", "source_type": "base64", "data": DATA, "mime_type": "image/png"},
            "[image, image/png, 12,345 bytes]",
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
            "[image, image/png, 12,345 bytes]",
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x.org/a.png", "detail": "low"}},
            "[image, https://x.org/a.png]",
        ),
        ({"type": "image_url", "image_url": "https://x.org/a.png"}, "[image, https://x.org/a.png]"),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
            "[image, 12,345 bytes]",
        ),
        ({"type": "audio", "data": DATA, "mimeType": "audio/wav"}, "[audio, audio/wav, 12,345 bytes]"),
        (
            {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}},
            "[audio, wav, 12,345 bytes]",
        ),
        (
            {"type": "video", "url": "https://x.org/a.mp4", "mime_type": "video/mp4"},
            "[video, video/mp4, https://x.org/a.mp4]",
        ),
        ({"type": "file", "file": {"file_data": DATA, "filename": "a.pdf"}}, "[file, a.pdf, 12,345 bytes]"),
        ({"type": "file", "file_id": "file-1"}, "[file, file-1]"),
        (
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": DATA},
                "title": "Bill",
            },
            "[document, Bill, application/pdf, 12,345 bytes]",
        ),
        (
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "Pay."},
                "title": "Bill",
            },
            "Bill\nPay.",
        ),
        (
            {
                "type": "document",
                "source": {"type": "content", "content": [{"type": "text", "text": "Pay."}]},
            },
            "Pay.",
        ),
        (
            {
                "type": "search_result",
                "source": "https://x.org",
                "title": "A",
                "content": [{"type": "text", "text": "b"}],
            },
            "A (https://x.org)\nb",
        ),
        (
            {
                "type": "resource",
                "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "inside"},
            },
            "[resource, file:///a]\ninside",
        ),
        (
            {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "image/png", "blob": DATA}},
            "[resource, image/png, file:///a, 12,345 bytes]",
        ),
        (
            {"type": "resource_link", "uri": "file:///a", "name": "a", "size": 5, "description": "A file."},
            "[resource, a, file:///a, 5 bytes]: A file.",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_content_block_gives_its_text_or_is_described(block: dict[str, Any], text: str) -> None:
    assert result_text([block]) == text
    assert result_text(block) == text
    assert result_text(["Look:", block]) == f"Look:\n{text}"


def test_blocks_that_are_objects_are_read_like_those_that_are_records() -> None:
    class TextContent(BaseModel):
        type: str = "text"
        text: str
        annotations: None = None

    class Resource(BaseModel):
        uri: str
        text: str

    class EmbeddedResource(BaseModel):
        type: str = "resource"
        resource: Resource

    class CallToolResult(BaseModel):
        content: list[Any]
        isError: bool = False

    blocks = [TextContent(text="Look:"), EmbeddedResource(resource=Resource(uri="file:///a", text="inside"))]
    assert result_text(blocks) == "Look:\n[resource, file:///a]\ninside"
    assert result_text(CallToolResult(content=blocks)) == "Look:\n[resource, file:///a]\ninside"
