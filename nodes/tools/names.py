"""Legal tool names: providers refuse dots, blanks, long names and other scripts.

A tool's own name is used for its author (events, records, logs). The model sees a legal one, and a call by
any name that matches exactly one tool finds it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256

_LEGAL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_LONGEST = 64
_DIGITS = 8
"""Number of hexadecimal digits that distinguish names which would otherwise be equal."""
_Form = Callable[[str], str]
_NAMESPACE = re.compile(r"^.*[./:](?=.)", re.DOTALL)


def acceptable_name(name: str) -> str:
    """Return a tool's name in a form that providers accept: an illegal one would break later requests."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:_LONGEST] or "unnamed"


def legal_name(name: str) -> str:
    """Return the name under which a tool is offered: its own if that is legal."""
    if _LEGAL.fullmatch(name):
        return name
    legal = re.sub(r"[^a-zA-Z0-9_-]", "_", _without_accents(name))
    if not re.search("[a-zA-Z0-9]", legal):
        return f"tool_{_digits(name)}"  # Nothing readable is left of another script.
    if not re.match("[a-zA-Z_]", legal):
        legal = f"_{legal}"
    return legal if len(legal) <= _LONGEST else _marked(legal, name)


def offered_names(names: Iterable[str]) -> dict[str, str]:
    """Return the unique name under which each tool of a set is offered.

    A legal name is not changed. Others that would be equal are each marked, independent of their order.
    """
    offered = {name: legal_name(name) for name in names}
    wanted = list(offered.values())
    return {
        name: legal if name == legal or wanted.count(legal) == 1 else _marked(legal, name)
        for name, legal in offered.items()
    }


def matching_name(called: str, offered: Mapping[str, str]) -> str | None:
    """Return the offered name that a model means by `called`, `None` if none or several match.

    `offered` maps offered names to the tools' own names. Models use the own name if a prompt mentions it,
    servers change case and separators, and some add a namespace (`functions.search`).
    """
    if called in offered:
        return called
    comparisons: tuple[tuple[_Form, _Form], ...] = ((str, str), (_loose, _loose), (_loose_end, _loose))
    for form, known in comparisons:
        fitting = {name for name, own in offered.items() if form(called) in (known(name), known(own))}
        if fitting:
            return fitting.pop() if len(fitting) == 1 else None
    return None


def _loose(name: str) -> str:
    return re.sub(r"[\W_]+", "_", _without_accents(name)).strip("_").casefold()


def _loose_end(name: str) -> str:
    return _loose(_NAMESPACE.sub("", name))


def _without_accents(name: str) -> str:
    parts = unicodedata.normalize("NFKD", name)
    return "".join(character for character in parts if not unicodedata.combining(character))


def _marked(legal: str, name: str) -> str:
    return f"{legal[: _LONGEST - _DIGITS - 1]}_{_digits(name)}"


def _digits(name: str) -> str:
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
