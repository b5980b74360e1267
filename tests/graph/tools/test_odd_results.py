"""Results that a database or a provider would refuse, or that would be lost on the way to the model."""

import json
from typing import Any

import pytest
from open_voice import OpenVoice
from tool_turns import result_of


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


async def test_half_a_character_in_a_result_is_replaced(open_voice: OpenVoice) -> None:
    def newest_report() -> str:
        """Return the name of the newest report."""
        return "report_\udce4.txt"

    assert (await result_of(open_voice, newest_report)).text == "report_\ufffd.txt"


async def test_a_nul_in_a_result_is_dropped(open_voice: OpenVoice) -> None:
    def read() -> str:
        """Read."""
        return "a\x00b"

    assert (await result_of(open_voice, read)).text == "ab"


async def test_records_with_a_type_reach_the_model_as_json(open_voice: OpenVoice) -> None:
    invoices = [{"type": "document", "title": "Invoice 1", "amount": 100}]

    def find_invoices() -> list[dict[str, Any]]:
        """Find invoices."""
        return invoices

    assert json.loads((await result_of(open_voice, find_invoices)).text) == invoices
