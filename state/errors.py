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
    │   ├── NothingToUndo       no change of the block to take back, or to bring back
    │   └── NothingToResume     the thread's last turn has ended
    ├── Conflict
    │   ├── StaleVersion        somebody changed it in between
    │   ├── ThreadBusy          a turn runs on the thread (policy `reject`)
    │   └── ThreadTaken         the thread belongs to another agent or user
    ├── MissingExtra            an optional dependency is not installed
    ├── StorageError            the database cannot be opened, read or written
    │   ├── DatabaseBusy        all of its connections are in use: retryable
    │   └── ThreadLost          another process took the thread over while the database was away
    └── ModelError              the language model did not answer as it should
        ├── ModelRefused        bad key, unknown model, no credit: trying again is useless
        │   └── RequestRefused  the request itself: another one, with less in it, may be answered
        │       └── ContentFiltered  the provider's content filter refused the words
        ├── ContextTooLong      the request does not fit the model's context
        ├── ModelUnavailable    overloaded, down, unreachable: retryable
        ├── ModelTimeout        no first token, or none any more: retryable
        └── ModelProtocolError  an answer that cannot be read: retryable

Messages say what happened and what to do. They never hold a key, a prompt or a caller's words.
"""


class VoicegraphError(Exception):
    """Base of all errors raised on purpose.

    `code` is a stable name for programs, `retryable` tells if the same call may succeed later.
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
    """A message has more characters than are taken."""


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
    """The name is taken."""

    code = "already_exists"


class NotFound(VoicegraphError):
    """It does not exist, or belongs to somebody else."""

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
    """The thread has no such checkpoint, or has none any more: old ones are pruned."""

    code = "checkpoint_not_found"

    def __init__(self, thread_id: str, checkpoint_id: str) -> None:
        super().__init__(
            f"thread '{thread_id}' has no checkpoint '{checkpoint_id[:64]}' "
            f"(see them with: voicegraph checkpoints {thread_id})"
        )
        self.thread_id, self.checkpoint_id = thread_id, checkpoint_id


class NothingToUndo(NotFound):
    """The block has no change that an undo could take back, or a redo bring back."""

    code = "nothing_to_undo"


class NothingToResume(NotFound):
    """The last turn of the thread has ended, or there was none."""

    code = "nothing_to_resume"


class Conflict(VoicegraphError):
    """It cannot be done now, because of what somebody else did."""

    code = "conflict"


class StaleVersion(Conflict):
    """An optimistic write came too late: the stored version is a newer one."""

    code = "stale_version"


class ThreadBusy(Conflict):
    """A turn runs on the thread, and the policy is to reject a second one."""

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

    `retry_after` is the number of seconds after which to try again.
    """

    code = "database_busy"
    public = "all connections to the database are in use"
    retryable = True
    retry_after = 1.0


class ThreadLost(StorageError):
    """The database was away, and another process has taken the thread over since."""

    code = "thread_lost"

    def __init__(self, thread_id: str) -> None:
        super().__init__(f"thread '{thread_id}' goes on in another process, since the database was away")
        self.thread_id = thread_id


class ModelError(VoicegraphError):
    """The language model did not answer as it should."""

    code = "model"


class ModelRefused(ModelError):
    """The provider refuses: bad key, unknown model, no credit. Trying again is useless."""

    code = "model_refused"


class RequestRefused(ModelRefused):
    """The provider does not accept the request as it is.

    `words` is what it said, for a search of what it means; it may quote the caller, so it is never shown.
    """

    code = "request_refused"

    def __init__(self, message: str, *, words: str = "") -> None:
        super().__init__(message)
        self.words = words


class ContentFiltered(RequestRefused):
    """The provider's content filter refused what the request holds."""

    code = "content_filter"


class ContextTooLong(ModelError):
    """The request does not fit the model's context window."""

    code = "context_too_long"


class ModelUnavailable(ModelError):
    """The provider is overloaded, down or unreachable.

    `retry_after` is the number of seconds that it asked for, if it did. `crashed` is true when the server
    broke down over the request (HTTP 500): the same one may do it again.
    """

    code = "model_unavailable"
    retryable = True

    def __init__(self, message: str, retry_after: float | None = None, *, crashed: bool = False) -> None:
        super().__init__(message)
        self.retry_after, self.crashed = retry_after, crashed


class ModelTimeout(ModelError):
    """No first token before its deadline, or no further one within the stall limit."""

    code = "model_timeout"
    retryable = True


class ModelProtocolError(ModelError):
    """The provider sent something that is not a chat completion stream."""

    code = "model_protocol"
    retryable = True
