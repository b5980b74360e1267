"""The models of a process, by name: `openai:NAME`, `local:smollm2`, or any LangChain chat model."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from ...state.errors import InvalidSetting
from ..tools.registry import VoiceTool
from .access.http_clients import HttpClients, open_clients
from .access.provider_access import (
    OPENAI_URL,
    OpenAIAccess,
    has_openai_access,
    openai_access,
    required_openai_access,
)
from .request.request_form import COMPATIBLE, LANGCHAIN, LearnedForm, RequestForm, form_of_server

if TYPE_CHECKING:
    from .local_model import LocalServer

LOCAL_MODEL = "local:smollm2"
NOT_CALLED = "openai:none"
"""The default model of processes that only read: it is never created."""
MOST_TOOL_CHARACTERS = 2_000_000
"""Maximum characters of all tool descriptions cached per model."""
MOST_MODELS = 64
"""Maximum number of cached models, about 1 MB each: their names come from agents."""
LONGEST_NAME = 200
"""Maximum length of a model's name."""
_CONNECTIONS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=60)
_TIMEOUTS = httpx2.Timeout(None, connect=5.0)


@dataclass(frozen=True, kw_only=True)
class VoiceModel:
    """A chat model and its properties."""

    name: str
    chat: BaseChatModel
    calls_tools: bool = True
    small: bool = False
    """True for a model that can follow only a very short prompt."""
    patience: float = 1.0
    """Factor for the time that its first token may take."""
    learned: LearnedForm = field(default_factory=lambda: LearnedForm(LANGCHAIN))
    """The request form that its server accepts, as far as known."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Default sampling settings; an agent's own settings override them."""
    _bound: dict[tuple[VoiceTool | str, ...], Runnable[Any, BaseMessage]] = field(
        default_factory=dict[tuple[VoiceTool | str, ...], Runnable[Any, BaseMessage]], repr=False
    )
    _sizes: list[int] = field(default_factory=list[int], repr=False)
    """Size of the descriptions of each set in `_bound`, in characters."""

    def with_tools(
        self, tools: Sequence[VoiceTool], client_tools: Sequence[Mapping[str, Any]], form: RequestForm
    ) -> Runnable[Any, Any]:
        """Return the model with the tools bound to it; each set's schemas are built once.

        `strict` applies to all of them: several servers refuse a mixture.
        """
        if not tools and not client_tools:
            return self.chat
        strict = "strict" not in form.left_out
        strict = strict and all(tool.strict for tool in tools) and all(map(_is_strict, client_tools))
        key = (*tools, orjson.dumps(client_tools).decode(), str(strict))
        if key not in self._bound:
            own = [tool.describe(strict) for tool in tools]
            self._make_room(len(orjson.dumps(own, default=str)) + len(str(key[-2])))
            try:
                of_client = map(dict if strict else _not_strict, client_tools)
                self._bound[key] = self.chat.bind_tools([*own, *of_client])
            except NotImplementedError:  # A model without tool support: it only talks.
                self._bound[key] = self.chat
        return self._bound[key]

    def _make_room(self, size: int) -> None:
        """Clear the cache if another set of this size would exceed the limit."""
        if sum(self._sizes) + size > MOST_TOOL_CHARACTERS:
            self._bound.clear()
            self._sizes.clear()
        self._sizes.append(size)


def _is_strict(tool: Mapping[str, Any]) -> bool:
    return tool["function"].get("strict") is True


def _not_strict(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = {name: value for name, value in tool["function"].items() if name != "strict"}
    return {**tool, "function": function}


def _form_of(chat: BaseChatModel) -> RequestForm:
    """Return the request form of a chat model: OpenAI's client may use any server."""
    client = getattr(chat, "root_async_client", None)
    return LANGCHAIN if client is None else form_of_server(str(client.base_url))


class Models:
    """All models of a process over pooled HTTP clients; `default` serves agents that name none."""

    def __init__(self, default: str | BaseChatModel) -> None:
        self._given: dict[str, VoiceModel] = {}
        self._made: dict[str, VoiceModel] = {}
        """Models that can be recreated: their names come from agents."""
        self._clients: dict[str, HttpClients] = {}
        self._local: LocalServer | None = None
        if isinstance(default, BaseChatModel):
            self.default = "custom"
            self.add("custom", default)
        else:
            self.default = default
            check_model_name(default)
            if default != LOCAL_MODEL:
                openai_access()  # Detect a wrong key or address now, not in a turn.

    def get(self, name: str | None) -> VoiceModel:
        """Return the model with that name, the default one for `None`; it is created on first use.

        Raises `InvalidSetting` for an unknown model, `MissingExtra` for `local:` without that extra.
        """
        name = name or self.default
        known = self._given.get(name) or self._made.get(name)
        if known is not None:
            return known
        check_model_name(name)
        if name == LOCAL_MODEL:
            made = self._given[name] = self._embedded()
            return made
        if len(self._made) >= MOST_MODELS:
            del self._made[next(iter(self._made))]
        made = self._made[name] = self._openai(name)
        return made

    async def ready(self) -> None:
        """Create the default model now: its library takes a second to import, for which a caller would wait.

        Without a key this is left to the first turn, which says so. Raises `MissingExtra` for `local:`
        without that extra.
        """
        if self.default == LOCAL_MODEL or (self.default != NOT_CALLED and has_openai_access()):
            await asyncio.to_thread(self.get, None)

    def add(self, name: str, chat: BaseChatModel) -> None:
        """Register a LangChain chat model under this name."""
        self._given[name] = VoiceModel(name=name, chat=chat, learned=LearnedForm(_form_of(chat)))

    def substitute(self, name: str, other: str) -> None:
        """Use the model `other` for `name` from now on; raises what `get` does."""
        self._given[name] = self.get(other)

    async def aclose(self) -> None:
        """Close the HTTP clients and the embedded server."""
        for clients in self._clients.values():
            await clients.aclose()
        if self._local is not None:
            self._local.stop()

    def _embedded(self) -> VoiceModel:
        from .local_model import LocalServer

        self._local = LocalServer()
        # The embedded server sometimes drops keep-alive connections.
        access = OpenAIAccess(key="local", base_url=self._local.start(), organization=None, project=None)
        return VoiceModel(
            name=LOCAL_MODEL,
            chat=self._chat_openai("smollm2", access, {"Connection": "close"}),
            calls_tools=False,
            small=True,
            patience=8.0,
            settings=LOCAL_SETTINGS,
            learned=LearnedForm(COMPATIBLE),
        )

    def _openai(self, name: str) -> VoiceModel:
        chat = self._chat_openai(name.partition(":")[2], required_openai_access(name))
        return VoiceModel(name=name, chat=chat, learned=LearnedForm(_form_of(chat)))

    def _chat_openai(
        self, model: str, access: OpenAIAccess, headers: Mapping[str, str] | None = None
    ) -> BaseChatModel:
        from langchain_openai import ChatOpenAI  # Importing takes half a second: only when a model is used.

        url = access.base_url or OPENAI_URL
        if url not in self._clients:
            self._clients[url] = open_clients(
                url, limits=_CONNECTIONS, timeout=_TIMEOUTS, follow_redirects=True
            )
        chat = ChatOpenAI(
            model=model,
            base_url=access.explicit_url,
            default_headers=headers,
            api_key=access.key or "none",  # pyright: ignore[reportArgumentType]
            max_retries=0,  # The turn itself retries, within its latency budget.
            stream_usage=True,
            stream_chunk_timeout=None,
            timeout=_TIMEOUTS,
            openai_proxy=None,  # The HTTP clients have it.
            http_client=self._clients[url].blocking,
            http_async_client=self._clients[url].turns,
        )
        # By default it would use the environment's values uncleaned.
        chat.root_async_client.organization = access.organization
        chat.root_async_client.project = access.project
        return chat


LOCAL_SETTINGS: Mapping[str, Any] = {"temperature": 0.3, "max_completion_tokens": 120}


def default_model() -> str:
    """Return the default model: OpenAI's if a key or a server is set, else the embedded one."""
    if has_openai_access():
        return "openai:gpt-4.1-mini"
    return LOCAL_MODEL


def check_model_name(name: str) -> None:
    """Raise `InvalidSetting` if `name` is not the name of a model."""
    provider, _, model = name.partition(":")
    if len(name) > LONGEST_NAME:
        raise InvalidSetting(f"a model's name may have at most {LONGEST_NAME} characters")
    if not (provider == "openai" and model) and name != LOCAL_MODEL:
        raise InvalidSetting(f"no model '{name}': write openai:NAME or {LOCAL_MODEL}")
