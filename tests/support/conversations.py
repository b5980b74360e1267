"""Conversations in short notation, for tests of how a client's history and our window become one.

`u:` are the caller's words, `a:` replies of our model, `c:` what the client said by itself. In the window
`|` stands before the newest turn.
"""

from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from voicegraph.nodes.window.matching.items import digests_of, their_items
from voicegraph.nodes.window.reconcile import Reconciled, Reconciling, reconcile
from voicegraph.state.schema import ClientMessage, LatestTurn


def windowed(notation: list[str]) -> tuple[list[AnyMessage], str]:
    """Return the messages, and the id of the last one before the newest turn."""
    messages: list[AnyMessage] = []
    after = ""
    for place, item in enumerate(notation):
        if item.startswith("|"):
            after, item = messages[-1].id or "" if messages else "", item[1:]
        kind, text = item.split(":", 1)
        if kind == "u":
            messages.append(HumanMessage(text, id=f"m{place}"))
        else:
            made = {"model": "m", "finish_reason": "stop"} if kind == "a" else {}
            messages.append(AIMessage(text, id=f"m{place}", response_metadata=made))
    return messages, after


def as_history(notation: list[str]) -> list[ClientMessage]:
    """Return the client's history."""
    roles: Any = {"u": "user", "a": "assistant", "c": "assistant"}
    return [ClientMessage(role=roles[item[0]], text=item[2:]) for item in notation]


def shown(messages: list[AnyMessage]) -> list[str]:
    """Return messages in this notation."""
    return [f"{'u' if isinstance(m, HumanMessage) else 'a'}:{m.text}" for m in messages]


def reconciled(
    ours: list[str],
    theirs: list[str],
    *,
    provisional: bool = True,
    firm: bool = False,
    recent: bool = True,
    whole: bool = True,
    request: list[str] | None = None,
    **latest: Any,
) -> Reconciled:
    """Return what becomes of our window by the client's history; `latest` are facts of the newest turn.

    `request` is the history that the newest turn answered.
    """
    window, after = windowed(ours)
    if request is not None:
        latest["asked_with"], latest["request"] = digests_of(their_items(as_history(request)))
    newest = LatestTurn(turn_id="t", after=after, started_at=0.0, whole=whole, **latest)
    rules = Reconciling(
        latest=newest,
        provisional=provisional,
        lasting=lambda _: False,
        now=1.0,
        firm=firm,
        recent=recent,
    )
    return reconcile(window, as_history(theirs), rules)
