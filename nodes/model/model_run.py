"""Report a model call to callbacks and tracers, for an answer that LangChain does not read itself."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from langchain_core.callbacks.manager import AsyncCallbackManager, AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, InvalidToolCall, ToolCall
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult

from ...state.usage import Usage
from ..turn.model_callbacks import observers
from .request.openai_request import RawRequest
from .stream.call_arguments import call_arguments
from .stream.call_assembly import CallAssembly
from .stream.delta import Delta
from .stream.provider_fields import ProviderFields


async def announced(
    stream: AsyncGenerator[Delta],
    request: RawRequest,
    messages: Sequence[BaseMessage],
    manager: AsyncCallbackManager,
) -> AsyncGenerator[Delta]:
    """Yield the deltas of a stream, and report it as a model call to the handlers of `manager`."""
    async with aclosing(stream) as deltas:
        answer = _Answer(str(request.payload.get("model")))
        run = await _begin(request, messages, manager)
        try:
            async for delta in deltas:
                await run.on_llm_new_token(delta.text, chunk=answer.add(delta))
                yield delta
        except BaseException as error:
            if answer.finish_reason is not None:  # Everything of interest has arrived.
                await run.on_llm_end(answer.result())
            else:
                await run.on_llm_error(error, response=answer.result())
            raise
        await run.on_llm_end(answer.result())


def followers(request: RawRequest) -> AsyncCallbackManager | None:
    """Return the manager to which a request's call is reported, `None` without handlers."""
    return observers(
        request.chat,
        {
            "ls_provider": "openai",
            "ls_model_name": request.payload.get("model"),
            "ls_model_type": "chat",
        },
    )


async def _begin(
    request: RawRequest, messages: Sequence[BaseMessage], manager: AsyncCallbackManager
) -> AsyncCallbackManagerForLLMRun:
    kind, payload = type(request.chat), request.payload
    runs = await manager.on_chat_model_start(
        {"lc": 1, "type": "not_implemented", "id": [*kind.__module__.split("."), kind.__name__]},
        [list(messages)],
        invocation_params={name: value for name, value in payload.items() if name != "messages"},
        options={"stop": payload.get("stop")},
        name=kind.__name__,
        batch_size=1,
    )
    return runs[0]


class _Answer:
    """The whole message from the deltas, as the model wrote it."""

    def __init__(self, model: str) -> None:
        self.finish_reason: str | None = None
        self._model = model
        self._text = ""
        self._usage: Usage | None = None
        self._calls = CallAssembly()
        self._fields = ProviderFields()

    def add(self, delta: Delta) -> ChatGenerationChunk:
        """Add a delta; return it as LangChain's chunk."""
        self._text += "" if delta.whole and self._text else delta.text
        self._calls.begin_chunk()
        for fragment in delta.calls:
            self._calls.add(fragment, whole=delta.whole)
        self._fields.add(delta.extras, delta.blocks, delta.whole)
        self.finish_reason = delta.finish_reason or self.finish_reason
        self._usage = delta.usage or self._usage
        calls = [
            tool_call_chunk(name=call.name, args=call.arguments, id=call.id, index=call.index)
            for call in delta.calls
        ]
        extras = dict(delta.extras or {})
        message = AIMessageChunk(content=delta.text, tool_call_chunks=calls, additional_kwargs=extras)
        return ChatGenerationChunk(message=message)

    def result(self) -> LLMResult:
        """Return the answer so far."""
        self._calls.end()
        calls: list[ToolCall] = []
        invalid: list[InvalidToolCall] = []
        for call in self._calls.calls:
            arguments = call_arguments(call.arguments)
            if arguments is not None:
                calls.append(ToolCall(name=call.name, args=arguments, id=call.id))
            else:
                invalid.append(
                    InvalidToolCall(
                        type="invalid_tool_call",
                        name=call.name,
                        args=call.arguments,
                        id=call.id,
                        error=None,
                    )
                )
        message = AIMessage(
            content=self._text,
            tool_calls=calls,
            invalid_tool_calls=invalid,
            additional_kwargs=(self._fields.data(self._model) or {}).get("message", {}),
            response_metadata={
                "finish_reason": self.finish_reason,
                "model_name": self._model,
                "model_provider": "openai",
            },
            usage_metadata=None if self._usage is None else _usage(self._usage),
        )
        return LLMResult(generations=[[ChatGeneration(message=message)]])


def _usage(usage: Usage) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        total_tokens=usage["input_tokens"] + usage["output_tokens"],
        input_token_details=InputTokenDetails(cache_read=usage["cached_tokens"]),
    )
