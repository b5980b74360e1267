"""The request form that a model server accepts, learned from what it refuses.

A model starts with the form of its provider. If its server refuses a field, the tools or the order of roles
by name, the form changes for the life of the process, which is logged once.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ....state.errors import RequestRefused
from ..errors.refusal_words import (
    concerns_order,
    concerns_pictures,
    concerns_tools,
    is_unknown_field,
    named_fields,
)

log = logging.getLogger(__name__)

_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls", "strict"})
_ANSWER_LENGTHS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestForm:
    """How a request to a server is written.

    `left_out`: fields that are not sent, top-level or within messages and tools. `complete`: a tool's result
    is followed by a reply, and the last message is the user's or a tool's. `alternating`: the user starts,
    and adjacent messages of one role are joined. `text_only`: pictures and audio are described in words.
    `answer_length`: the name of the field that limits the answer.
    """

    left_out: frozenset[str] = frozenset()
    complete: bool = False
    alternating: bool = False
    text_only: bool = False
    answer_length: str = "max_tokens"

    def without(self, fields: Iterable[str]) -> "RequestForm":
        """Return this form without more fields; the length limit is first tried under its other name."""
        named = frozenset(fields)
        lengths = named & _ANSWER_LENGTHS.keys()
        if lengths and self.answer_length in lengths:
            other = _ANSWER_LENGTHS[self.answer_length]
            if other not in self.left_out:
                left = named - lengths | {self.answer_length}
                return replace(self, left_out=self.left_out | left, answer_length=other)
        return replace(self, left_out=self.left_out | named)


OPENAI = RequestForm(answer_length="max_completion_tokens")
"""OpenAI itself and Azure: all fields, any order of roles."""
COMPATIBLE = RequestForm(left_out=frozenset({"user"}))
"""An unknown server that speaks OpenAI's protocol."""
PLAINEST = RequestForm(
    left_out=frozenset({"user", "stream_options", "strict", "parallel_tool_calls", "tool_choice", "name"}),
    complete=True,
    alternating=True,
)
"""What every server accepts."""
LANGCHAIN = RequestForm(answer_length="max_completion_tokens")
"""Another provider through LangChain, which writes the request in that provider's format."""

_HOSTS = {
    "api.openai.com": OPENAI,
    "openai.azure.com": OPENAI,
    "api.mistral.ai": replace(COMPATIBLE.without({"stream_options"}), complete=True),
    "api.cerebras.ai": COMPATIBLE.without({"strict"}),
    "generativelanguage.googleapis.com": COMPATIBLE.without({"strict"}),
}


def form_of_server(base_url: str) -> RequestForm:
    """Return the form for a server that speaks OpenAI's protocol, by its address."""
    host = urlsplit(base_url).hostname or ""
    return next((form for known, form in _HOSTS.items() if f".{host}".endswith(f".{known}")), COMPATIBLE)


class LearnedForm:
    """The form of one model, which adapts to what its server refuses."""

    def __init__(self, form: RequestForm) -> None:
        self.form = form

    def after(
        self, refusal: RequestRefused, form: RequestForm, sent: Iterable[str], model: str
    ) -> RequestForm | None:
        """Return another form for a request refused in `form`, `None` if the refusal suggests none.

        `sent` are the names of its fields. Fields that the server does not know are left out of later
        requests too; a refused value concerns only this request.
        """
        words = refusal.words
        if concerns_order(words) and not (form.alternating and form.complete):
            strict = replace(form, alternating=True, complete=True)
            return self._learn(form, strict, "the order of roles", model)
        fields = set(sent) - form.left_out
        if concerns_tools(words) and "tools" in fields:
            return self._learn(form, form.without(_TOOLS), "tools", model)
        if concerns_pictures(words) and not form.text_only:
            return self._learn(form, replace(form, text_only=True), "pictures and sound", model)
        named = named_fields(words, fields)
        if "strict" in named:
            named -= {"tools"}
        if not named or named <= form.left_out:
            return None
        changed = form.without(named)
        if is_unknown_field(words):
            return self._learn(form, changed, ", ".join(sorted(named)), model)
        return changed

    def keep(self, form: RequestForm, model: str) -> None:
        """Use `form` from now on: it succeeded where another form was refused."""
        if form != self.form:
            self._learn(self.form, form, "something that it does not name", model)

    def _learn(self, old: RequestForm, new: RequestForm, what: str, model: str) -> RequestForm:
        if old == self.form:
            log.warning("the server refuses %s: later requests omit it", what, extra={"model": model})
            self.form = new
        return new
