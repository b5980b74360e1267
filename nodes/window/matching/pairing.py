"""Pair a thread's items with a client's history, without contradictions."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...text.words import bare_words, without_tags, words_of
from .comparison import reworded, similar
from .items import Item

_LONGEST_GAP = 2
"""Number of consecutive items that the thread may lack: an exchange that the model's server refused."""
_MOST_REWORDED, _MOST_CORRECTED = 3, 2
"""Maximum number of reworded replies and corrected messages: each takes up to a millisecond."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Pairs items of a thread with those of a history; our `settled` ones are exactly as heard."""

    ours: Sequence[Item]
    theirs: Sequence[Item]
    settled: int

    def last_pairs(self, *, results_last: bool) -> list[tuple[int, int]]:
        """Return the possible last common items, latest first."""
        ours, theirs, last = self.ours, self.theirs, len(self.ours) - 1
        replied = max((j for j, item in enumerate(theirs) if item.role == "assistant"), default=0)
        ends = {ours[i].role: i for i in range(max(0, last - 1), last + 1)}
        if ours and ours[-1].role == "user":
            ends = {"user": last}
        places = range((len(theirs) if results_last else len(theirs) - 1) - 1, replied - 1, -1)
        found = ((ends[theirs[j].role], j) for j in places if theirs[j].role in ends)
        return [pair for pair in found if self._is_pair(*pair) or self._is_reworded(*pair)]

    def pairs_before(self, i: int, j: int) -> list[tuple[int, int]] | None:
        """Return all pairs up to this last one in order, `None` if the histories contradict each other."""
        pairs = [(i, j)]
        left = {"assistant": _MOST_REWORDED, "user": _MOST_CORRECTED}
        while i > 0 and j > 0:
            pair, role = self._pair_before(i, j), self.ours[i - 1].role
            if pair is None and left[role] and self._is_changed(i - 1, j - 1):
                pair, left[role] = (i - 1, j - 1), left[role] - 1
            if pair is None:
                return None
            pairs.append(pair)
            i, j = pair
        return pairs[::-1]

    def cuts_word(self, i: int, j: int) -> bool:
        """Return whether theirs is our reply cut in the middle of a word."""
        our, size = self.ours[i], len(self.theirs[j].words)
        if i < self.settled or size >= len(our.words):
            return False
        spoken, place = without_tags(our.text), 0
        for begin, end in words_of(spoken):
            if place >= size:
                break
            place += len(bare_words(spoken[begin:end]))
        return place != size

    def corrects(self, i: int, j: int) -> bool:
        """Return whether theirs is a different user message in place of ours."""
        return self.ours[i].role == "user" and self.ours[i].words != self.theirs[j].words

    def _pair_before(self, i: int, j: int) -> tuple[int, int] | None:
        """Return the pair before the one at `i` and `j`. Between them only one side may have more.

        On our side that must be an unheard reply: anything else would be in the history.
        """
        if self._is_pair(i - 1, j - 1):
            return i - 1, j - 1
        unheard = i - 1 >= self.settled and self.ours[i - 1].role == "assistant"
        if i > 1 and unheard and self._is_pair(i - 2, j - 1):
            return i - 2, j - 1
        gap = range(j - 2, max(j - 2 - _LONGEST_GAP, -1), -1)
        return next(((i - 1, k) for k in gap if self._is_pair(i - 1, k)), None)

    def _is_pair(self, i: int, j: int) -> bool:
        """Return whether theirs is ours: equal, or the heard part of the newest reply.

        The first reply of a history may lack its beginning.
        """
        our, their = self.ours[i], self.theirs[j]
        if our.role != their.role:
            return False
        if our.words == their.words:
            return True
        if our.role == "user":
            return False
        if i >= self.settled and is_heard(our, their):
            return True
        return j == 0 and len(our.words) - len(their.words) in our.parts and our.words.endswith(their.words)

    def _is_changed(self, i: int, j: int) -> bool:
        """Return whether theirs is ours changed: a reply as it was spoken, or a corrected message."""
        our, their = self.ours[i], self.theirs[j]
        if our.role == their.role == "user":
            return similar(our, their)
        return self._is_reworded(i, j)

    def _is_reworded(self, i: int, j: int) -> bool:
        """Return whether theirs is our reply as rewritten by text-to-speech, and nothing more."""
        our, their = self.ours[i], self.theirs[j]
        if not our.role == their.role == "assistant":
            return False
        found = reworded(our, their)
        if found is None or found.unexplained:
            return False
        more, theirs_alone = bare_words(our.text[found.size :]), bare_words(their.text[found.rest :])
        if theirs_alone or (i < self.settled and more):
            return False
        digits = iter(character for character in our.text if character.isdigit())
        told = (character for character in their.text if character.isdigit())
        return all(digit in digits for digit in told)


def is_heard(our: Item, their: Item) -> bool:
    """Return whether theirs is the beginning of our reply, or all of it plus the client's own words."""
    whole = len(our.words) in their.parts and their.words.startswith(our.words)
    return our.words.startswith(their.words) or whole
