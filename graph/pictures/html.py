"""HTML snippets for notebooks: plain tags that code-hosting sites do not strip."""

from collections.abc import Iterator, Sequence
from html import escape

# Notebooks use the style; sites that strip styles use the attribute.
_LEFT = 'align="left" style="text-align:left"'
_LEFT_IN_ONE_LINE = 'align="left" style="text-align:left;white-space:nowrap"'


def html_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of texts, the first column in a fixed-width font; only the last one wraps."""
    head = "".join(f"<th {_LEFT}>{escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(_cells(row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Sequence[str]) -> Iterator[str]:
    for place, cell in enumerate(row, start=1):
        text = f'<code style="white-space:nowrap">{escape(cell)}</code>' if place == 1 else escape(cell)
        yield f"<td {_LEFT if place == len(row) else _LEFT_IN_ONE_LINE}>{text}</td>"


def html_page(body: str) -> str:
    """Return a complete HTML page with `body`."""
    return f'<!doctype html>\n<meta charset="utf-8">\n{body}\n'
