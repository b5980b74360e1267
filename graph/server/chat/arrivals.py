"""The order in which requests came: finding the thread of one may take longer than that of a newer one."""

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Arrival:
    """A request whose thread is being found; `number` counts requests as they come."""

    number: int


class Arrivals:
    """Tells if a newer request has begun a turn on the thread of an older one."""

    def __init__(self) -> None:
        self._last = 0
        self._waiting: set[Arrival] = set()
        self._begun: dict[str, int] = {}
        """The newest request that has begun a turn, by thread; kept while an older one may still come."""

    def arrive(self) -> Arrival:
        """Return the arrival of a request that has just come."""
        self._last += 1
        arrival = Arrival(self._last)
        self._waiting.add(arrival)
        return arrival

    def again(self, arrival: Arrival) -> None:
        """Note that the same request has come once more: it is the newest one now."""
        self._last += 1
        arrival.number = self._last

    def overtaken(self, arrival: Arrival, thread_id: str) -> bool:
        """Tell if a newer request has begun a turn on the request's thread; else this one begins it now."""
        if self._begun.get(thread_id, 0) > arrival.number:
            return True
        self._begun[thread_id] = arrival.number
        return False

    def leave(self, arrival: Arrival) -> None:
        """Forget a request that waits no more: its turn has begun, or never will."""
        self._waiting.discard(arrival)
        oldest = min((other.number for other in self._waiting), default=self._last)
        self._begun = {thread_id: begun for thread_id, begun in self._begun.items() if begun > oldest}
