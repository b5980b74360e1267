"""What a test sees of the served agent that its client calls."""

from dataclasses import dataclass
from pathlib import Path

from openai_server import OpenAIServer, Recorded
from serving import Process


@dataclass
class Phone:
    """A served agent with tools, its model, and what its tools did; all since the test began."""

    process: Process
    runs: Path
    thread: str
    """Names the test's conversation."""
    before: int

    @property
    def url(self) -> str:
        return self.process.url

    @property
    def backend(self) -> OpenAIServer:
        return self.process.backend

    @property
    def requests(self) -> list[Recorded]:
        """What the model was asked."""
        return self.backend.requests[self.before :]

    def asked(self, number: int = -1) -> list[tuple[str, str]]:
        """Return a request to the model, without its system message: roles and words."""
        messages = self.requests[number].messages
        return [(m["role"], m.get("content") or "") for m in messages if m["role"] != "system"]

    async def is_asked(self, times: int) -> None:
        """Wait until the model was asked so many times."""
        await self.backend.async_wait_for_requests(self.before + times, within=20)
