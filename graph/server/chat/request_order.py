"""Track the order of requests: finding one's thread may take longer than finding a newer one's."""

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class OrderedRequest:
    """A request whose thread is being looked up; `number` is its place in the order of arrival."""

    number: int


class RequestOrder:
    """Detects that a newer request has started a turn on the thread of an older one."""

    def __init__(self) -> None:
        self._last = 0
        self._waiting: set[OrderedRequest] = set()
        self._begun: dict[str, int] = {}
        """The newest request that has started a turn, by thread, as long as an older one is waiting."""

    def arrive(self) -> OrderedRequest:
        """Register a request that has just arrived."""
        self._last += 1
        arrival = OrderedRequest(self._last)
        self._waiting.add(arrival)
        return arrival

    def again(self, arrival: OrderedRequest) -> None:
        """Note that the same request has arrived again: it is now the newest."""
        self._last += 1
        arrival.number = self._last

    def overtaken(self, arrival: OrderedRequest, thread_id: str) -> bool:
        """Return whether a newer request has started a turn on the thread; if not, note this one's start."""
        if self._begun.get(thread_id, 0) > arrival.number:
            return True
        self._begun[thread_id] = arrival.number
        return False

    def leave(self, arrival: OrderedRequest) -> None:
        """Forget a request that no longer waits: its turn has started, or never will."""
        self._waiting.discard(arrival)
        oldest = min((other.number for other in self._waiting), default=self._last)
        self._begun = {thread_id: begun for thread_id, begun in self._begun.items() if begun > oldest}
