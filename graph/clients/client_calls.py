"""Tool calls of a client's history: pair each result with its call, whatever their ids."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from ...nodes.text.plain_json import plain_json
from ...nodes.window.client_messages import stable_call_id
from ...state.schema import ClientMessage


@dataclass(slots=True)
class _Call:
    """A call of the history with its original id; `number` counts the replies with calls."""

    raw_id: str
    call: dict[str, Any]
    number: int
    answered: bool = False


def read_calls(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the calls of a message, including `function_call` of OpenAI's older format."""
    raw = fields.get("tool_calls")
    calls: list[Any] = list(cast(list[Any], raw)) if isinstance(raw, list) else []
    if not calls and isinstance(fields.get("function_call"), Mapping):
        calls = [{"function": fields["function_call"]}]
    read: list[dict[str, Any]] = []
    for call in calls:
        if isinstance(call, Mapping):
            named = cast(Mapping[str, Any], call)
            inner = named.get("function", named)
            if isinstance(inner, Mapping):
                function = cast(Mapping[str, Any], inner)
                call_id, name = named.get("id"), function.get("name")
                if name or function is not named:
                    args = read_arguments(function.get("arguments", function.get("args")))
                    read.append({"id": text_of_id(call_id), "name": text_of_id(name), "args": args})
    return read


def text_of_id(value: object) -> str:
    """Return an id or a name as text, empty for none."""
    return "" if value is None else str(plain_json(value))


def read_arguments(raw: Any) -> dict[str, Any]:
    """Return the arguments of a call, given as text or as an object; `{}` for anything else."""
    value = raw
    for _ in range(2):  # Some clients encode them twice.
        if isinstance(value, str | bytes):
            value = _from_json(value)
    return plain_json(value) if isinstance(value, dict) else {}


def pair_results(messages: Sequence[ClientMessage]) -> None:
    """Give each call a unique id that providers accept, and its result the same one.

    Results are matched by id, or by tool name and order if the id is empty or unknown. Ids are replaced
    deterministically, since the history comes again with each request.
    """
    named = {message["call_id"] for message in messages if "call_id" in message}
    calls: list[_Call] = []
    used: set[str] = set()
    number = 0
    for message in messages:
        if made := message.get("calls"):
            number += 1
            for call in made:
                raw_id = call["id"]
                call["id"] = _own_id(call, used)
                used.add(call["id"])
                calls.append(_Call(raw_id, call, number))
        elif "call_id" in message:
            found = _call_of(message, calls, named, number)
            raw_id, name = message["call_id"], message.pop("name", "")
            if found is not None:
                found.answered = True
                message["call_id"] = found.call["id"]
            else:
                message["call_id"] = stable_call_id(raw_id, name)


def _own_id(call: Mapping[str, Any], used: set[str]) -> str:
    what = (str(call["name"]), orjson.dumps(call["args"]).decode())
    own, repeats = stable_call_id(call["id"], *what), 0
    while own in used:  # Some servers number the calls of each reply from 0.
        repeats += 1
        own = stable_call_id("", call["id"], *what, str(repeats))
    return own


def _call_of(message: ClientMessage, calls: Sequence[_Call], named: set[str], number: int) -> _Call | None:
    """Return the call that a result answers."""
    raw_id, name = message.get("call_id", ""), message.get("name", "")
    if raw_id:
        same = [call for call in calls if call.raw_id == raw_id]
        if same:
            return _newest([call for call in same if not call.answered]) or same[-1]
    waiting = [call for call in calls if not call.answered and (not call.raw_id or call.raw_id not in named)]
    by_name = [call for call in waiting if name and call.call["name"] == name]
    if by_name or not raw_id:
        return _newest(by_name or waiting)
    return _newest([call for call in waiting if call.number == number])


def _newest(calls: Sequence[_Call]) -> _Call | None:
    """Return the first call of the newest reply: results come in the order of the calls."""
    return next((call for call in calls if call.number == calls[-1].number), None)


def _from_json(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(
            text
        )  # The standard library also accepts unpaired surrogates, `NaN` and long numbers.
    except (ValueError, RecursionError):
        return None
