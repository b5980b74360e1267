"""Whatever clients do, the window holds what the caller said and heard: nothing lost, nothing twice."""

from dataclasses import dataclass, field
from typing import Any

from conversations import as_history
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from voicegraph.nodes.window.reconcile import Reconciled, Reconciling, reconcile
from voicegraph.state.schema import LatestTurn

NAMES = "amber birch coral delta ember flint grove hazel jade kite lilac maple north olive pearl".split()


@dataclass
class Call:
    """A client, the thread that it talks to, and what the caller really said and heard."""

    data: st.DataObject
    greeted: bool
    forgets: bool
    window: list[AnyMessage] = field(default_factory=list[AnyMessage])
    latest: LatestTurn | None = None
    history: list[str] = field(default_factory=list[str])
    truth: list[str] = field(default_factory=list[str])
    number: int = 0

    def __post_init__(self) -> None:
        if self.greeted:
            self.history.append("a:Welcome to Roma.")
            self.truth.append("a:Welcome to Roma.")

    def turn(self) -> None:
        """Say something, perhaps with drafts, retries and corrections, and hear some of the reply."""
        self.number += 1
        name = NAMES[self.number]
        said = f"u:{name} {name} 15 {name} please"
        reply = f"With {name} you owe 25 euros to Dr. {name}. Do you hear me?"
        for size in sorted(self.data.draw(st.lists(st.integers(3, 5), max_size=2), "words of drafts")):
            draft = " ".join(said.split()[:size])
            if len(self.truth) > 0 and self.data.draw(st.booleans(), "is another draft"):
                draft = f"u:Hm {NAMES[-self.number]}"
            self.ask(draft, whole=self.data.draw(st.booleans(), "was answered whole"))
            self.answer(f"Draft {name}.")
        for _ in range(self.data.draw(st.integers(1, 3), "requests")):
            self.ask(said, whole=True)
            self.check(said)
            self.answer(reply)
        self.hear(said, reply)
        if self.data.draw(st.booleans(), "is corrected") and self.history[-1].startswith("a:"):
            corrected = said.replace("15", "1.5")
            self.history = [corrected if item == said else item for item in self.history]
            self.truth = [corrected if item == said else item for item in self.truth]

    def ask(self, said: str, *, whole: bool) -> Reconciled:
        """Send a request and return what became of the window."""
        begin = 0
        if self.forgets:  # But not how the last turn went.
            last = max((i for i, item in enumerate(self.history) if item[0] == "u"), default=0)
            begin = self.data.draw(st.integers(0, last), "beginning of the history")
        history = as_history([*self.history[begin:], said])
        rules = Reconciling(
            latest=self.latest,
            provisional=True,
            lasting=lambda _: False,
            now=1.0,
            firm=self.data.draw(st.booleans(), "a while ago"),
        )
        done = reconcile(self.window, history, rules)
        again = reconcile(
            done.window, history, Reconciling(**{**_fields(rules), "latest": self._latest(done, whole)})
        )
        assert _shown(again.window) == _shown(done.window)
        self.window, self.latest = done.window, self._latest(done, whole)
        return done

    def answer(self, text: str) -> None:
        reply = AIMessage(
            text, id=f"a{len(self.window)}{self.number}", response_metadata={"finish_reason": "stop"}
        )
        self.window = [*self.window, reply]

    def hear(self, said: str, reply: str) -> None:
        """Take in what was played of the reply, as text-to-speech had it."""
        words = reply.split()
        heard = " ".join(words[: self.data.draw(st.sampled_from([0, 2, 5, 8, len(words)]), "heard words")])
        self.history.append(said)
        self.truth.append(said)
        if heard:
            self.truth.append(f"a:{heard}")
            if self.data.draw(st.booleans(), "was rewritten"):
                heard = heard.replace("25", "twenty-five").replace("Dr.", "Doctor")
            self.history.append(f"a:{heard}")
        if self.data.draw(st.booleans(), "client goes on"):
            extra = f"a:Are you there {NAMES[self.number]}?"
            self.history.append(extra)
            self.truth.append(extra)

    def check(self, said: str) -> None:
        assert _shown(self.window) == _merged([*self.truth, said])

    def _latest(self, done: Reconciled, whole: bool) -> LatestTurn:
        keeps = self.greeted or len(self.history) > 1
        return LatestTurn(
            turn_id="t",
            after=done.after,
            started_at=0.0,
            whole=whole,
            history_size=done.history_size,
            keeps_history=keeps,
        )


def _fields(rules: Reconciling) -> dict[str, Any]:
    return {name: getattr(rules, name) for name in ("latest", "provisional", "lasting", "now", "firm")}


def _shown(window: list[AnyMessage]) -> list[str]:
    return _merged([f"{'u' if isinstance(m, HumanMessage) else 'a'}:{m.text}" for m in window])


def _merged(items: list[str]) -> list[str]:
    """Return replies that follow each other as one."""
    merged: list[str] = []
    for item in items:
        if merged and merged[-1][0] == item[0] == "a":
            merged[-1] = f"{merged[-1]} {item[2:]}"
        else:
            merged.append(item)
    return merged


@given(st.data(), st.booleans(), st.booleans(), st.integers(1, 5))
def test_a_client_that_keeps_a_history_finds_it_in_the_window(
    data: st.DataObject, greeted: bool, forgets: bool, turns: int
) -> None:
    call = Call(data, greeted, forgets)
    for _ in range(turns):
        call.turn()


SAID = st.sampled_from(
    ["yes", "no", "*", "#", "हाँ", "हूँ", "book a table", "what is it", "15", "1.5", "C", "C++"]
)


@given(st.lists(SAID, max_size=8))
def test_of_a_client_that_sends_newest_words_alone_no_words_are_lost(turns: list[str]) -> None:
    window: list[AnyMessage] = []
    latest: LatestTurn | None = None
    # The first turn tells nothing of the client: the same words again would be the same request.
    said = ["I am Ada", *turns]
    for number, words in enumerate(said):
        rules = Reconciling(latest=latest, provisional=True, lasting=lambda _: False, now=1.0, firm=True)
        done = reconcile(window, as_history([f"u:{words}"]), rules)
        reply = AIMessage(f"Reply {number}.", id=f"a{number}", response_metadata={"finish_reason": "stop"})
        window = [*done.window, reply]
        latest = LatestTurn(
            turn_id="t", after=done.after, started_at=0.0, whole=True, history_size=done.history_size
        )
    assert [m.text for m in window if isinstance(m, HumanMessage)] == said
