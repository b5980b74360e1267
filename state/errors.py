"""Every error that voicegraph raises, in one tree.

::

    VoicegraphError
    ├── InvalidInput            the caller sent something that cannot be used
    │   ├── InvalidMessage      empty, too long, or not a message
    │   ├── InvalidSetting      a setting, model name or tool that cannot be used
    │   ├── BlockTooLong        over the block's limit in characters
    │   └── AlreadyExists       a name that is taken
    ├── NotFound
    │   ├── AgentNotFound
    │   ├── ThreadNotFound
    │   ├── BlockNotFound
    │   ├── CheckpointNotFound  the thread has no such checkpoint, or it was pruned
    │   ├── NothingToUndo       the block has no change to undo or redo
    │   └── NothingToResume     the thread's last turn has ended
    ├── Conflict
    │   ├── StaleVersion        it was changed in the meantime
    │   ├── ThreadBusy          a turn runs on the thread (policy `reject`)
    │   └── ThreadTaken         the thread belongs to another agent or user
    ├── MissingExtra            an optional dependency is not installed
    ├── StorageError            the database cannot be opened, read or written
    │   ├── DatabaseBusy        all of its connections are in use: retryable
    │   └── ThreadLost          another process took over the thread while the database was unreachable
    └── ModelError              the language model did not answer properly
            ├── ModelRefused        bad key, unknown model, no credit: retrying is useless
            │   └── RequestRefused  the request itself: a smaller one may be accepted
            │       └── ContentFiltered  the provider's content filter refused the text
            ├── ContextTooLong      the request does not fit the model's context
            ├── ModelUnavailable    overloaded, down, unreachable: retryable
            ├── ModelTimeout        no first token, or the stream stalled: retryable
            └── ModelProtocolError  a response that cannot be parsed: retryable

Messages say what happened and what to do. They never contain a key, a prompt or a caller's words.
"""


class VoicegraphError(Exception):
    """Base of all errors raised on purpose.

    `code` is a stable name for programs, `retryable` says whether the same call may succeed later.
    """

    code = "error"
    retryable = False


class InvalidInput(VoicegraphError):
    """The caller sent something that cannot be used."""

    code = "invalid_input"


class InvalidMessage(InvalidInput):
    """A message is empty, too long, or not a message at all."""

    code = "invalid_message"


class MessageTooLong(InvalidMessage):
    """A message is longer than the limit."""


class InvalidSetting(InvalidInput):
    """A setting, model name, tool path or database URL cannot be used."""

    code = "invalid_setting"


class BlockTooLong(InvalidInput):
    """A block's text is longer than its limit."""

    code = "block_too_long"

    def __init__(self, label: str, size: int, limit: int) -> None:
        super().__init__(f"block '{label}' holds at most {limit} characters, the new text has {size}")
        self.label, self.size, self.limit = label, size, limit


class AlreadyExists(InvalidInput):
    """The name is already in use."""

    code = "already_exists"


class NotFound(VoicegraphError):
    """It does not exist, or belongs to another user."""

    code = "not_found"


class AgentNotFound(NotFound):
    """No such agent for this user."""

    code = "agent_not_found"

    def __init__(self, agent: str) -> None:
        super().__init__(f"no agent '{agent}' (create it with: voicegraph agents create {agent})")
        self.agent = agent


class ThreadNotFound(NotFound):
    """No such thread for this user."""

    code = "thread_not_found"

    def __init__(self, thread_id: str) -> None:
        super().__init__(f"no thread '{thread_id}' (see them with: voicegraph threads)")
        self.thread_id = thread_id


class BlockNotFound(NotFound):
    """No such memory block for this agent or user."""

    code = "block_not_found"


class CheckpointNotFound(NotFound):
    """The thread has no such checkpoint; old ones are pruned."""

    code = "checkpoint_not_found"

    def __init__(self, thread_id: str, checkpoint_id: str) -> None:
        super().__init__(
            f"thread '{thread_id}' has no checkpoint '{checkpoint_id[:64]}' "
            f"(see them with: voicegraph checkpoints {thread_id})"
        )
        self.thread_id, self.checkpoint_id = thread_id, checkpoint_id


class NothingToUndo(NotFound):
    """The block has no change to undo, or no undone change to redo."""

    code = "nothing_to_undo"


class NothingToResume(NotFound):
    """The last turn of the thread has ended, or there was none."""

    code = "nothing_to_resume"


class Conflict(VoicegraphError):
    """The current state does not allow it; another caller changed or holds it."""

    code = "conflict"


class StaleVersion(Conflict):
    """An optimistic write failed: the stored version is newer."""

    code = "stale_version"


class ThreadBusy(Conflict):
    """A turn is running on the thread, and the policy is to reject a second one."""

    code = "thread_busy"
    retryable = True


class ThreadTaken(Conflict):
    """The thread id belongs to another agent or user."""

    code = "thread_taken"


class MissingExtra(VoicegraphError):
    """An optional dependency is not installed."""

    code = "missing_extra"

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': pip install 'voicegraph[{extra}]'")
        self.extra = extra


class StorageError(VoicegraphError):
    """The database cannot be opened, read or written.

    `public` is the reason that any client may see: it names no file, server or user.
    """

    code = "storage"
    public = "the database failed"


class DatabaseBusy(StorageError):
    """All connections to the database are in use, and none became free in time.

    `retry_after` is the number of seconds to wait before retrying.
    """

    code = "database_busy"
    public = "all connections to the database are in use"
    retryable = True
    retry_after = 1.0


class ThreadLost(StorageError):
    """Another process took over the thread while the database was unreachable."""

    code = "thread_lost"

    def __init__(self, thread_id: str) -> None:
        super().__init__(
            f"thread '{thread_id}' was taken over by another process: the database was unreachable"
        )
        self.thread_id = thread_id


class ModelError(VoicegraphError):
    """The language model did not answer properly."""

    code = "model"


class ModelRefused(ModelError):
    """The provider refuses: bad key, unknown model, no credit. Retrying is useless."""

    code = "model_refused"


class RequestRefused(ModelRefused):
    """The provider does not accept this request.

    `words` is the provider's message, to classify the refusal; it may quote the caller, so it is never shown.
    """

    code = "request_refused"

    def __init__(self, message: str, *, words: str = "") -> None:
        super().__init__(message)
        self.words = words


class ContentFiltered(RequestRefused):
    """The provider's content filter refused the request's text."""

    code = "content_filter"


class ContextTooLong(ModelError):
    """The request does not fit the model's context window."""

    code = "context_too_long"


class ModelUnavailable(ModelError):
    """The provider is overloaded, down or unreachable.

    `retry_after` is the number of seconds it asked to wait, if any. `crashed` is true if the server failed on
    this request (HTTP 500): it may fail on it again.
    """

    code = "model_unavailable"
    retryable = True

    def __init__(self, message: str, retry_after: float | None = None, *, crashed: bool = False) -> None:
        super().__init__(message)
        self.retry_after, self.crashed = retry_after, crashed


class ModelTimeout(ModelError):
    """No first token before its deadline, or no further token within the stall limit."""

    code = "model_timeout"
    retryable = True


class ModelProtocolError(ModelError):
    """The provider sent something other than a chat completion stream."""

    code = "model_protocol"
    retryable = True
