"""The models of a process, by name: `openai:NAME`, `local:smollm2`, or any LangChain chat model."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import httpx2
import orjson
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from ..state.errors import InvalidSetting
from .request_form import COMPATIBLE, LANGCHAIN, LearnedForm, RequestForm, form_of_server
from .tools.registry import VoiceTool

if TYPE_CHECKING:
    from .local_model import LocalServer

LOCAL_MODEL = "local:smollm2"
_MOST_TOOL_SETS = 256
_CONNECTIONS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=60)
_TIMEOUTS = httpx2.Timeout(None, connect=5.0)


@dataclass(frozen=True, kw_only=True)
class VoiceModel:
    """A chat model and what is special about it."""

    name: str
    chat: BaseChatModel
    calls_tools: bool = True
    small: bool = False
    """True for a model that follows only a very short prompt."""
    patience: float = 1.0
    """How many times longer than usual its first token may take."""
    learned: LearnedForm = field(default_factory=lambda: LearnedForm(LANGCHAIN))
    """How its server wants requests to be written, as far as that is known."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Sampling settings that suit it; an agent's own settings come on top."""
    _bound: dict[tuple[VoiceTool | str, ...], Runnable[Any, BaseMessage]] = field(
        default_factory=dict[tuple[VoiceTool | str, ...], Runnable[Any, BaseMessage]], repr=False
    )

    def with_tools(
        self, tools: Sequence[VoiceTool], client_tools: Sequence[Mapping[str, Any]], form: RequestForm
    ) -> Runnable[Any, Any]:
        """Return the model with the tools bound to it; their schemas are sent as built, once a set.

        `strict` is one value for all of them: several servers refuse a mixture.
        """
        if not tools and not client_tools:
            return self.chat
        strict = "strict" not in form.left_out
        strict = strict and all(tool.strict for tool in tools) and all(map(_is_strict, client_tools))
        key = (*tools, orjson.dumps(client_tools).decode(), str(strict))
        if key not in self._bound:
            if len(self._bound) >= _MOST_TOOL_SETS:
                self._bound.clear()
            try:
                own = [tool.describe(strict) for tool in tools]
                of_client = map(dict if strict else _not_strict, client_tools)
                self._bound[key] = self.chat.bind_tools([*own, *of_client])
            except NotImplementedError:  # It calls no tools: then it talks.
                self._bound[key] = self.chat
        return self._bound[key]


def _is_strict(tool: Mapping[str, Any]) -> bool:
    return tool["function"].get("strict") is True


def _not_strict(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = {name: value for name, value in tool["function"].items() if name != "strict"}
    return {**tool, "function": function}


def _form_of(chat: BaseChatModel) -> RequestForm:
    """Return the form of a chat model: OpenAI's client may speak to any server."""
    client = getattr(chat, "root_async_client", None)
    return LANGCHAIN if client is None else form_of_server(str(client.base_url))


class Models:
    """All models of a process over one pooled HTTP client; `default` serves agents that name none."""

    def __init__(self, default: str | BaseChatModel) -> None:
        self._made: dict[str, VoiceModel] = {}
        self._client: httpx2.AsyncClient | None = None
        self._local: LocalServer | None = None
        if isinstance(default, BaseChatModel):
            self.default = "custom"
            self.add("custom", default)
        else:
            self.default = default
            check_model_name(default)

    def get(self, name: str | None) -> VoiceModel:
        """Return the model of that name, the default one for `None`; it is made on first use.

        Raises `InvalidSetting` for a name that leads to no model, `MissingExtra` for `local:` without it.
        """
        name = name or self.default
        if name not in self._made:
            check_model_name(name)
            self._made[name] = self._make(name)
        return self._made[name]

    def add(self, name: str, chat: BaseChatModel) -> None:
        """Serve a LangChain chat model by this name."""
        self._made[name] = VoiceModel(name=name, chat=chat, learned=LearnedForm(_form_of(chat)))

    def substitute(self, name: str, other: str) -> None:
        """Serve the model `other` to whoever asks for `name` from now on; raises what `get` does."""
        self._made[name] = self.get(other)

    async def aclose(self) -> None:
        """Close the HTTP client and the embedded server."""
        if self._client is not None:
            await self._client.aclose()
        if self._local is not None:
            self._local.stop()

    def _make(self, name: str) -> VoiceModel:
        if name == LOCAL_MODEL:
            from .local_model import LocalServer

            self._local = LocalServer()
            # The embedded server drops kept connections now and then.
            headers = {"Connection": "close"}
            chat = self._chat_openai("smollm2", self._local.start(), "local", headers)
            # ChatML takes any order of roles, and every word more can lead it astray.
            form = LearnedForm(replace(COMPATIBLE, complete=False))
            return VoiceModel(
                name=name,
                chat=chat,
                calls_tools=False,
                small=True,
                patience=8.0,
                settings=LOCAL_SETTINGS,
                learned=form,
            )
        key = os.environ.get("OPENAI_API_KEY")
        if not key and not os.environ.get("OPENAI_BASE_URL"):
            raise InvalidSetting(
                f"'{name}' needs a key: set OPENAI_API_KEY (or OPENAI_BASE_URL for a server of your own)"
            )
        chat = self._chat_openai(name.partition(":")[2], None, key or "none")
        return VoiceModel(name=name, chat=chat, learned=LearnedForm(_form_of(chat)))

    def _chat_openai(
        self, model: str, base_url: str | None, api_key: str, headers: Mapping[str, str] | None = None
    ) -> BaseChatModel:
        from langchain_openai import ChatOpenAI  # Half a second to import: only when a model is used.

        if self._client is None:
            self._client = httpx2.AsyncClient(limits=_CONNECTIONS, timeout=_TIMEOUTS, follow_redirects=True)
        return ChatOpenAI(
            model=model,
            base_url=base_url,
            default_headers=headers,
            api_key=api_key,  # pyright: ignore[reportArgumentType]
            max_retries=0,  # Retries are the turn's: they know its latency budget.
            stream_usage=True,
            stream_chunk_timeout=None,
            timeout=_TIMEOUTS,
            http_async_client=self._client,
        )


LOCAL_SETTINGS: Mapping[str, Any] = {"temperature": 0.3, "max_completion_tokens": 120}


def default_model() -> str:
    """Return the model of a first run: OpenAI's when there is a key or a server, else the embedded one."""
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        return "openai:gpt-4.1-mini"
    return LOCAL_MODEL


def check_model_name(name: str) -> None:
    """Raise `InvalidSetting` when `name` is not the name of a model."""
    provider, _, model = name.partition(":")
    if not (provider == "openai" and model) and name != LOCAL_MODEL:
        raise InvalidSetting(f"no model '{name}': write openai:NAME or {LOCAL_MODEL}")
